import { isMulticast6 } from "../../address/ip6-handle.ts";
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
import { hopLimit } from "../route/hop-limit.ts";
import { routeMeHarder, routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { OP_EMIT } from "../tape.ts";
import { replyDevice } from "./send6.ts";

/** `nf_send_reset`, `nf_send_reset6` (nf_reject_ipv4.c, nf_reject_ipv6.c): `-j REJECT --reject-with tcp-reset`. */
export function sendReset(stack: Stack, cause: Packet): void {
  if (cause.protocol !== IPPROTO_TCP || cause.fragOffset !== 0) return;
  if (cause.family === 6 && (isMulticast6(cause.dst) || isMulticast6(cause.src))) return;
  const reset = stack.pool.take();
  reset.number = stack.outbox.nextNumber();
  reset.cause = cause.number;
  reset.phase = PHASE_ERROR;
  stack.tape?.words4(OP_EMIT, stack.host, reset.number, cause.number, PHASE_ERROR);
  fillReset(reset, cause);
  reset.ttl = stack.net.defaultTtl;
  reset.mark = reflectedMark(stack, cause);
  attachToCause(reset, cause);
  const six = reset.family === 6;
  if (six) {
    // Even what goes straight back needs a route here.
    if (routeOutput(stack, reset, replyDevice(stack, cause), false) !== 0) {
      stack.pool.release(reset);
      return;
    }
    reset.ttl = hopLimit(stack, reset);
  }
  if (cause.ct >= 0) closeTcp(stack.conntrack, cause.ct, stack.net.conntrackTimeouts);
  if (cause.nfBridge) {
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
    return;
  }
  // "ip_route_me_harder expects skb->dst to be set"
  if (!six) reset.rtDev = cause.rtDev;
  if (!six && routeMeHarder(stack, reset) !== 0) {
    stack.pool.release(reset);
    return;
  }
  stack.path.localOut(stack, reset);
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
