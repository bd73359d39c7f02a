import { hashOutside } from "../../packet/flow-hash.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_HOST_UNREACH,
  ICMP_PORT_UNREACH,
  ICMP_TIME_EXCEEDED,
  INNER_IPIP,
  IPPROTO_IPIP,
  networkLength,
  PACKET_HOST,
  type Packet,
} from "../../packet/packet.ts";
import { ctInfoDirection, IPS_NAT_MASK } from "../conntrack/status.ts";
import type { NetDevice } from "../device/net-device.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { reason } from "../reason.ts";
import { nextHopOf } from "../route/attach.ts";
import { isMulticast, routeOutput } from "../route/output-route.ts";
import { learnPathMtu } from "../route/route-exceptions.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { isDeadLoop } from "./dead-loop.ts";
import { decapsulateEcn, encapsulatedTos } from "./ecn.ts";
import { outerOf, takeOut } from "./encapsulation.ts";

/** IPv4 in IPv4 (net/ipv4/ipip.c, net/ipv4/ip_tunnel.c): a packet becomes the payload of this host's own. Runs per packet. */

const NO_ROUTE = reason("no-route");
const TOO_BIG = reason("too-big");
const TUNNEL_LOOP = reason("tunnel-loop");
const NO_TUNNEL = reason("no-tunnel");
const CONGESTION_UNKNOWN = reason("congestion-unknown");
const NOT_IPV4 = reason("not-ipv4");

const HEADER = 20;

/** `IPTUNNEL_ERR_TIMEO`: how long an error from a tunnel's way is passed on to those who send into it. */
const ERROR_PASSED_ON_MS = 30_000;
/** Where a host's `tunnelErrors` keep how many errors are to be passed on, and when the last of them came. */
const ERRORS = 0;
const LAST_ERROR = 1;

/**
 * `ipip_tunnel_xmit`, which takes IPv4 alone, and `ip_tunnel_xmit`: to the tunnel's other end, or to the next hop of the packet's own route where
 * the tunnel has none. Takes the packet over.
 */
export function ipipTransmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const detail = dev.plain.detail;
  if (detail.kind !== "ipip") throw new Error(`${dev.name} is no IPIP device`);
  if (packet.family === 6) {
    stack.kill(packet, NOT_IPV4);
    return;
  }
  if (isDeadLoop(packet)) {
    stack.kill(packet, TUNNEL_LOOP);
    return;
  }
  const outer = outerOf(stack, packet, INNER_IPIP);
  outer.protocol = IPPROTO_IPIP;
  outer.src = detail.local ?? 0;
  outer.dst = detail.remote ?? nextHopOf(packet);
  outer.ttl = detail.ttl === 0 ? packet.ttl : detail.ttl;
  outer.df = detail.pmtudisc || packet.df;
  const tos = (detail.tos & 1) !== 0 ? packet.tos : detail.tos;
  outer.tos = encapsulatedTos(tos, packet.tos);
  outer.length = HEADER + packet.length;
  outer.gsoExcess = packet.gsoExcess;
  outer.payload = packet.length;
  outer.dev = dev.ifindex;
  const bound = detail.link === null ? null : stack.net.deviceNamed(detail.link);
  if (routeOutput(stack, outer, bound?.ifindex ?? 0, false) !== 0) {
    stack.pool.release(outer);
    stack.kill(packet, NO_ROUTE);
    return;
  }
  // The mark that it is routed by is the tunnel's own, none (`ip_tunnel_init_flow`); the packet's stays on it.
  outer.mark = packet.mark;
  // Its sender's socket stays with it (`skb->sk`), as `-m owner` sees.
  outer.socket = packet.socket;
  outer.uid = packet.uid;
  if (outer.rtDev === dev.slot) {
    stack.pool.release(outer);
    stack.kill(packet, TUNNEL_LOOP);
    return;
  }
  if (!fitsTunnel(stack, dev, packet, outer)) {
    stack.pool.release(outer);
    stack.kill(packet, TOO_BIG);
    return;
  }
  passErrorOn(stack, dev, packet);
  // `iptunnel_xmit`
  if (outer.rtMtuLocked) outer.df = false;
  outer.id = stack.state.nextIpId();
  outer.inner = packet;
  hashOutside(outer, packet);
  stack.path.localOut(stack, outer);
}

/** `tnl_update_pmtu`: the sender learns what the way through the tunnel takes, and DF forbids more. */
function fitsTunnel(stack: Stack, dev: NetDevice, packet: Packet, outer: Packet): boolean {
  const own = packet.rtMtu !== 0 ? packet.rtMtu : dev.mtu;
  const mtu = outer.df ? wayMtu(stack, outer) - HEADER : own;
  if (mtu < own) learnPathMtu(stack, 4, packet.dst, mtu, own, packet.rtMtuLocked);
  if (!packet.df || packet.gsoExcess > 0 || networkLength(packet) <= mtu) return true;
  tellUntranslated(stack, packet, mtu);
  return false;
}

/** `icmp_ndo_send`: a source that was translated on the way to the tunnel is told by the address that it has itself. */
function tellUntranslated(stack: Stack, packet: Packet, mtu: number): void {
  const { src, ct, ctInfo } = packet;
  const { conntrack } = stack.state;
  if (ct >= 0 && (conntrack.status(ct) & IPS_NAT_MASK) !== 0)
    packet.src = ctInfoDirection(ctInfo) === 0 ? conntrack.origSrc(ct) : conntrack.replySrc(ct);
  sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
  packet.src = src;
}

/** `ip_tunnel_xmit`: each error that came from the tunnel's way lately is told once to a sender, whose packet goes all the same. */
function passErrorOn(stack: Stack, dev: NetDevice, packet: Packet): void {
  const { tunnelErrors } = stack.state;
  const count = tunnelErrors.get(dev.ifindex, ERRORS);
  if (count === ABSENT || count <= 0) return;
  if (stack.now >= tunnelErrors.get(dev.ifindex, LAST_ERROR) + ERROR_PASSED_ON_MS) {
    tunnelErrors.set(dev.ifindex, ERRORS, 0);
    return;
  }
  tunnelErrors.set(dev.ifindex, ERRORS, count - 1);
  sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
}

/**
 * `ipip_err`: an error about a tunnel's packet came in. Path MTUs and redirects are for routing (`learnFromError`); the rest is
 * remembered for whoever sends into the tunnel next.
 */
export function ipipError(stack: Stack, error: Packet): void {
  const sent = error.inner;
  if (sent === null || sent.protocol !== IPPROTO_IPIP || stack.net.ipips.length === 0) return;
  const unreachable = error.icmpType === ICMP_DEST_UNREACH && error.icmpCode !== ICMP_FRAG_NEEDED;
  const exceeded = error.icmpType === ICMP_TIME_EXCEEDED && error.icmpCode === 0;
  if (!unreachable && !exceeded) return;
  const dev = tunnelOf(stack, sent.dst, sent.src, error.dev);
  const detail = dev?.plain.detail;
  if (dev === null || detail?.kind !== "ipip" || detail.remote === null) return;
  // What a TTL of the packet's own met is the sender's to find out (`traceroute`).
  if (exceeded && detail.ttl === 0) return;
  const { tunnelErrors } = stack.state;
  const last = tunnelErrors.get(dev.ifindex, LAST_ERROR);
  const lately = last !== ABSENT && stack.now < last + ERROR_PASSED_ON_MS;
  const before = lately ? tunnelErrors.get(dev.ifindex, ERRORS) : 0;
  tunnelErrors.set(dev.ifindex, ERRORS, before + 1);
  tunnelErrors.set(dev.ifindex, LAST_ERROR, stack.now);
}

function wayMtu(stack: Stack, outer: Packet): number {
  return outer.rtMtu !== 0 ? outer.rtMtu : (stack.net.devices[outer.rtDev] as NetDevice).mtu;
}

/** `tunnel4_rcv` and `ip_tunnel_rcv`: what a tunnel here takes comes in again by its device. Takes the packet over. */
export function ipipReceive(stack: Stack, outer: Packet): void {
  const dev = tunnelOf(stack, outer.src, outer.dst, outer.dev);
  const inner = outer.inner;
  if (dev === null || inner === null || outer.encapsulation !== INNER_IPIP) {
    sendIcmpError(stack, outer, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
    stack.kill(outer, NO_TUNNEL);
    return;
  }
  if (!decapsulateEcn(outer.tos, inner)) {
    stack.kill(outer, CONGESTION_UNKNOWN);
    return;
  }
  takeOut(stack, inner, outer);
  inner.framed = false;
  inner.pktType = PACKET_HOST;
  stack.path.receive(stack, dev, inner);
}

/**
 * `ip_tunnel_lookup`: both ends fit, then the other end alone, then the own alone; `tunl0` takes what is left. One bound to the
 * device the packet came in by goes before any that is not. Of equals the youngest, but where both ends fit the eldest.
 */
function tunnelOf(stack: Stack, remote: number, local: number, link: number): NetDevice | null {
  let best: NetDevice | null = null;
  let rank = 0;
  const tunnels = stack.net.ipips;
  for (let i = 0; i < tunnels.length; i++) {
    const dev = tunnels[i] as NetDevice;
    const detail = dev.plain.detail;
    if (!dev.up || detail.kind !== "ipip") continue;
    const fit = fitOf(detail.remote, detail.local, remote, local);
    if (fit === 0) continue;
    const bound = detail.link !== null && stack.net.deviceNamed(detail.link)?.ifindex === link;
    const own = bound ? fit + MOST_FIT : fit;
    if (own > rank || (own === rank && fit < MOST_FIT)) {
      rank = own;
      best = dev;
    }
  }
  return best;
}

/** Both ends fit. */
const MOST_FIT = 4;

/** 0: not this tunnel's. */
function fitOf(ownRemote: number | null, ownLocal: number | null, remote: number, local: number): number {
  if (ownRemote === remote && ownLocal === local) return MOST_FIT;
  if (ownRemote === remote && ownLocal === null) return 3;
  if (ownRemote === null && ownLocal === local) return 2;
  if (ownRemote === local && isMulticast(local)) return 2;
  return ownRemote === null && ownLocal === null ? 1 : 0;
}
