import { type Packet, PHASE_ERROR, PHASE_REPLY, TCP_RST } from "../../packet/packet.ts";
import { fillReset } from "../icmp/reset.ts";
import { reason } from "../reason.ts";
import { routeOutput } from "../route/output-route.ts";
import { RTN_LOCAL } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { OP_DELIVER, OP_EMIT } from "../tape.ts";

const NO_LISTENER = reason("no-listener-tcp");

/** `tcp_v4_rcv`: to a connection or a listener, else a reset. Takes the packet over. */
export function tcpReceive(stack: Stack, packet: Packet): void {
  if (stack.outbox.upcalls.tcp(stack, packet)) {
    stack.tape?.words8(
      OP_DELIVER,
      stack.host,
      packet.number,
      packet.protocol,
      packet.dst,
      packet.dport,
      packet.src,
      packet.sport,
      0,
    );
    stack.pool.release(packet);
    return;
  }
  if ((packet.tcpFlags & TCP_RST) === 0 && packet.rtType === RTN_LOCAL) sendTcpReset(stack, packet);
  stack.kill(packet, NO_LISTENER);
}

/** `tcp_v4_send_reset`: nobody here knows this connection. */
function sendTcpReset(stack: Stack, cause: Packet): void {
  const reset = stack.pool.take();
  reset.number = stack.outbox.nextNumber();
  reset.cause = cause.number;
  reset.phase = cause.phase === PHASE_REPLY ? PHASE_ERROR : PHASE_REPLY;
  stack.tape?.words4(OP_EMIT, stack.host, reset.number, cause.number, reset.phase);
  fillReset(reset, cause);
  reset.mark = stack.net.fwmarkReflect ? cause.mark : 0;
  if (routeOutput(stack, reset, 0, false) !== 0) {
    stack.pool.release(reset);
    return;
  }
  reset.ttl = stack.ttlOf(reset);
  stack.path.localOut(stack, reset);
}
