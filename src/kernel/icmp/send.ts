import * as PACKET from "../../packet/packet.ts";
import { headerLength, type Packet } from "../../packet/packet.ts";
import { attachToCause } from "../conntrack/conntrack-in.ts";
import { isIcmpError } from "../conntrack/icmp.ts";
import { emit } from "../emit.ts";
import { layOut } from "../path/lay-out.ts";
import { hopLimit } from "../route/hop-limit.ts";
import { routeOutput, selectAddress } from "../route/output-route.ts";
import * as RT_SCOPE from "../route/rt-scope.ts";
import * as ROUTE_TYPES from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { withinLimit4 } from "./error-rate.ts";
import { quote } from "./quote.ts";
import { reflectedMark } from "./reset.ts";
import * as SEND6 from "./send6.ts";
import { errorSource6, mayTell6, replyDevice, withinLimit6 } from "./send6.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const {
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  PACKET_HOST,
  PACKET_OUTGOING,
  PHASE_ERROR,
  PHASE_NOTICE,
  RT_NONE,
  RT_OUTPUT,
} = PACKET;
const { RT_SCOPE_LINK } = RT_SCOPE;
const { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } = ROUTE_TYPES;
const { ERROR6_AT_MOST } = SEND6;

/** The sockets that the kernel keeps for its own ICMP and resets: they have no owner, but `-m owner --socket-exists` sees them. */
export const KERNELS_OWN = 0;

/** RFC 1812 4.3.2.3: an error is no longer than this, quoting as much as fits. */
const ERROR_AT_MOST = 576;

/**
 * `icmp_send`, `icmp6_send`: tell a packet's sender that something is wrong with it. The packet stays the caller's; the error
 * takes its own way through OUTPUT at once, before the caller goes on.
 *
 * @param type with `code`: of the packet's own family
 * @param info the MTU of a "too big", the gateway of a redirect; of ICMPv6, where the fault of a parameter problem is
 */
export function sendIcmpError(stack: Stack, cause: Packet, type: number, code: number, info: number): void {
  const six = cause.family === 6;
  if (!(six ? mayTell6(cause, type) : mayTell(cause))) return;
  if (stack.icmpLeaves) return;

  const { pool, net } = stack;
  const phase = !six && type === ICMP_REDIRECT ? PHASE_NOTICE : PHASE_ERROR;
  const error = emit(stack, pool.take(), phase, cause.number);
  error.family = cause.family;
  error.protocol = six ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  error.icmpType = type;
  error.icmpCode = code;
  error.icmpInfo = six || type === ICMP_REDIRECT || code === ICMP_FRAG_NEEDED ? info : 0;
  error.tos = six ? 0 : (cause.tos & 0x1e) | 0xc0;
  error.df = six;
  error.mark = reflectedMark(stack, cause);
  error.dst = cause.src;
  const oif = replyDevice(stack, cause);
  error.src = six ? errorSource6(stack, error, cause, oif) : errorSource(stack, cause);
  quote(stack, error, cause);
  if (!six) error.id = stack.state.nextIpId();
  if (
    routeOutput(stack, error, oif, false) !== 0 ||
    !(six ? withinLimit6(stack, error) : withinLimit4(stack, error))
  ) {
    pool.release(error);
    return;
  }
  error.ttl = hopLimit(stack, error);
  const atMost = six ? ERROR6_AT_MOST : ERROR_AT_MOST;
  const mtu = error.rtMtu !== 0 ? error.rtMtu : (net.devices[error.rtDev]?.mtu ?? atMost);
  const headers = headerLength(error) + 8;
  error.length = Math.min(atMost, six ? atMost : mtu, headers + cause.length);
  error.payload = error.length - headers;
  attachToCause(error, cause);
  sendIcmp(stack, error);
}

function mayTell(cause: Packet): boolean {
  if (cause.rtDev < 0 && cause.rtInput === 0) {
    // Without a route nothing is known of the sender (REJECT in PREROUTING fills one in); br_netfilter lends a fake one.
    if (!cause.nfBridge) return false;
  }
  if (cause.pktType !== PACKET_HOST && cause.pktType !== PACKET_OUTGOING) return false;
  if (cause.rtType === RTN_BROADCAST || cause.rtType === RTN_MULTICAST) return false;
  if (cause.fragOffset !== 0) return false;
  return !(cause.protocol === IPPROTO_ICMP && isIcmpError(cause.icmpType));
}

/** For what was addressed to this host itself the address asked answers; otherwise the way back chooses (0). */
function errorSource(stack: Stack, cause: Packet): number {
  if (cause.rtType === RTN_LOCAL) return cause.dst;
  // What br_netfilter re-bridges kept the route in that it was found by, and the port it came in by.
  const isInput = (cause.rtInput !== RT_NONE && cause.rtInput !== RT_OUTPUT) || cause.nfBridgeDnat;
  const inbound = stack.net.errorsUseInboundAddress && isInput ? stack.device(cause.iif) : null;
  return inbound === null ? 0 : selectAddress(stack, inbound, cause.src, RT_SCOPE_LINK);
}

/**
 * `icmp_push_reply`: the processor's one ICMP socket is taken until the message has left, so that what rejects it, or is
 * in its way, can send nothing about it.
 */
export function sendIcmp(stack: Stack, message: Packet): void {
  stack.icmpLeaves = true;
  message.socket = KERNELS_OWN;
  layOut(stack, message);
  stack.path.localOut(stack, message);
  stack.icmpLeaves = false;
}
