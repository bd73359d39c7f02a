import { IP6_ANY, isLinkLocal6, isMulticast6 } from "../../address/ip6-handle.ts";
import {
  ICMPV6_ECHO_REQUEST,
  ICMPV6_PKT_TOOBIG,
  isIcmp,
  PACKET_HOST,
  PACKET_OUTGOING,
  type Packet,
} from "../../packet/packet.ts";
import { NF_INET_PRE_ROUTING } from "../netfilter/hook.ts";
import { prefersSource6 } from "../route/output-route6.ts";
import { selectSource6 } from "../route/select-source6.ts";
import { RTN_ANYCAST, RTN_LOCAL } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { peerAllows, withinGlobalLimit } from "./error-rate.ts";

/** What is particular to errors of ICMPv6 (`icmp6_send`, net/ipv6/icmp.c). */

/** RFC 4443 2.4: an error is no longer than the least MTU of IPv6. */
export const ERROR6_AT_MOST = 1280;
/** `net.ipv6.icmp.ratelimit`, milliseconds between two errors to one host. */
const RATE_LIMIT_MS = 1000;

/** May an error be sent about a packet? Not to or about groups, nor about another error; "too big" is told of groups too. */
export function mayTell6(cause: Packet, type: number): boolean {
  const toOne =
    !isMulticast6(cause.dst) && (cause.pktType === PACKET_HOST || cause.pktType === PACKET_OUTGOING);
  if (!toOne && type !== ICMPV6_PKT_TOOBIG) return false;
  if (cause.src === IP6_ANY || isMulticast6(cause.src)) return false;
  return !(isIcmp(cause) && cause.fragOffset === 0 && cause.icmpType < ICMPV6_ECHO_REQUEST);
}

/**
 * What an answer is to leave by (ifindex, 0 anything): the VRF that its cause is in (`l3mdev_master_ifindex`), and for a
 * link-local address the device it came in by.
 */
export function replyDevice(stack: Stack, cause: Packet): number {
  if (cause.family === 6 && isLinkLocal6(cause.src)) return inputDevice6(stack, cause);
  return stack.device(cause.dev)?.vrf?.ifindex ?? 0;
}

/** `icmp6_iif`: by which device a packet came; over the loopback device, or a VRF, whose address it is for. */
export function inputDevice6(stack: Stack, packet: Packet): number {
  const inVrf = packet.l3Slave !== 0 && stack.device(packet.l3Slave)?.kind !== "vrf";
  const by = inVrf ? packet.l3Slave : packet.iif !== 0 ? packet.iif : packet.dev;
  const dev = stack.device(by);
  if (dev?.isLoopback !== true && dev?.kind !== "vrf") return by;
  for (const dev of stack.net.devices) {
    for (const { address } of dev.addresses6) if (address === packet.dst) return dev.ifindex;
  }
  return by;
}

/**
 * The source of an error: the address asked where it is this host's; else the preferred one of the way back, or the best of
 * the device the packet came in by. `::` leaves it to the way back.
 *
 * @param error with its destination and the fields routing looks at
 */
export function errorSource6(stack: Stack, error: Packet, cause: Packet, oif: number): number {
  const type = stack.addressTypeBy(cause.dst, stack.device(cause.dev), 6);
  const isOwn = type === RTN_LOCAL || type === RTN_ANYCAST;
  // An address of another link is not this one's (`ipv6_chk_addr`).
  if (isOwn && (!isLinkLocal6(cause.dst) || isOn(stack, cause.dev, cause.dst))) return cause.dst;
  // `IP6CB(skb)->iif`: of what is in a VRF, the device that it came in by.
  const iif = isUnreceived(stack, cause) ? 0 : cause.l3Slave === 0 ? cause.iif : cause.l3Slave;
  // What never left the host came by the device whose address it is for (`ip6_dst_idev`).
  const by =
    iif === 0 ? null : stack.device(stack.device(iif)?.isLoopback ? inputDevice6(stack, cause) : iif);
  if (by === null || prefersSource6(stack, error, oif)) return IP6_ANY;
  return selectSource6(stack, by, error.dst);
}

/** Bridged, and seen by br_netfilter alone, which writes over what `ip6_rcv_core` would have noted (`br_validate_ipv6`)? */
function isUnreceived({ hook }: Stack, { physIn, physOut }: Packet): boolean {
  return physIn !== 0 && (physOut !== 0 || hook === NF_INET_PRE_ROUTING);
}

function isOn(stack: Stack, ifindex: number, address: number): boolean {
  return stack.device(ifindex)?.addresses6.some((own) => own.address === address) === true;
}

/** `icmpv6_xrlim_allow`: a routed error is one of few, or is not limited. */
export function withinLimit6(stack: Stack, error: Packet): boolean {
  if (error.icmpType === ICMPV6_PKT_TOOBIG || stack.net.devices[error.rtDev]?.isLoopback) return true;
  if (!withinGlobalLimit(stack)) return false;
  const limit = stack.net.sysctl.integer("net.ipv6.icmp.ratelimit", RATE_LIMIT_MS);
  // "Give more bandwidth to wider prefixes."
  const length = stack.fibResult.route?.length ?? 128;
  return peerAllows(stack, 6, error.dst, limit >> ((128 - length) >> 5));
}
