import { parseIp } from "../../address/ip.ts";
import { addressOnPath } from "../../address/ip6-handle.ts";
import {
  type FailedCondition,
  failedConditions,
  type PacketAtHook,
} from "../../kernel/netfilter/failed-conditions.ts";
import { CT_STATE } from "../../kernel/netfilter/match/conntrack-state.ts";
import { RTN_LOCAL, RTN_UNICAST } from "../../kernel/route/types.ts";
import { parseFlagLetters } from "../../walk/packet-view.ts";
import type { HookStep, HookVisit, PacketView } from "../../walk/trace.ts";
import type { World } from "../../world/world.ts";

/** A rule that would have matched but for one condition. */
export interface NearMiss {
  readonly chain: string;
  /** From 1 within its chain. */
  readonly index: number;
  readonly condition: FailedCondition;
}

/** More than these of one chain say nothing more. */
const MOST_OF_A_CHAIN = 3;

/**
 * The near misses of a chain that a packet walked to its end without a match (`step`: a `return` or a `policy` of a visit). A rule for another
 * single address is a rule for somebody else, not a miss.
 */
export function nearMissesOf(world: World, visit: HookVisit, step: HookStep): NearMiss[] {
  const host = world.hosts.get(visit.host);
  const tables = isIpv6(visit.before) ? host?.ip6tables : host?.iptables;
  const rules = tables?.tables.get(step.table)?.chains.get(step.chain)?.rules ?? [];
  const packet = packetAt(world, visit, step.mark);
  // A rule without a target only counts (kube-proxy ends its firewall chains with a remark of that kind).
  const someMatched = visit.steps.some(
    ({ table, chain, kind, index }) =>
      kind === "rule" &&
      table === step.table &&
      chain === step.chain &&
      (rules[index - 1]?.target ?? null) !== null,
  );
  if (packet === null || step.kind === "rule" || someMatched) return [];
  const found: NearMiss[] = [];
  for (const [i, rule] of rules.entries()) {
    if (found.length === MOST_OF_A_CHAIN) break;
    const [condition, ...more] = failedConditions(rule, packet) ?? [];
    if (condition === undefined || more.length > 0 || condition.kind === "state") continue;
    if (condition.kind === "destination" && condition.isExact) continue;
    found.push({ chain: step.chain, index: i + 1, condition });
  }
  return found;
}

/** `near miss: rule 12 of KUBE-SERVICES but for --dport 8080 (8081 here)` */
export function nearMissText({ chain, index, condition: { text, has } }: NearMiss): string {
  return `near miss: rule ${index} of ${chain} but for ${text}${has === "" ? "" : ` (${has} here)`}`;
}

/** The packet as the visit's rules saw it. */
export function packetAt(world: World, visit: HookVisit, mark: number): PacketAtHook | null {
  const host = world.hosts.get(visit.host);
  const { before, phase } = visit;
  const [src, dst] = [parseIp(before.ip.src), parseIp(before.ip.dst)];
  if (host === undefined || src === undefined || dst === undefined) return null;
  const { tcp, icmp, ip } = before;
  const ports = tcp ?? before.udp ?? before.sctp;
  const six = isIpv6(before);
  const local = new Set(
    (six ? host.addresses6 : host.addresses).map(({ address }) => addressOnPath(address)),
  );
  const isLocal = (address: number) => local.has(address) || (!six && address >>> 24 === 127);
  return {
    family: six ? 6 : 4,
    src: addressOnPath(src),
    dst: addressOnPath(dst),
    protocol: ip.proto,
    sport: ports?.sport ?? null,
    dport: ports?.dport ?? null,
    tcpFlags: parseFlagLetters(tcp?.flags ?? "") ?? 0,
    icmpType: icmp?.type ?? 0,
    icmpCode: icmp?.code ?? 0,
    ttl: ip.ttl,
    length: ip.len,
    isFragment: (ip.off ?? 0) > 0,
    mark,
    inDevice: visit.in ?? "",
    outDevice: visit.out ?? "",
    ctState: phase === "request" ? stateOfRequest(before) : null,
    addressType: (address) => (isLocal(address) ? RTN_LOCAL : RTN_UNICAST),
  };
}

function isIpv6({ ip }: PacketView): boolean {
  return ip.src.includes(":");
}

/** The first packet of a connection is new to everybody on its way; a hand-made one may be anything. */
function stateOfRequest({ tcp }: PacketView): number | null {
  return tcp === undefined || tcp.flags === "S" ? CT_STATE.NEW : null;
}
