import type { Family } from "../../address/ip.ts";
import { hashOf } from "../../packet/flow-hash.ts";
import { IPPROTO_AH, type Packet } from "../../packet/packet.ts";
import { conntrackConfirm, conntrackIn } from "../conntrack/conntrack-in.ts";
import { ipvsForwardError, ipvsIn } from "../ipvs/packet-in.ts";
import { ipvsOut } from "../ipvs/packet-out.ts";
import { type NatLookup, natHook } from "../nat/nat-hook.ts";
import type { Netns } from "../netns.ts";
import { nftHooks } from "../nft/base-chains.ts";
import { defragment } from "../path/reassembly.ts";
import { type ReasonName, reason } from "../reason.ts";
import { routeMeHarder } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";

import { doTable } from "./do-table.ts";
import * as DROPPED from "./dropped-by.ts";
import * as HOOK from "./hook.ts";
import { HOOK_NAMES, type NfVerdict, TABLE_HOOKS } from "./hook.ts";
import { synproxyHook } from "./synproxy.ts";
import type { CompiledTable } from "./table.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { DROPPED_BY_POLICY, DROPPED_BY_RULE } = DROPPED;
const {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_IP_PRI,
} = HOOK;

/**
 * The hooks of one host as data: for each, its functions by priority. A function is there only where the namespace
 * registered it: conntrack and defragmentation where something needs them, a table's where it was loaded. Translation is
 * one function a hook, which asks iptables' nat table and nftables' chains of type nat in the order of their priorities.
 */
export interface HookEntry {
  readonly priority: number;
  readonly name: string;
  readonly run: HookFunction;
  /** A table of iptables: what runs. */
  readonly table: TableAtHook | null;
}

type HookFunction = (stack: Stack, packet: Packet) => NfVerdict;

/** A table of iptables as a hook's function. Runs per packet. */
class TableAtHook {
  private readonly table: CompiledTable;
  /** Its place in its ruleset, as a tape names it. */
  private readonly place: number;
  private readonly hook: number;
  /** iptables-nft's, which is a table of nftables. */
  private readonly isNft: boolean;

  constructor(table: CompiledTable, place: number, hook: number, isNft: boolean) {
    this.table = table;
    this.place = place;
    this.hook = hook;
    this.isNft = isNft;
  }

  run(stack: Stack, packet: Packet): NfVerdict {
    const { table, place, hook } = this;
    if (this.isNft) {
      if (stack.engine.tracesPackets) hashOf(packet);
      if (packet.extensions.length > 0)
        return underAuthentication(packet, () => doTable(stack, table, place, hook, packet));
    }
    return doTable(stack, table, place, hook, packet);
  }
}

export interface HookTable {
  /** By `NF_INET_*`: what runs for IPv4. */
  readonly entries: readonly (readonly HookEntry[])[];
  /** The same for IPv6. */
  readonly entries6: readonly (readonly HookEntry[])[];
}

const RULE_DROP = reason("rule-drop" satisfies ReasonName);
const POLICY_DROP = reason("policy-drop");
const MATCH_DROP = reason("match-drop");

/** What a tape adds to the place of a table of ip6tables. */
export const FIRST_TABLE_6 = 16;

const tables = new WeakMap<Netns, HookTable>();

export function hookTableOf(net: Netns): HookTable {
  let table = tables.get(net);
  if (table === undefined) {
    table = { entries: build(net, 4), entries6: build(net, 6) };
    tables.set(net, table);
  }
  return table;
}

/**
 * Rules that iptables-nft keeps ask nftables for a packet's protocol, to which an authentication header is one
 * (`nft_set_pktinfo_ipv6`).
 */
function underAuthentication(packet: Packet, run: () => NfVerdict): NfVerdict {
  const { protocol, extensions } = packet;
  if (!extensions.some((extension) => extension.protocol === IPPROTO_AH)) return run();
  packet.protocol = IPPROTO_AH;
  const verdict = run();
  // Another's by now, where it has ended.
  if (verdict === NF_ACCEPT) packet.protocol = protocol;
  return verdict;
}

function build(net: Netns, family: Family): HookEntry[][] {
  const entries: HookEntry[][] = HOOK_NAMES.map(() => []);
  const add = (
    hook: number,
    priority: number,
    name: string,
    run: HookFunction,
    table: TableAtHook | null = null,
  ): void => {
    (entries[hook] as HookEntry[]).push({ priority, name, run, table });
  };
  if (net.defragments(family)) {
    add(NF_INET_PRE_ROUTING, NF_IP_PRI.CONNTRACK_DEFRAG, "defrag", defragment);
    add(NF_INET_LOCAL_OUT, NF_IP_PRI.CONNTRACK_DEFRAG, "defrag", defragment);
  }
  if (net.tracks(family)) {
    add(NF_INET_PRE_ROUTING, NF_IP_PRI.CONNTRACK, "conntrack", conntrackIn);
    add(NF_INET_LOCAL_OUT, NF_IP_PRI.CONNTRACK, "conntrack", conntrackIn);
    add(NF_INET_LOCAL_IN, NF_IP_PRI.CONNTRACK_CONFIRM, "confirm", conntrackConfirm);
    add(NF_INET_POST_ROUTING, NF_IP_PRI.CONNTRACK_CONFIRM, "confirm", conntrackConfirm);
  }
  if (net.proxiesHandshakes(family)) {
    add(NF_INET_LOCAL_IN, NF_IP_PRI.CONNTRACK_CONFIRM - 1, "synproxy", synproxyHook);
    add(NF_INET_POST_ROUTING, NF_IP_PRI.CONNTRACK_CONFIRM - 1, "synproxy", synproxyHook);
  }
  if (net.ipvs?.serves(family)) {
    add(NF_INET_LOCAL_IN, NF_IP_PRI.NAT_SRC - 2, "ipvs-out", ipvsOut);
    add(NF_INET_LOCAL_IN, NF_IP_PRI.NAT_SRC - 1, "ipvs-in", ipvsIn);
    add(NF_INET_LOCAL_OUT, NF_IP_PRI.NAT_DST + 1, "ipvs-out", ipvsOut);
    add(NF_INET_LOCAL_OUT, NF_IP_PRI.NAT_DST + 2, "ipvs-in", ipvsIn);
    add(NF_INET_FORWARD, NF_IP_PRI.NAT_SRC - 1, "ipvs-error", ipvsForwardError);
    add(NF_INET_FORWARD, NF_IP_PRI.NAT_SRC, "ipvs-out", ipvsOut);
  }
  const natLookups: NatTable[][] = HOOK_NAMES.map(() => []);
  const isNft = (family === 6 ? net.host.ip6tables : net.host.iptables)?.backend === "nft";
  net.rules(family)?.tables.forEach((table, number) => {
    for (const { hook, priority } of TABLE_HOOKS[table.name] ?? []) {
      const place = family === 6 ? number + FIRST_TABLE_6 : number;
      const lookup = new TableAtHook(table, place, hook, isNft);
      const run: HookFunction = (stack, packet) => lookup.run(stack, packet);
      if (table.name === "nat") natLookups[hook]?.push({ priority, lookup });
      else if (hook === NF_INET_LOCAL_OUT && table.name === "mangle")
        add(hook, priority, table.name, routingAgain(run));
      else add(hook, priority, table.name, run, lookup);
    }
  });
  const chains = nftHooks(net.nft, family);
  for (const { base, hook, priority, run } of chains)
    if (base.type === "nat") natLookups[hook]?.push({ priority, lookup: { run } });
  const addNat = (): void => {
    for (const { hook, priority } of TABLE_HOOKS["nat"] ?? []) {
      const found = natLookups[hook] as NatTable[];
      const lookups = found.sort((a, b) => a.priority - b.priority).map(({ lookup }) => lookup);
      add(hook, priority, "nat", (stack, packet) => natHook(stack, lookups, hook, packet));
    }
  };
  // `nf_nat_register_fn`: the first chain of this kind brings translation to all four hooks, in front of its equals that are there.
  const first = chains.findLast(({ base }) => base.type === "nat");
  if (first === undefined && natLookups.some((found) => found.length > 0)) addNat();
  for (const chain of chains) {
    const { base, hook, priority, name, run } = chain;
    if (chain === first) addNat();
    if (base.type !== "nat") add(hook, priority, name, base.type === "route" ? routingAgain(run) : run);
  }
  for (const list of entries) list.sort((a, b) => a.priority - b.priority);
  return entries;
}

/** A table of type nat, among the others of its hook. */
interface NatTable {
  readonly priority: number;
  readonly lookup: NatLookup;
}

/**
 * `ipt_mangle_out`, `ip6t_mangle_out`, `nf_route_table_hook4` and `6`: route again when a mark, an address or the TOS changed;
 * in IPv6 the hop limit and the flow label as well.
 */
function routingAgain(run: HookFunction): HookFunction {
  return (stack, packet) => {
    const { mark, src, dst, tos, ttl, flowLabel } = packet;
    const verdict = run(stack, packet);
    if (verdict !== NF_ACCEPT) return verdict;
    if (
      packet.mark !== mark ||
      packet.src !== src ||
      packet.dst !== dst ||
      packet.tos !== tos ||
      (packet.family === 6 && (packet.ttl !== ttl || packet.flowLabel !== flowLabel))
    ) {
      const errno = routeMeHarder(stack, packet);
      if (errno !== 0) {
        stack.dropErrno = errno;
        stack.drop(packet, RULE_DROP);
        return NF_DROP;
      }
    }
    return NF_ACCEPT;
  };
}

/**
 * `nf_hook`: run a packet through the functions of one hook.
 *
 * NF_ACCEPT: the packet goes on and is still the caller's. NF_DROP: it was noted and is the caller's to release.
 * NF_STOLEN: somebody else owns it now. Runs per packet.
 *
 * @param inIf ifindex the rules see as `-i`, 0 none
 * @param outIf ifindex the rules see as `-o`, 0 none
 */
export function nfHook(stack: Stack, hook: number, packet: Packet, inIf: number, outIf: number): NfVerdict {
  const { hooks } = stack;
  const entries = (packet.family === 6 ? hooks.entries6 : hooks.entries)[hook] as readonly HookEntry[];
  const count = entries.length;
  if (count === 0) return NF_ACCEPT;
  const outerHook = stack.hook;
  const outerIn = stack.inIf;
  const outerOut = stack.outIf;
  const outerInName = stack.inName;
  const outerOutName = stack.outName;
  stack.hook = hook;
  stack.inIf = inIf;
  stack.outIf = outIf;
  stack.inName = inIf === 0 ? -1 : stack.nameOf(inIf);
  stack.outName = outIf === 0 ? -1 : stack.nameOf(outIf);
  stack.tape?.hook(stack.host, hook, inIf, outIf, packet);
  let verdict: NfVerdict = NF_ACCEPT;
  for (let i = 0; i < count; i++) {
    const drops = stack.engine.drops;
    verdict = runEntry(entries[i] as HookEntry, stack, packet);
    if (verdict !== NF_ACCEPT) {
      // A table that dropped has not said why; REJECT, nat and conntrack have.
      if (verdict === NF_DROP && stack.engine.drops === drops) {
        stack.drop(packet, dropReason(stack));
      }
      stack.hasCopied = false;
      break;
    }
    // `ipt_do_table` keeps softirqs out; when it has done its copy is gone before its packet goes on.
    if (stack.hasCopied) {
      stack.hasCopied = false;
      stack.outbox.runSoftirqs();
    }
  }
  stack.hook = outerHook;
  stack.inIf = outerIn;
  stack.outIf = outerOut;
  stack.inName = outerInName;
  stack.outName = outerOutName;
  return verdict;
}

/** What nearly every packet comes to is called by its name: the engine can inline that. */
function runEntry({ run, table }: HookEntry, stack: Stack, packet: Packet): NfVerdict {
  if (table !== null) return table.run(stack, packet);
  if (run === defragment) return packet.isFragment ? defragment(stack, packet) : NF_ACCEPT;
  if (run === conntrackIn) return conntrackIn(stack, packet);
  if (run === conntrackConfirm) return conntrackConfirm(stack, packet);
  return run(stack, packet);
}

function dropReason({ dropBy }: Stack): number {
  if (dropBy === DROPPED_BY_RULE) return RULE_DROP;
  return dropBy === DROPPED_BY_POLICY ? POLICY_DROP : MATCH_DROP;
}
