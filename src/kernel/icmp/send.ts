import {
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  INNER_QUOTED,
  IPPROTO_ICMP,
  PACKET_HOST,
  type Packet,
  PHASE_ERROR,
  PHASE_NOTICE,
  RT_NONE,
  RT_OUTPUT,
} from "../../packet/packet.ts";
import { attachToCause, isIcmpError } from "../conntrack/conntrack-in.ts";
import { RT_SCOPE_LINK } from "../route/fib.ts";
import { routeOutput, selectAddress } from "../route/output-route.ts";
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { OP_EMIT } from "../tape.ts";

/** The socket that the kernel keeps for its own ICMP: it has no owner, but `-m owner --socket-exists` sees it. */
const KERNELS_OWN = 0;

/** RFC 1812 4.3.2.3: an error is no longer than this, quoting as much as fits. */
const ERROR_AT_MOST = 576;

/**
 * `icmp_send`: tell a packet's sender that something is wrong with it. The packet stays the caller's; the error takes its
 * own way through OUTPUT at once, before the caller goes on.
 *
 * @param info the MTU of a fragmentation-needed, the gateway of a redirect
 */
export function sendIcmpError(stack: Stack, cause: Packet, type: number, code: number, info: number): void {
  if (cause.rtDev < 0 && cause.rtInput === 0) {
    // Without a route nothing is known of the sender (REJECT in PREROUTING fills one in); br_netfilter lends a fake one.
    if (!cause.nfBridge) return;
  }
  if (cause.pktType !== PACKET_HOST && cause.pktType !== 4) return;
  if (cause.rtType === RTN_BROADCAST || cause.rtType === RTN_MULTICAST) return;
  if (cause.fragOffset !== 0) return;
  if (cause.protocol === IPPROTO_ICMP && isIcmpError(cause.icmpType)) return;
  if (stack.icmpLeaves) return;

  const pool = stack.pool;
  const error = pool.take();
  error.number = stack.outbox.nextNumber();
  error.cause = cause.number;
  error.phase = type === ICMP_REDIRECT ? PHASE_NOTICE : PHASE_ERROR;
  stack.tape?.words4(OP_EMIT, stack.host, error.number, cause.number, error.phase);
  error.protocol = IPPROTO_ICMP;
  error.icmpType = type;
  error.icmpCode = code;
  error.icmpInfo = type === ICMP_REDIRECT || code === ICMP_FRAG_NEEDED ? info : 0;
  error.tos = (cause.tos & 0x1e) | 0xc0;
  error.mark = stack.net.fwmarkReflect ? cause.mark : 0;
  error.dst = cause.src;
  // For what was addressed to this host itself the address asked answers; otherwise the way back chooses.
  error.src = cause.rtType === RTN_LOCAL ? cause.dst : 0;
  if (error.src === 0 && stack.net.errorsUseInboundAddress && cause.rtInput !== RT_NONE && cause.rtInput !== RT_OUTPUT) {
    const inbound = stack.device(cause.iif);
    if (inbound !== null) error.src = selectAddress(stack, inbound, cause.src, RT_SCOPE_LINK);
  }
  const quoted = pool.take();
  quoted.copyHeaders(cause);
  quoted.framed = false;
  if (cause.inner !== null) quoted.inner = pool.clone(cause.inner);
  error.inner = quoted;
  error.encapsulation = INNER_QUOTED;
  error.id = stack.state.nextIpId();
  if (routeOutput(stack, error, 0, false) !== 0) {
    pool.release(error);
    return;
  }
  error.ttl = stack.ttlOf(error);
  const room = Math.min(
    ERROR_AT_MOST,
    error.rtMtu !== 0 ? error.rtMtu : (stack.net.devices[error.rtDev]?.mtu ?? ERROR_AT_MOST),
  );
  error.length = Math.min(room, 28 + cause.length);
  error.payload = error.length - 28;
  attachToCause(error, cause);
  sendIcmp(stack, error);
}

/**
 * `icmp_push_reply`: the processor's one ICMP socket is taken until the message has left, so that what rejects it, or is
 * in its way, can send nothing about it.
 */
export function sendIcmp(stack: Stack, message: Packet): void {
  stack.icmpLeaves = true;
  message.socket = KERNELS_OWN;
  stack.path.localOut(stack, message);
  stack.icmpLeaves = false;
}
