import { IP6_LOOPBACK } from "../../address/ip6-handle.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_HOST_UNREACH,
  ICMP_TIME_EXCEEDED,
  ICMPV6_ADDR_UNREACH,
  ICMPV6_DEST_UNREACH,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_TIME_EXCEED,
  INNER_IPIP,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  isIcmp,
  KEY_IPV6,
  networkLength,
  type Packet,
} from "../../packet/packet.ts";
import { conntrackConfirm } from "../conntrack/conntrack-in.ts";
import { CT_NONE, CT_UNTRACKED, ctInfoDirection, IPS_CONFIRMED, IPS_DYING } from "../conntrack/status.ts";
import type { NetDevice } from "../device/net-device.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { NF_NAT_MANIP_DST } from "../nat/manip.ts";
import { rewrite } from "../nat/manip-packet.ts";
import { NF_ACCEPT, NF_STOLEN, type NfVerdict } from "../netfilter/hook.ts";
import { encapsulatedTos } from "../path/ecn.ts";
import { reason } from "../reason.ts";
import { isLoopback, routeOutput } from "../route/output-route.ts";
import { RTN_LOCAL } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import {
  CONN_NFCT,
  CONN_ONE_PACKET,
  FORWARD_GATE,
  FORWARD_MASK,
  FORWARD_MASQ,
  FORWARD_TUNNEL,
} from "./connection-flags.ts";

const NO_ROUTE = reason("ipvs-no-route");
const TTL_EXCEEDED = reason("ttl-exceeded");
const TOO_BIG = reason("too-big");
const UNMODELLED = reason("unmodelled-device");

/** What finding the way to a server came to: to this host itself, elsewhere, nowhere. */
const LOCAL = 1;
const REMOTE = 0;
const FAILED = -1;

/** The smallest MTU a tunnel may have inside (`__ip_vs_get_out_rt`, `__ip_vs_get_out_rt_v6`). */
export const LEAST_TUNNEL_MTU = 68;
const LEAST_TUNNEL_MTU6 = 1280;
export const IP_HEADER = 20;
const IPV6_HEADER = 40;

/**
 * `cp->packet_xmit`: send a packet on to its connection's real server, by the way its forwarding method goes. NF_ACCEPT: the
 * server is this host, and the packet goes on up. NF_STOLEN: it was taken.
 */
export function transmit(stack: Stack, cp: number, packet: Packet): NfVerdict {
  switch (stack.ipvs.connections.flags(cp) & FORWARD_MASK) {
    case FORWARD_MASQ:
      return transmitTranslated(stack, cp, packet);
    case FORWARD_GATE:
      return transmitDirect(stack, cp, packet);
    case FORWARD_TUNNEL:
      return transmitTunnelled(stack, cp, packet);
    default:
      stack.engine.unmodelled.add("IPVS forwarding by GUE or GRE");
      return steal(stack, packet, UNMODELLED);
  }
}

function steal(stack: Stack, packet: Packet, why: number): typeof NF_STOLEN {
  stack.kill(packet, why);
  return NF_STOLEN;
}

/** `ip_vs_nat_xmit`, `ip_vs_nat_xmit_v6`. */
function transmitTranslated(stack: Stack, cp: number, packet: Packet): NfVerdict {
  const { connections } = stack.ipvs;
  const to = connections.daddr(cp);
  const way = routeToServer(stack, packet, to, false, true, true);
  if (way === FAILED) return NF_STOLEN;
  // "From world but DNAT to loopback address?"
  if (leadsToLoopback(stack, packet, way, to)) return steal(stack, packet, NO_ROUTE);
  rewrite(stack, packet, packet, NF_NAT_MANIP_DST, to, connections.dport(cp), false);
  return sendTranslated(stack, cp, packet, way);
}

function leadsToLoopback(stack: Stack, packet: Packet, way: number, to: number): boolean {
  return way === LOCAL && isLoopbackOf(packet, to) && !isFromHere(stack, packet);
}

function isLoopbackOf({ family }: Packet, address: number): boolean {
  return family === 6 ? address === IP6_LOOPBACK : isLoopback(address);
}

function isFromHere(stack: Stack, packet: Packet): boolean {
  return packet.dev === 0 || stack.isLoopback(packet.dev);
}

/**
 * `ip_vs_icmp_xmit` of a translated connection: an error on its way to the server is translated, and the packet quoted.
 *
 * @param fromForward came by FORWARD, where a server on this host cannot be reached
 */
export function transmitError(
  stack: Stack,
  cp: number,
  packet: Packet,
  quoted: Packet,
  fromForward: boolean,
): NfVerdict {
  const { connections } = stack.ipvs;
  if ((connections.flags(cp) & FORWARD_MASK) !== FORWARD_MASQ) return transmit(stack, cp, packet);
  const to = connections.daddr(cp);
  const way = routeToServer(stack, packet, to, false, !fromForward, !fromForward);
  if (way === FAILED) return NF_STOLEN;
  if (leadsToLoopback(stack, packet, way, to)) return steal(stack, packet, NO_ROUTE);
  packet.dst = to;
  quoted.src = to;
  quoted.sport = connections.dport(cp);
  return sendTranslated(stack, cp, packet, way);
}

/** `ip_vs_nat_send_or_cont`. */
function sendTranslated(
  stack: Stack,
  cp: number,
  packet: Packet,
  way: typeof LOCAL | typeof REMOTE,
): NfVerdict {
  packet.ipvsProperty = true;
  packet.ignoreDf = true;
  if ((stack.ipvs.connections.flags(cp) & CONN_NFCT) === 0) untrack(packet);
  else updateConntrack(stack, cp, packet, true);
  if (way === LOCAL) return NF_ACCEPT;
  stack.path.localOut(stack, packet);
  return NF_STOLEN;
}

/** `ip_vs_dr_xmit`, `ip_vs_dr_xmit_v6`: unchanged, to the server's MAC. */
function transmitDirect(stack: Stack, cp: number, packet: Packet): NfVerdict {
  const way = routeToServer(stack, packet, stack.ipvs.connections.daddr(cp), false, true, false);
  if (way === FAILED) return NF_STOLEN;
  packet.ipvsProperty = true;
  if ((stack.ipvs.connections.flags(cp) & CONN_NFCT) === 0) untrack(packet);
  if (way === LOCAL) return NF_ACCEPT;
  // IP_VS_RT_MODE_KNOWN_NH
  packet.rtHopStands = true;
  packet.ignoreDf = true;
  stack.path.localOut(stack, packet);
  return NF_STOLEN;
}

/** `ip_vs_tunnel_xmit`, `ip_vs_tunnel_xmit_v6`: inside another packet of the same family, made here. */
function transmitTunnelled(stack: Stack, cp: number, packet: Packet): NfVerdict {
  const six = packet.family === 6;
  const to = stack.ipvs.connections.daddr(cp);
  const way = routeToServer(stack, packet, to, true, true, false);
  if (way === FAILED) return NF_STOLEN;
  packet.ipvsProperty = true;
  const keepsConntrack = (stack.ipvs.connections.flags(cp) & CONN_NFCT) !== 0;
  if (way === LOCAL) {
    if (!keepsConntrack) untrack(packet);
    return NF_ACCEPT;
  }
  // ip_vs_tunnel_xmit_prepare: the entry stays here, the packet goes on without it.
  if (keepsConntrack && conntrackConfirm(stack, packet) !== NF_ACCEPT) {
    stack.pool.release(packet);
    return NF_STOLEN;
  }
  const inner = stack.pool.take();
  inner.copyHeaders(packet);
  inner.framed = false;
  inner.inner = packet.inner;
  packet.inner = inner;
  packet.encapsulation = INNER_IPIP;
  packet.src = tunnelSource;
  packet.dst = to;
  packet.protocol = six ? IPPROTO_IPV6 : IPPROTO_IPIP;
  packet.tos = encapsulatedTos(inner.tos, inner.tos);
  packet.df = !six && stack.ipvsSettings.pmtuDisc && inner.df;
  packet.length = inner.length + (six ? IPV6_HEADER : IP_HEADER);
  packet.payload = inner.length;
  packet.mf = false;
  packet.fragOffset = 0;
  packet.sport = 0;
  packet.dport = 0;
  packet.tcpFlags = 0;
  packet.extensions = [];
  packet.unlabelled = six;
  // ip_select_ident: what is never cut needs no number.
  packet.id = six || (packet.df && !inner.ignoreDf) ? 0 : stack.state.nextIpId();
  packet.ct = CT_NONE;
  packet.ctInfo = 0;
  packet.ignoreDf = true;
  stack.path.localOut(stack, packet);
  return NF_STOLEN;
}

/** The address a tunnel's packets come from: the source that the last route to a server chose. */
let tunnelSource = 0;

/**
 * `__ip_vs_get_out_rt`, `__ip_vs_get_out_rt_v6`: route a packet to a real server. Takes a hop off its TTL and sees that it fits; what cannot go is
 * answered and taken.
 *
 * @param redirect may what was not for this host go to a server on it (`IP_VS_RT_MODE_RDR`)?
 */
function routeToServer(
  stack: Stack,
  packet: Packet,
  to: number,
  tunnel: boolean,
  allowLocal: boolean,
  redirect: boolean,
): typeof LOCAL | typeof REMOTE | typeof FAILED {
  const probe = stack.pool.take();
  probe.number = packet.number;
  probe.family = packet.family;
  probe.dst = to;
  const error = routeOutput(stack, probe, 0, false);
  const local = probe.rtType === RTN_LOCAL;
  const six = packet.family === 6;
  const fromLoopback = isLoopbackOf(packet, packet.src) && (!six || isFromHere(stack, packet));
  const crosses = local ? !allowLocal || (!redirect && packet.rtType !== RTN_LOCAL) : fromLoopback;
  if (error !== 0 || crosses) {
    stack.pool.release(probe);
    // dst_link_failure
    if (error !== 0) tell(stack, packet, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
    stack.kill(packet, NO_ROUTE);
    return FAILED;
  }
  if (local) {
    stack.pool.release(probe);
    return LOCAL;
  }
  const device = stack.net.devices[probe.rtDev] as NetDevice;
  const header = six ? IPV6_HEADER : IP_HEADER;
  const mtu = (probe.rtMtu === 0 ? device.mtu : probe.rtMtu) - (tunnel ? header : 0);
  if (packet.ttl <= 1) {
    stack.pool.release(probe);
    tell(stack, packet, ICMP_TIME_EXCEEDED, 0, 0);
    stack.kill(packet, TTL_EXCEEDED);
    return FAILED;
  }
  packet.ttl--;
  if (tunnel) tunnelSource = probe.src;
  const isTooNarrow = tunnel && mtu < (six ? LEAST_TUNNEL_MTU6 : LEAST_TUNNEL_MTU);
  if (isTooNarrow || exceeds(stack, packet, mtu, tunnel)) {
    stack.pool.release(probe);
    if (!isTooNarrow && !isError(packet)) tell(stack, packet, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    stack.kill(packet, TOO_BIG);
    return FAILED;
  }
  packet.rtInput = probe.rtInput;
  packet.rtType = probe.rtType;
  packet.rtDev = probe.rtDev;
  packet.rtNextHop = probe.rtNextHop;
  packet.rtUsesGateway = probe.rtUsesGateway;
  packet.rtHopStands = probe.rtHopStands;
  packet.rtMtu = probe.rtMtu;
  packet.rtMtuLocked = probe.rtMtuLocked;
  packet.rtForwardMtu = probe.rtForwardMtu;
  packet.rtHopLimit = probe.rtHopLimit;
  packet.rtError = 0;
  packet.rtDoRedirect = false;
  stack.pool.release(probe);
  return REMOTE;
}

/** `ensure_mtu_is_adequate`: of IPv4 an error may always be cut; of IPv6 what was put together here is as long as its longest piece. */
function exceeds(stack: Stack, packet: Packet, mtu: number, tunnel: boolean): boolean {
  if (packet.family === 6) return (packet.fragMaxSize > 0 ? packet.fragMaxSize : networkLength(packet)) > mtu;
  if (tunnel && !stack.ipvsSettings.pmtuDisc) return false;
  return packet.df && networkLength(packet) > mtu && !isError(packet);
}

function isError(packet: Packet): boolean {
  return isIcmp(packet) && packet.inner !== null;
}

/** An error in the words of ICMP, in those of ICMPv6 for a packet of IPv6. */
function tell(stack: Stack, packet: Packet, type: number, code: number, info: number): void {
  if (packet.family !== 6) sendIcmpError(stack, packet, type, code, info);
  else if (type === ICMP_TIME_EXCEEDED) sendIcmpError(stack, packet, ICMPV6_TIME_EXCEED, code, info);
  else if (code === ICMP_FRAG_NEEDED) sendIcmpError(stack, packet, ICMPV6_PKT_TOOBIG, 0, info);
  else sendIcmpError(stack, packet, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, info);
}

/** `ip_vs_notrack`. */
export function untrack(packet: Packet): void {
  if (packet.ct === CT_NONE) return;
  packet.ct = CT_UNTRACKED;
  packet.ctInfo = 0;
}

/**
 * `ip_vs_update_conntrack`: answers come from the real server, so an entry not yet in the table learns to expect them from
 * there; its original tuple keeps the virtual address.
 *
 * @param toServer this is the client's packet, not the server's
 */
export function updateConntrack(stack: Stack, cp: number, packet: Packet, toServer: boolean): void {
  const table = stack.conntrack;
  const { ct } = packet;
  if (ct < 0 || (table.status(ct) & (IPS_CONFIRMED | IPS_DYING)) !== 0) return;
  const { connections } = stack.ipvs;
  const flags = connections.flags(cp);
  if ((flags & FORWARD_MASK) !== FORWARD_MASQ || (flags & CONN_ONE_PACKET) !== 0) return;
  if (ctInfoDirection(packet.ctInfo) !== 0) return;
  const protocol = table.proto(ct) & ~KEY_IPV6;
  const icmp = protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6;
  if (toServer) {
    const port = icmp ? table.replySport(ct) : connections.dport(cp);
    table.alterReply(ct, connections.daddr(cp), table.replyDst(ct), port, table.replyDport(ct));
  } else {
    const port = icmp ? table.replyDport(ct) : connections.vport(cp);
    table.alterReply(ct, table.replySrc(ct), connections.vaddr(cp), table.replySport(ct), port);
  }
}
