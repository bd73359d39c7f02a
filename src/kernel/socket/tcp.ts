import { IP6_LOOPBACK } from "../../address/ip6-handle.ts";
import { PACKET_HOST, type Packet, PHASE_ERROR, PHASE_REPLY, TCP_RST } from "../../packet/packet.ts";
import { emit } from "../emit.ts";
import { fillReset, reflectedMark } from "../icmp/reset.ts";
import { KERNELS_OWN } from "../icmp/send.ts";
import { inputDevice6, replyDevice } from "../icmp/send6.ts";
import { reason } from "../reason.ts";
import { hopLimit } from "../route/hop-limit.ts";
import { routeOutput } from "../route/output-route.ts";
import { RTN_LOCAL } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { deliver } from "./deliver.ts";

const NO_LISTENER = reason("no-listener-tcp");
const OTHER_HOST = reason("other-host");

/** `tcp_v4_rcv`, `tcp_v6_rcv`: to a connection or a listener, else a reset. Takes the packet over. */
export function tcpReceive(stack: Stack, packet: Packet): void {
  if (packet.pktType !== PACKET_HOST) {
    stack.kill(packet, OTHER_HOST);
    return;
  }
  const fate = stack.outbox.upcalls.tcp(stack, packet);
  if (fate === "dropped") return;
  if (fate === "taken") {
    deliver(stack, packet);
    return;
  }
  if ((packet.tcpFlags & TCP_RST) === 0 && packet.rtType === RTN_LOCAL)
    sendTcpReset(stack, packet, fate === "refused");
  stack.kill(packet, NO_LISTENER);
}

/**
 * `tcp_v4_send_reset`, `tcp_v6_send_reset`: nobody here knows this connection.
 *
 * @param isListeners the port has a listener, whose owner `-m owner` then sees (`ip_send_unicast_reply`, since Linux 6.14)
 */
function sendTcpReset(stack: Stack, cause: Packet, isListeners: boolean): void {
  const phase = cause.phase === PHASE_REPLY ? PHASE_ERROR : PHASE_REPLY;
  const reset = emit(stack, stack.pool.take(), phase, cause.number);
  fillReset(reset, cause);
  reset.mark = reflectedMark(stack, cause);
  // As the segment that it answers, without the bits of congestion (INET_ECN_MASK).
  reset.tos = cause.tos & 0xfc;
  // To the loopback's address only by the device that the segment came by (`rt6_need_strict` in tcp_v6_send_response).
  const toItself = cause.family === 6 && cause.src === IP6_LOOPBACK;
  const device = toItself ? inputDevice6(stack, cause) : replyDevice(stack, cause);
  if (routeOutput(stack, reset, device, false) !== 0) {
    stack.pool.release(reset);
    return;
  }
  reset.ttl = hopLimit(stack, reset);
  // `ip_send_unicast_reply` sends by a socket of the kernel's own; tcp_v6_send_response puts none to it where there is no listener.
  if (cause.family !== 6 || isListeners) reset.socket = KERNELS_OWN;
  if (isListeners) reset.uid = 0;
  stack.path.localOut(stack, reset);
}
