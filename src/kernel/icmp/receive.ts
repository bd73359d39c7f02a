import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import { isIcmpError } from "../conntrack/icmp.ts";
import type { NetDevice } from "../device/net-device.ts";
import { emit } from "../emit.ts";
import { isReachable } from "../neighbour/output.ts";
import { ipipError } from "../path/ipip.ts";
import { reason } from "../reason.ts";
import { hopLimit } from "../route/hop-limit.ts";
import { outputMtu } from "../route/output-mtu.ts";
import { isMulticast, routeOutput } from "../route/output-route.ts";
import { probed } from "../route/probed.ts";
import { learnPathMtu } from "../route/route-exceptions.ts";
import * as ROUTE_TYPES from "../route/types.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import { reflectedMark } from "./reset.ts";
import { sendIcmp } from "./send.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const {
  carriedLength,
  headerLength,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  ICMPV6_ECHO_REPLY,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  PHASE_REPEAT,
  PHASE_REPLY,
  TCP_ACK,
  TCP_RST,
  TCP_SYN,
} = PACKET;
const { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } = ROUTE_TYPES;
const { OP_DELIVER } = TAPE;

const ICMP_IGNORED = reason("icmp-ignored");

/** `icmp_rcv`: answer an echo, learn from errors, tell the sockets. Takes the packet over. */
export function icmpReceive(stack: Stack, dev: NetDevice, packet: Packet): void {
  stack.tape?.words8(OP_DELIVER, stack.host, packet.number, packet.protocol, packet.dst, 0, packet.src, 0, 0);
  if (packet.icmpType === ICMP_ECHO) {
    const toAll = packet.rtType === RTN_BROADCAST || packet.rtType === RTN_MULTICAST;
    // icmp_echo_ignore_broadcasts is on by default
    if (toAll || stack.net.echoIgnoreAll) {
      stack.kill(packet, ICMP_IGNORED);
      return;
    }
    echoReply(stack, packet, packet.dst, dev.vrf?.ifindex ?? 0);
  } else if (packet.icmpType === ICMP_ECHOREPLY) {
    stack.outbox.upcalls.echoReply(stack, packet);
  } else if (isIcmpError(packet.icmpType) && isBelieved(stack, packet)) {
    learnFromError(stack, dev, packet);
    ipipError(stack, packet);
    stack.outbox.upcalls.icmpError(stack, packet);
  }
  stack.pool.release(packet);
}

/**
 * `icmp_echo` and `icmp_reply`, `icmpv6_echo_reply`: the same message back.
 *
 * @param src the address that was asked; `::`: whichever the way back prefers
 * @param oif ifindex of the device to answer by if it can be, 0 any
 */
export function echoReply(stack: Stack, request: Packet, src: number, oif: number): void {
  const six = request.family === 6;
  const reply = emit(stack, stack.pool.take(), PHASE_REPLY, request.number);
  reply.family = request.family;
  reply.protocol = request.protocol;
  reply.icmpType = six ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY;
  reply.icmpId = request.icmpId;
  reply.icmpSeq = request.icmpSeq;
  reply.src = src;
  reply.dst = request.src;
  reply.tos = request.tos;
  reply.length = headerLength(request) + carriedLength(request);
  reply.payload = request.payload;
  reply.payloadKnown = request.payloadKnown;
  reply.mark = reflectedMark(stack, request);
  if (!six) reply.id = stack.state.nextIpId();
  if (routeOutput(stack, reply, oif, false) !== 0) {
    stack.pool.release(reply);
    return;
  }
  reply.ttl = hopLimit(stack, reply);
  sendIcmp(stack, reply);
}

/**
 * Has a packet made here a socket that an error about it is told to? A reset has none, and a connection that answered a SYN
 * is none until it is established (`tcp_v4_err` leaves TCP_NEW_SYN_RECV alone).
 */
export function hasSocket({ protocol, tcpFlags }: Packet): boolean {
  if (protocol !== IPPROTO_TCP) return true;
  return (tcpFlags & TCP_RST) === 0 && (tcpFlags & (TCP_SYN | TCP_ACK)) !== (TCP_SYN | TCP_ACK);
}

/** Values of `ip_no_pmtu_disc`. */
const DEAF = 2;
const VALIDATED = 3;

/** `icmp_unreach`: what is told of an MTU is heard of nothing or only of protocols that tell a forged error (`icmp_tag_validation`). */
function isBelieved({ net }: Stack, { icmpType, icmpCode, inner }: Packet): boolean {
  if (icmpType !== ICMP_DEST_UNREACH || icmpCode !== ICMP_FRAG_NEEDED || net.noPmtuDisc < DEAF) return true;
  const protocol = inner?.protocol;
  return (
    net.noPmtuDisc !== DEAF &&
    (net.noPmtuDisc !== VALIDATED || protocol === IPPROTO_TCP || protocol === IPPROTO_SCTP)
  );
}

/** What an error teaches about routes: a path's MTU, a better gateway. */
function learnFromError(stack: Stack, dev: NetDevice, packet: Packet): void {
  const inner = packet.inner;
  if (inner === null || !hasSocket(inner)) return;
  const { exceptions } = stack.state;
  const mode = stack.net.noPmtuDisc;
  if (packet.icmpType === ICMP_DEST_UNREACH && packet.icmpCode === ICMP_FRAG_NEEDED) {
    learnTowards(stack, inner, mode === 0 || mode === VALIDATED ? packet.icmpInfo : 0);
    return;
  }
  if (packet.icmpType === ICMP_REDIRECT) {
    // A first SYN's comes while `connect` holds the socket (`sock_owned_by_user` in tcp_v4_err).
    if ((inner.tcpFlags & TCP_SYN) !== 0 && inner.protocol === IPPROTO_TCP && inner.phase !== PHASE_REPEAT)
      return;
    // __ip_do_redirect
    const gateway = packet.icmpInfo;
    const conf = dev.conf;
    if (!conf.acceptRedirects || gateway === 0 || isMulticast(gateway)) return;
    const inSubnet = dev.addresses.some((entry) => ((entry.prefixAddress ^ gateway) & entry.mask) === 0);
    if (!conf.sharedMedia) {
      if (!inSubnet) return;
    } else if (stack.addressType(gateway, 0) !== RTN_UNICAST) return;
    if (!isGatewayFor(stack, inner, packet.src)) return;
    // A gateway whose address nobody has answered for yet is asked for first; the next redirect counts.
    if (isReachable(stack, dev, 4, gateway)) exceptions.setGateway(4, inner.dst, gateway, stack.now);
  }
}

/** What the way to where a packet made here was sent takes, against what was known of it (`ipv4_mtu`). */
function learnTowards(stack: Stack, sent: Packet, mtu: number): void {
  probed(stack, sent.family, sent.dst, (probe) => {
    const old = outputMtu(probe, stack.net.devices[probe.rtDev] as NetDevice);
    learnPathMtu(stack, 4, sent.dst, mtu, old, probe.rtMtuLocked);
    return true;
  });
}

/** Is `router` the gateway in use for what a packet made here was sent to? Only it may send elsewhere. */
export function isGatewayFor(stack: Stack, sent: Packet, router: number): boolean {
  return probed(
    stack,
    sent.family,
    sent.dst,
    (probe) => probe.rtUsesGateway && probe.rtNextHop === router && probe.rtType !== RTN_LOCAL,
  );
}
