import { IP6_ANY, IP6_LOOPBACK, isLinkLocal6, isMulticast6 } from "../../address/ip6-handle.ts";
import { MAC_ZERO } from "../../address/mac.ts";
import {
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  isNeighbourDiscovery,
  NDISC_REDIRECT,
  type Packet,
  PHASE_REPEAT,
  protocolKey,
  TCP_SYN,
} from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { ndiscReceive } from "../neighbour/ndisc.ts";
import { neighbourAnswered } from "../neighbour/output.ts";
import { reason } from "../reason.ts";
import { probed } from "../route/probed.ts";
import { learnPathMtu } from "../route/route-exceptions.ts";
import { RTN_ANYCAST, RTN_LOCAL, RTN_MULTICAST } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { OP_DELIVER } from "../tape.ts";
import { echoReply, hasSocket, isGatewayFor } from "./receive.ts";
import { inputDevice6 } from "./send6.ts";

const ICMP_IGNORED = reason("icmp-ignored");

/** A path's MTU is never less (RFC 8200 5). */
/** Neighbour discovery comes from the link itself. */
const HOP_LIMIT = 255;

/** `icmpv6_rcv`: answer an echo, discover neighbours, learn from errors, tell the sockets. Takes the packet over. */
export function icmp6Receive(stack: Stack, dev: NetDevice, packet: Packet): void {
  const { icmpType, src, dst } = packet;
  if (isNeighbourDiscovery(packet) && icmpType !== NDISC_REDIRECT) {
    ndiscReceive(stack, dev, packet);
    return;
  }
  stack.tape?.words8(OP_DELIVER, stack.host, packet.number, protocolKey(packet), dst, 0, src, 0, 0);
  if (icmpType === ICMPV6_ECHO_REQUEST) {
    if (ignoresEcho(stack, packet)) {
      stack.kill(packet, ICMP_IGNORED);
      return;
    }
    // Who asked a group or an anycast address is answered from another.
    const { rtType } = packet;
    const fromAsked = rtType === RTN_LOCAL || (rtType === RTN_ANYCAST && stack.net.echo6.anycastSource);
    // To the loopback's address an answer goes by the loopback device, whichever device's address was asked.
    const oif = src === IP6_LOOPBACK ? dev.ifindex : inputDevice6(stack, packet);
    echoReply(stack, packet, fromAsked ? dst : IP6_ANY, oif);
  } else if (icmpType === ICMPV6_ECHO_REPLY) {
    stack.outbox.upcalls.echoReply(stack, packet);
  } else if (icmpType === NDISC_REDIRECT) {
    learnRedirect(stack, dev, packet);
  } else if (icmpType <= ICMPV6_PARAMPROB) {
    learnPathMtu6(stack, packet);
    stack.outbox.upcalls.icmpError(stack, packet);
  }
  stack.pool.release(packet);
}

function ignoresEcho({ net }: Stack, { rtType }: Packet): boolean {
  const { ignoreAll, ignoreMulticast, ignoreAnycast } = net.echo6;
  return (
    ignoreAll || (ignoreMulticast && rtType === RTN_MULTICAST) || (ignoreAnycast && rtType === RTN_ANYCAST)
  );
}

function learnPathMtu6(stack: Stack, { inner, icmpType, icmpInfo: mtu }: Packet): void {
  if (icmpType !== ICMPV6_PKT_TOOBIG || inner === null || !hasSocket(inner)) return;
  probed(stack, 6, inner.dst, ({ rtMtu, rtDev }) => {
    learnPathMtu(stack, 6, inner.dst, mtu, rtMtu !== 0 ? rtMtu : (stack.net.devices[rtDev]?.mtu ?? 0));
    return true;
  });
}

/** `ndisc_redirect_rcv`, `rt6_do_redirect`: the router in use names a better one on its link, or that there is no need of any. */
function learnRedirect(stack: Stack, dev: NetDevice, packet: Packet): void {
  const { src, ndTarget, ndDst, ndLladdr, inner } = packet;
  if (packet.ttl !== HOP_LIMIT || packet.icmpCode !== 0 || !isLinkLocal6(src)) return;
  if (inner === null || !hearsRedirect(inner) || isMulticast6(ndDst)) return;
  if (ndTarget !== ndDst && !isLinkLocal6(ndTarget)) return;
  if (!dev.conf6.acceptRedirects || !isGatewayFor(stack, inner, src)) return;
  if (ndLladdr !== MAC_ZERO) neighbourAnswered(stack, dev, 6, ndTarget, ndLladdr, false);
  stack.state.exceptions.setGateway(6, ndDst, ndTarget, stack.now);
}

/**
 * Does the socket that sent a packet hear of a redirect? That of an echo does; one of UDP only where it is bound to the device
 * (`ip6_redirect_nh_match`); one of TCP not while `connect` still holds it.
 */
function hearsRedirect(sent: Packet): boolean {
  if (sent.protocol === IPPROTO_ICMPV6) return true;
  if (sent.protocol !== IPPROTO_TCP || !hasSocket(sent)) return false;
  return (sent.tcpFlags & TCP_SYN) === 0 || sent.phase === PHASE_REPEAT;
}
