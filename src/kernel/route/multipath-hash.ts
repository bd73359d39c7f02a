import { type Ip6, word6 } from "../../address/ip6-handle.ts";
import type { Ipv4 } from "../../address/ipv4.ts";
import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import { isIcmpError } from "../conntrack/icmp.ts";
import type { Stack } from "../stack.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { INNER_IPIP, IPPROTO_ICMP, IPPROTO_ICMPV6 } = PACKET;

/**
 * What of a packet chooses among several next hops (`fib_multipath_hash`, `rt6_multipath_hash`), by
 * `net.ipv4.fib_multipath_hash_policy` and IPv6's own: 0 the addresses, 1 the five-tuple, 2 the innermost addresses, 3 what
 * `fib_multipath_hash_fields` names. Runs per packet.
 */

// FIB_MULTIPATH_HASH_FIELD_*
const SRC_IP = 1 << 0;
const DST_IP = 1 << 1;
const IP_PROTO = 1 << 2;
const FLOWLABEL = 1 << 3;
const SRC_PORT = 1 << 4;
const DST_PORT = 1 << 5;
/** An inner field stands so many bits above the same outer one. */
const INNER = 6;
const OUTER_MASK = (1 << INNER) - 1;
export const DEFAULT_HASH_FIELDS = SRC_IP | DST_IP | IP_PROTO;

/** The two words of the last packet asked about. */
const multipathKey = new Int32Array(2);

/**
 * @param saddr with `daddr`: as the look-up has them
 * @param cameIn the packet came in; of what was made here an error goes by all of the packet that it is about (`icmp_route_lookup`)
 */
export function multipathKey4(
  stack: Stack,
  packet: Packet,
  saddr: Ipv4,
  daddr: Ipv4,
  cameIn: boolean,
): Int32Array {
  const policy = stack.net.multipathHashPolicy;
  const { inner } = packet;
  const isError = inner !== null && packet.protocol === IPPROTO_ICMP && isIcmpError(packet.icmpType);
  // Of an error that came in the policy of addresses alone looks at the packet in it (`ip_multipath_l3_keys`).
  const about = isError && !(cameIn && policy !== 0) ? inner : null;
  let of = about ?? packet;
  let src = about?.src ?? saddr;
  let dst = about?.dst ?? daddr;
  let key1 = 0;
  const isWhole = cameIn || about !== null;
  if (policy === 2 && isWhole) {
    of = innermost(of);
    ({ src, dst } = of);
  } else if (policy === 1) {
    if (of.protocol !== IPPROTO_ICMP && !of.isFragment) key1 = tuple(of);
  } else if (policy === 3) {
    const fields = stack.net.multipathHashFields;
    if ((fields & SRC_IP) === 0) src = 0;
    if ((fields & DST_IP) === 0) dst = 0;
    const inside = innermost(of);
    key1 = fieldsOf(of, fields, false);
    if (isWhole && inside !== of && fields > OUTER_MASK) key1 ^= innerFields(inside, fields >> INNER);
  }
  return keyed(stack, src, dst, key1);
}

/** The same of IPv6; who sends chooses before its source is known. */
export function multipathKey6(stack: Stack, packet: Packet, cameIn: boolean): Int32Array {
  const policy = stack.net.multipathHashPolicy6;
  const { inner } = packet;
  const isError = packet.protocol === IPPROTO_ICMPV6 && isIcmpError(packet.icmpType, 6);
  // An error about a flow goes where the flow itself goes.
  const of = policy !== 3 && isError && inner !== null ? inner : packet;
  let src = cameIn ? folded(of.src) : 0;
  let dst = folded(of.dst);
  let key1 = of.protocol;
  if (policy === 3) {
    const fields = stack.net.multipathHashFields6;
    if ((fields & SRC_IP) === 0) src = 0;
    if ((fields & DST_IP) === 0) dst = 0;
    key1 = fieldsOf(of, fields, cameIn);
  } else if (of.protocol !== IPPROTO_ICMPV6 && !of.isFragment && (cameIn || policy === 1)) {
    // Who forwards sees a flow label, which the sender made of the ports.
    key1 = tuple(of);
  }
  return keyed(stack, src, dst, key1);
}

function keyed(stack: Stack, src: number, dst: number, key1: number): Int32Array {
  multipathKey[0] =
    Math.imul(src, 0x85ebca77) ^ Math.imul(dst, 0xc2b2ae3d) ^ Math.imul(stack.host + 1, 0x27d4eb2f);
  multipathKey[1] = key1;
  return multipathKey;
}

function tuple({ protocol, sport, dport }: Packet): number {
  return Math.imul(protocol + 1, 0x01000193) ^ Math.imul(sport + 1, 0x9e3779b1) ^ dport;
}

/** What IPIP carries, through as many of its headers as there are (`skb_flow_dissect_flow_keys`). */
function innermost(packet: Packet): Packet {
  let of = packet;
  while (of.encapsulation === INNER_IPIP && of.inner !== null) of = of.inner;
  return of;
}

/** Protocol and ports as far as they are asked for; a flow label stands for the ports. */
function fieldsOf(of: Packet, fields: number, labelled: boolean): number {
  const ports = of.protocol !== IPPROTO_ICMP && of.protocol !== IPPROTO_ICMPV6 && !of.isFragment;
  const all = labelled && (fields & FLOWLABEL) !== 0;
  let key = (fields & IP_PROTO) === 0 ? 0 : Math.imul(of.protocol + 1, 0x01000193);
  if (ports && (all || (fields & SRC_PORT) !== 0)) key ^= Math.imul(of.sport + 1, 0x9e3779b1);
  if (ports && (all || (fields & DST_PORT) !== 0)) key ^= of.dport;
  return key;
}

function innerFields(of: Packet, fields: number): number {
  const src = (fields & SRC_IP) === 0 ? 0 : Math.imul(of.src, 0x2c1b3c6d);
  const dst = (fields & DST_IP) === 0 ? 0 : Math.imul(of.dst, 0x297a2d39);
  return src ^ dst ^ Math.imul(fieldsOf(of, fields, false) + 1, 0x165667b1);
}

/** An address in one word: a handle is not the same in every process. */
function folded(address: Ip6): number {
  let hash = word6(address, 0);
  for (let i = 1; i < 4; i++) hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ word6(address, i);
  return hash + 1;
}
