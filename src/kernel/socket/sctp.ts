import { IPPROTO_SCTP, PACKET_HOST, type Packet, PHASE_ERROR, PHASE_REPLY } from "../../packet/packet.ts";
import {
  fillChunk,
  SCTP_ABORT,
  SCTP_INIT,
  SCTP_SHUTDOWN_ACK,
  SCTP_SHUTDOWN_COMPLETE,
} from "../../packet/sctp-chunk.ts";
import { emit } from "../emit.ts";
import { reflectedMark } from "../icmp/reset.ts";
import { KERNELS_OWN } from "../icmp/send.ts";
import { replyDevice } from "../icmp/send6.ts";
import { reason } from "../reason.ts";
import { hopLimit } from "../route/hop-limit.ts";
import { routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { deliver } from "./deliver.ts";

const NO_LISTENER = reason("no-listener-sctp");
const OTHER_HOST = reason("other-host");

/**
 * `sctp_rcv` (net/sctp/input.c): to an association or a listener, else the answer to a packet out of the blue.
 *
 * @returns false: the kernel's module is not loaded, so nothing here knows the protocol and the packet stays the caller's
 */
export function sctpReceive(stack: Stack, packet: Packet): boolean {
  const { upcalls } = stack.outbox;
  if (packet.pktType !== PACKET_HOST) {
    if (!stack.net.speaksSctp && !upcalls.opensSctp(stack)) return false;
    stack.kill(packet, OTHER_HOST);
    return true;
  }
  if (upcalls.sctp(stack, packet)) {
    deliver(stack, packet);
    return true;
  }
  if (!stack.net.speaksSctp && !upcalls.opensSctp(stack)) return false;
  outOfTheBlue(stack, packet);
  stack.kill(packet, NO_LISTENER);
  return true;
}

/** `sctp_sf_ootb` (RFC 9260 8.4): an ABORT, or a SHUTDOWN_COMPLETE where that is what the sender waits for. */
function outOfTheBlue(stack: Stack, cause: Packet): void {
  const { chunk } = cause;
  if (chunk === SCTP_ABORT || chunk === SCTP_SHUTDOWN_COMPLETE) return;
  const phase = cause.phase === PHASE_REPLY ? PHASE_ERROR : PHASE_REPLY;
  const answer = emit(stack, stack.pool.take(), phase, cause.number);
  answer.family = cause.family;
  answer.ethType = cause.ethType;
  answer.protocol = IPPROTO_SCTP;
  answer.src = cause.dst;
  answer.dst = cause.src;
  answer.sport = cause.dport;
  answer.dport = cause.sport;
  fillChunk(answer, chunk === SCTP_SHUTDOWN_ACK ? SCTP_SHUTDOWN_COMPLETE : SCTP_ABORT, 0);
  // An INIT says what tag to use; the tag of anything else is sent back.
  answer.ack = chunk === SCTP_INIT ? cause.seq : cause.ack;
  answer.mark = reflectedMark(stack, cause);
  if (routeOutput(stack, answer, replyDevice(stack, cause), false) !== 0) {
    stack.pool.release(answer);
    return;
  }
  answer.ttl = hopLimit(stack, answer);
  answer.socket = KERNELS_OWN;
  stack.path.localOut(stack, answer);
}
