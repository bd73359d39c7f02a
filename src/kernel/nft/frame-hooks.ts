import { ETH_P_ARP, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import {
  NF_ACCEPT,
  NF_ARP_IN,
  NF_ARP_OUT,
  NF_BR_FORWARD,
  NF_BR_LOCAL_IN,
  NF_BR_LOCAL_OUT,
  NF_BR_POST_ROUTING,
  NF_BR_PRE_ROUTING,
  NF_INET_INGRESS,
  NF_NETDEV_EGRESS,
  type NfVerdict,
} from "../netfilter/hook.ts";
import type { Stack } from "../stack.ts";
import { isUnwalked } from "./base-chains.ts";
import type { CompiledNft, CompiledNftTable } from "./compile/nft-table.ts";
import { nftDoChain } from "./do-chain.ts";
import { flowHook, flowtableNumber } from "./flow-offload.ts";
import type { BaseChain } from "./ruleset.ts";

/**
 * Base chains of nftables that meet frames rather than packets of IP: at a device's ingress and egress, on bridges, and those
 * of ARP.
 */

/** A base chain where it is hooked. */
export interface FrameChain {
  readonly priority: number;
  readonly run: (stack: Stack, packet: Packet) => NfVerdict;
}

/** Chains that frames meet when they come in by a device, before anything else: of tables of family netdev, or inet. */
export function ingressChains(nft: CompiledNft, device: string): readonly FrameChain[] {
  const chains = chainsAt(
    nft,
    NF_INET_INGRESS,
    ({ plain }, base) =>
      (plain.family === "netdev" || plain.family === "inet") &&
      base.hook === "ingress" &&
      base.devices.includes(device),
  );
  const flows = flowtablesAt(nft, device);
  return flows.length === 0 ? chains : [...chains, ...flows].sort((a, b) => a.priority - b.priority);
}

/** Flow tables that a device is in, as what they do with its frames (`nft_register_flowtable_net_hooks`). */
function flowtablesAt(nft: CompiledNft, device: string): FrameChain[] {
  return nft.tables.flatMap(({ plain: { family, name: table, flowtables, flags } }) =>
    flowtables
      .filter(({ devices }) => devices.includes(device) && !flags.includes("dormant"))
      .map(({ name, priority }) => {
        const number = flowtableNumber(family, table, name);
        return { priority, run: (stack: Stack, packet: Packet) => flowHook(stack, packet, number) };
      }),
  );
}

/** Chains that frames meet last before they leave by a device: of tables of family netdev. */
export function egressChains(nft: CompiledNft, device: string): readonly FrameChain[] {
  return chainsAt(
    nft,
    NF_NETDEV_EGRESS,
    ({ plain }, base) => plain.family === "netdev" && base.hook === "egress" && base.devices.includes(device),
  );
}

/** Chains at one hook, those that come before br_netfilter's function there, and those behind it. */
interface BridgeHook {
  readonly before: readonly FrameChain[];
  readonly after: readonly FrameChain[];
}

/** By `NF_BR_*`, less the first of them. */
export type BridgeChains = readonly BridgeHook[];

const BRIDGE_HOOKS: readonly (readonly [number, BaseChain["hook"]])[] = [
  [NF_BR_PRE_ROUTING, "prerouting"],
  [NF_BR_LOCAL_IN, "input"],
  [NF_BR_FORWARD, "forward"],
  [NF_BR_LOCAL_OUT, "output"],
  [NF_BR_POST_ROUTING, "postrouting"],
];
/** `NF_BR_PRI_BRNF`: where br_netfilter stands before and on bridges; elsewhere it is last. */
const BR_NETFILTER = 0;

/** null where no table of family bridge has any. */
export function bridgeChains(nft: CompiledNft): BridgeChains | null {
  const hooks = BRIDGE_HOOKS.map(([number, name]) => {
    const all = chainsAt(nft, number, ({ plain }, base) => plain.family === "bridge" && base.hook === name);
    const isLast = number !== NF_BR_PRE_ROUTING && number !== NF_BR_FORWARD;
    const isBefore = ({ priority }: FrameChain): boolean => isLast || priority <= BR_NETFILTER;
    return { before: all.filter(isBefore), after: all.filter((chain) => !isBefore(chain)) };
  });
  return hooks.every(({ before, after }) => before.length + after.length === 0) ? null : hooks;
}

export interface ArpChains {
  readonly input: readonly FrameChain[];
  readonly output: readonly FrameChain[];
}

/** null where no table of family arp has any. */
export function arpChains(nft: CompiledNft): ArpChains | null {
  const at = (hook: number, name: BaseChain["hook"]) =>
    chainsAt(nft, hook, ({ plain }, base) => plain.family === "arp" && base.hook === name);
  const chains = { input: at(NF_ARP_IN, "input"), output: at(NF_ARP_OUT, "output") };
  return chains.input.length + chains.output.length === 0 ? null : chains;
}

/** Base chains of tables that are not dormant, in the order they run. */
function chainsAt(
  nft: CompiledNft,
  hook: number,
  isHere: (table: CompiledNftTable, base: BaseChain) => boolean,
): readonly FrameChain[] {
  const found: FrameChain[] = [];
  for (const table of nft.tables) {
    if (table.plain.flags.includes("dormant") || isUnwalked(table.plain)) continue;
    for (const [place, { plain }] of table.chains.entries()) {
      const { base } = plain;
      if (base === null || !isHere(table, base)) continue;
      const run: FrameChain["run"] = (stack, packet) => nftDoChain(stack, table, place, hook, packet);
      const ipOnly = table.plain.family === "inet";
      found.push({
        priority: base.priority,
        run: ipOnly
          ? (stack, packet) => (packet.ethType === ETH_P_ARP ? NF_ACCEPT : run(stack, packet))
          : run,
      });
    }
  }
  // What is registered last comes first among equals.
  return found.reverse().sort((a, b) => a.priority - b.priority);
}

/** `nf_hook_bridge_pre`, `NF_HOOK(NFPROTO_BRIDGE, …)`: the chains before br_netfilter, or those behind it. Runs per packet. */
export function nftBridge(
  stack: Stack,
  chains: BridgeChains,
  hook: number,
  behind: boolean,
  packet: Packet,
  dev: NetDevice | null,
  out: NetDevice | null,
): NfVerdict {
  const at = chains[hook - NF_BR_PRE_ROUTING] as BridgeHook;
  return nftFrame(stack, hook, behind ? at.after : at.before, packet, dev, out);
}

/** Run a frame through chains, its link-layer header still before it. Runs per packet. */
export function nftFrame(
  stack: Stack,
  own: number,
  chains: readonly FrameChain[],
  packet: Packet,
  dev: NetDevice | null,
  out: NetDevice | null,
): NfVerdict {
  if (chains.length === 0) return NF_ACCEPT;
  const { hook, inIf, outIf, inName, outName } = stack;
  stack.hook = own;
  stack.inIf = dev?.ifindex ?? 0;
  stack.inName = dev?.nameId ?? -1;
  stack.outIf = out?.ifindex ?? 0;
  stack.outName = out?.nameId ?? -1;
  if (packet.ethType !== ETH_P_ARP) stack.tape?.hook(stack.host, own, stack.inIf, stack.outIf, packet);
  let verdict: NfVerdict = NF_ACCEPT;
  for (let i = 0; i < chains.length && verdict === NF_ACCEPT; i++) {
    verdict = (chains[i] as FrameChain).run(stack, packet);
  }
  stack.hook = hook;
  stack.inIf = inIf;
  stack.outIf = outIf;
  stack.inName = inName;
  stack.outName = outName;
  return verdict;
}
