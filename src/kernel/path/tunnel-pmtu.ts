import { IP6_ANY, IP6_LOOPBACK, isMulticast6 } from "../../address/ip6-handle.ts";
import * as PACKET from "../../packet/packet.ts";
import { headerLength, isIcmp, networkLength, type Packet } from "../../packet/packet.ts";
import { isIcmpError } from "../conntrack/icmp.ts";
import { emit } from "../emit.ts";
import { quote } from "../icmp/quote.ts";
import { dstMtu } from "../route/output-mtu.ts";
import { isLimitedBroadcast, isLoopback, isMulticast, isZeronet } from "../route/output-route.ts";
import { learnPathMtu } from "../route/route-exceptions.ts";
import type { Stack } from "../stack.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const {
  ETH_P_IP,
  ETH_P_IPV6,
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMPV6_PKT_TOOBIG,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  NDISC_REDIRECT,
  PACKET_HOST,
  PHASE_ERROR,
} = PACKET;

/** What a tunnel that carries frames does with one that its way does not take (`skb_tunnel_check_pmtu`, ip_tunnel_core.c). */

/** The least MTU that a tunnel tells of, and the longest error it builds. */
const LEAST4 = 576;
const LEAST6 = 1280;

/**
 * The inner destination's path takes no more than the tunnel's way does: what was routed into the tunnel learns so. A frame
 * that a bridge gave it has nobody else to be told by: the tunnel answers itself, in the name of whom the frame was for.
 *
 * @param mtu of the tunnel's way, less all headers
 * @param turn takes that answer over: it comes in by the tunnel. null: no bridge gave it the frame
 * @returns false where the sender was told: the frame, still the caller's, is not sent
 */
export function tunnelTakes(
  stack: Stack,
  packet: Packet,
  mtu: number,
  turn: ((error: Packet) => void) | null,
): boolean {
  if (networkLength(packet) <= mtu) return true;
  learn(stack, packet, mtu);
  if (turn === null || !mayAnswer(packet, mtu)) return true;
  turn(tooBig(stack, packet, mtu));
  return false;
}

function learn(stack: Stack, packet: Packet, mtu: number): void {
  const dev = stack.net.devices[packet.rtDev];
  if (dev !== undefined)
    learnPathMtu(stack, packet.family, packet.dst, mtu, dstMtu(packet, dev), packet.rtMtuLocked);
}

/** `iptunnel_pmtud_check_icmp`, `iptunnel_pmtud_check_icmpv6`. */
function mayAnswer(packet: Packet, mtu: number): boolean {
  const { family, src, dst, fragOffset } = packet;
  if (packet.ethType === ETH_P_IPV6) {
    if (mtu < LEAST6 || fragOffset !== 0) return false;
    if (src === IP6_ANY || src === IP6_LOOPBACK || isMulticast6(src)) return false;
  } else {
    if (packet.ethType !== ETH_P_IP || mtu < LEAST4) return false;
    if (!packet.df || packet.mf || fragOffset !== 0) return false;
    if (isLimitedBroadcast(dst) || isMulticast(dst)) return false;
    if (isZeronet(src) || isLoopback(src) || isLimitedBroadcast(src) || isMulticast(src)) return false;
  }
  if (!isIcmp(packet)) return true;
  return !isIcmpError(packet.icmpType, family) && !(family === 6 && packet.icmpType === NDISC_REDIRECT);
}

/** `iptunnel_pmtud_build_icmp`, `iptunnel_pmtud_build_icmpv6`: the frame itself is turned round, with all that hangs on it. */
function tooBig(stack: Stack, cause: Packet, mtu: number): Packet {
  const six = cause.family === 6;
  const error = emit(stack, stack.pool.take(), PHASE_ERROR, cause.number);
  error.framed = true;
  error.ethType = cause.ethType;
  error.ethSrc = cause.ethDst;
  error.ethDst = cause.ethSrc;
  error.vlan = cause.vlan;
  error.family = cause.family;
  error.protocol = six ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  error.src = cause.dst;
  error.dst = cause.src;
  error.ttl = cause.ttl;
  error.df = true;
  error.icmpType = six ? ICMPV6_PKT_TOOBIG : ICMP_DEST_UNREACH;
  error.icmpCode = six ? 0 : ICMP_FRAG_NEEDED;
  error.icmpInfo = mtu;
  quote(stack, error, cause);
  const headers = headerLength(error) + 8;
  error.payload = Math.min(cause.length, (six ? LEAST6 : LEAST4) - headers);
  error.length = headers + error.payload;
  error.pktType = PACKET_HOST;
  error.mark = cause.mark;
  error.ct = cause.ct;
  error.ctInfo = cause.ctInfo;
  return error;
}
