import type { Family } from "../../address/ip.ts";

/**
 * Types and codes of ICMP and ICMPv6 by the names iptables and ip6tables take (libxt_icmp.c), which neither prints. A name
 * without a code stands for all codes of its type. ipset knows most of them too (`ipset/icmp-names.ts`).
 */
export type IcmpName = readonly [name: string, type: number, code: number | null];

const ICMP: readonly IcmpName[] = [
  ["echo-reply", 0, null],
  ["pong", 0, null],
  ["destination-unreachable", 3, null],
  ["network-unreachable", 3, 0],
  ["host-unreachable", 3, 1],
  ["protocol-unreachable", 3, 2],
  ["port-unreachable", 3, 3],
  ["fragmentation-needed", 3, 4],
  ["source-route-failed", 3, 5],
  ["network-unknown", 3, 6],
  ["host-unknown", 3, 7],
  ["network-prohibited", 3, 9],
  ["host-prohibited", 3, 10],
  ["TOS-network-unreachable", 3, 11],
  ["TOS-host-unreachable", 3, 12],
  ["communication-prohibited", 3, 13],
  ["host-precedence-violation", 3, 14],
  ["precedence-cutoff", 3, 15],
  ["source-quench", 4, null],
  ["redirect", 5, null],
  ["network-redirect", 5, 0],
  ["host-redirect", 5, 1],
  ["TOS-network-redirect", 5, 2],
  ["TOS-host-redirect", 5, 3],
  ["echo-request", 8, null],
  ["ping", 8, null],
  ["router-advertisement", 9, null],
  ["router-solicitation", 10, null],
  ["time-exceeded", 11, null],
  ["ttl-exceeded", 11, null],
  ["ttl-zero-during-transit", 11, 0],
  ["ttl-zero-during-reassembly", 11, 1],
  ["parameter-problem", 12, null],
  ["ip-header-bad", 12, 0],
  ["required-option-missing", 12, 1],
  ["timestamp-request", 13, null],
  ["timestamp-reply", 14, null],
  ["address-mask-request", 17, null],
  ["address-mask-reply", 18, null],
];

const ICMPV6: readonly IcmpName[] = [
  ["destination-unreachable", 1, null],
  ["no-route", 1, 0],
  ["communication-prohibited", 1, 1],
  ["beyond-scope", 1, 2],
  ["address-unreachable", 1, 3],
  ["port-unreachable", 1, 4],
  ["failed-policy", 1, 5],
  ["reject-route", 1, 6],
  ["packet-too-big", 2, null],
  ["time-exceeded", 3, null],
  ["ttl-exceeded", 3, null],
  ["ttl-zero-during-transit", 3, 0],
  ["ttl-zero-during-reassembly", 3, 1],
  ["parameter-problem", 4, null],
  ["bad-header", 4, 0],
  ["unknown-header-type", 4, 1],
  ["unknown-option", 4, 2],
  ["echo-request", 128, null],
  ["ping", 128, null],
  ["echo-reply", 129, null],
  ["pong", 129, null],
  ["router-solicitation", 133, null],
  ["router-advertisement", 134, null],
  ["neighbour-solicitation", 135, null],
  ["neighbor-solicitation", 135, null],
  ["neighbour-advertisement", 136, null],
  ["neighbor-advertisement", 136, null],
  ["redirect", 137, null],
];

export const ICMP_NAMES: Readonly<Record<Family, readonly IcmpName[]>> = { 4: ICMP, 6: ICMPV6 };

/** By name, or by the beginning of it that no other has; undefined where there is none. */
export function icmpTypeNamed(
  text: string,
  family: Family,
): { readonly type: number; readonly code: number | null } | undefined {
  if (!/^[A-Za-z]/.test(text)) return undefined;
  const word = text.toLowerCase();
  const names = ICMP_NAMES[family];
  const exact = names.find(([name]) => name.toLowerCase() === word);
  const begun = names.filter(([name]) => name.toLowerCase().startsWith(word));
  const found = exact ?? (begun.length === 1 ? begun[0] : undefined);
  return found && { type: found[1], code: found[2] };
}
