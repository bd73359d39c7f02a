import { IP6_ANY, type Ip6, isMulticast6 } from "../../address/ip6-handle.ts";
import {
  headerLength,
  IPPROTO_TCP,
  type Packet,
  PHASE_ERROR,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
} from "../../packet/packet.ts";
import { attachToCause } from "../conntrack/conntrack-in.ts";
import { closeTcp } from "../conntrack/tcp.ts";
import { emit } from "../emit.ts";
import { hopLimit } from "../route/hop-limit.ts";
import { routeMeHarder, routeOutput } from "../route/output-route.ts";
import { RTN_BROADCAST, RTN_MULTICAST } from "../route/types.ts";
import type { Stack } from "../stack.ts";

/** `nf_send_reset`, `nf_send_reset6` (nf_reject_ipv4.c, nf_reject_ipv6.c): `-j REJECT --reject-with tcp-reset`. */
export function sendReset(stack: Stack, cause: Packet): void {
  if (cause.protocol !== IPPROTO_TCP || cause.fragOffset !== 0) return;
  const six = cause.family === 6;
  if (six) {
    if (!isUnicast6(cause.dst) || !isUnicast6(cause.src)) return;
  } else if (cause.rtType === RTN_BROADCAST || cause.rtType === RTN_MULTICAST) return;
  const reset = emit(stack, stack.pool.take(), PHASE_ERROR, cause.number);
  fillReset(reset, cause);
  // `ip4_dst_hoplimit` of the route that the rejected segment was to take.
  reset.ttl = cause.rtHopLimit === 0 ? stack.net.defaultTtl : cause.rtHopLimit;
  reset.mark = reflectedMark(stack, cause);
  // Even what goes straight back by its port needs a route here, or it is not sent, and the connection stays as it is.
  if (routeReset(stack, reset, cause) !== 0) {
    stack.pool.release(reset);
    return;
  }
  if (six) reset.ttl = hopLimit(stack, reset);
  attachToCause(reset, cause);
  if (cause.ct >= 0) closeTcp(stack.conntrack, cause.ct, stack.net.conntrackTimeouts);
  if (!cause.nfBridge) {
    stack.path.localOut(stack, reset);
    return;
  }
  // A bridged packet's reset goes straight back by the port it came in by.
  const port = stack.device(cause.physIn);
  if (port === null) {
    stack.pool.release(reset);
    return;
  }
  reset.framed = true;
  reset.ethSrc = cause.ethDst;
  reset.ethDst = cause.ethSrc;
  stack.path.transmit(stack, port, reset);
}

function isUnicast6(address: Ip6): boolean {
  return address !== IP6_ANY && !isMulticast6(address);
}

/** IPv6 asks for any way back, within the VRF; IPv4 for that of a packet whose own route is its cause's. 0, or an errno. */
function routeReset(stack: Stack, reset: Packet, cause: Packet): number {
  // "ip_route_me_harder expects skb->dst to be set"; a bridge lends its frames one of its own (`br_netfilter_rtable_init`).
  const dev = cause.rtDev < 0 ? stack.device(cause.dev) : (stack.net.devices[cause.rtDev] ?? null);
  if (reset.family === 6) return routeOutput(stack, reset, dev?.vrf?.ifindex ?? 0, false);
  reset.rtDev = dev?.slot ?? -1;
  return routeMeHarder(stack, reset);
}

/** `IP4_REPLY_MARK`, `IP6_REPLY_MARK`. */
export function reflectedMark({ net }: Stack, cause: Packet): number {
  return (cause.family === 6 ? net.fwmarkReflect6 : net.fwmarkReflect) ? cause.mark : 0;
}

/** The addresses, ports, flags and numbers of a reset that answers a segment (RFC 9293 3.5.2). */
export function fillReset(reset: Packet, cause: Packet): void {
  reset.family = cause.family;
  reset.protocol = IPPROTO_TCP;
  reset.src = cause.dst;
  reset.dst = cause.src;
  reset.sport = cause.dport;
  reset.dport = cause.sport;
  reset.df = true;
  reset.length = headerLength(reset) + 20;
  if ((cause.tcpFlags & TCP_ACK) !== 0) {
    reset.tcpFlags = TCP_RST;
    reset.seq = cause.ack;
    reset.ack = 0;
  } else {
    const syn = (cause.tcpFlags & TCP_SYN) !== 0 ? 1 : 0;
    const fin = (cause.tcpFlags & TCP_FIN) !== 0 ? 1 : 0;
    reset.tcpFlags = TCP_RST | TCP_ACK;
    reset.seq = 0;
    reset.ack = (cause.seq + syn + fin + cause.payload) | 0;
  }
}
