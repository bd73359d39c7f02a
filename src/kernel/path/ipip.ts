import { hashInside, hashOutside } from "../../packet/flow-hash.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PORT_UNREACH,
  INNER_IPIP,
  INNER_NONE,
  IPPROTO_IPIP,
  PACKET_HOST,
  type Packet,
} from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { reason } from "../reason.ts";
import { nextHopOf } from "../route/attach.ts";
import { isMulticast, routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { isDeadLoop } from "./dead-loop.ts";

/** IPv4 in IPv4 (net/ipv4/ipip.c, net/ipv4/ip_tunnel.c): a packet becomes the payload of this host's own. Runs per packet. */

const NO_ROUTE = reason("no-route");
const TOO_BIG = reason("too-big");
const TUNNEL_LOOP = reason("tunnel-loop");
const NO_TUNNEL = reason("no-tunnel");

const NOT_IPV4 = reason("not-ipv4");

const HEADER = 20;

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
  const outer = stack.pool.take();
  outer.number = packet.number;
  outer.phase = packet.phase;
  outer.cause = packet.cause;
  outer.encapsulation = INNER_IPIP;
  outer.protocol = IPPROTO_IPIP;
  outer.src = detail.local ?? 0;
  outer.dst = detail.remote ?? nextHopOf(packet);
  outer.ttl = detail.ttl === 0 ? packet.ttl : detail.ttl;
  outer.df = detail.pmtudisc || packet.df;
  outer.tos = encapsulatedTos(detail.tos, packet.tos);
  outer.length = HEADER + packet.length;
  outer.gsoExcess = packet.gsoExcess;
  outer.payload = packet.length;
  outer.mark = packet.mark;
  outer.dev = dev.ifindex;
  const bound = detail.link === null ? null : stack.net.deviceNamed(detail.link);
  if (routeOutput(stack, outer, bound?.ifindex ?? 0, false) !== 0) {
    stack.pool.release(outer);
    stack.kill(packet, NO_ROUTE);
    return;
  }
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
  outer.id = stack.state.nextIpId();
  outer.inner = packet;
  hashOutside(outer, packet);
  stack.path.localOut(stack, outer);
}

/** `tnl_update_pmtu`: the sender learns what the way through the tunnel takes, and DF forbids more. */
function fitsTunnel(stack: Stack, dev: NetDevice, packet: Packet, outer: Packet): boolean {
  const own = packet.rtMtu !== 0 ? packet.rtMtu : dev.mtu;
  const mtu = outer.df ? wayMtu(stack, outer) - HEADER : own;
  if (mtu < own) stack.state.exceptions.set(packet.dst, 0, Math.max(mtu, 552));
  if (!packet.df || packet.length <= mtu) return true;
  sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
  return false;
}

function wayMtu(stack: Stack, outer: Packet): number {
  return outer.rtMtu !== 0 ? outer.rtMtu : (stack.net.devices[outer.rtDev] as NetDevice).mtu;
}

/** `ip_tunnel_ecn_encap`: the inner packet's, or the tunnel's; congestion marks go outside (RFC 3168 9.1.1). */
export function encapsulatedTos(own: number, inner: number): number {
  const tos = own === 1 ? inner : own;
  const ecn = inner & 0x03;
  return (tos & ~0x03) | (ecn === 0x03 ? 0x02 : ecn);
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
  const mark = outer.mark;
  outer.inner = null;
  outer.encapsulation = INNER_NONE;
  hashInside(inner, outer);
  stack.pool.release(outer);
  inner.scrub(false);
  inner.mark = mark;
  inner.framed = false;
  inner.pktType = PACKET_HOST;
  stack.path.receive(stack, dev, inner);
}

/**
 * `ip_tunnel_lookup`: both ends fit, then the other end alone, then the own alone; `tunl0` takes what is left. Of equals the
 * one bound to the device the packet came in by.
 */
function tunnelOf(stack: Stack, remote: number, local: number, link: number): NetDevice | null {
  let best: NetDevice | null = null;
  let rank = 0;
  const tunnels = stack.net.ipips;
  for (let i = 0; i < tunnels.length; i++) {
    const dev = tunnels[i] as NetDevice;
    const detail = dev.plain.detail;
    if (!dev.up || detail.kind !== "ipip") continue;
    const bound = detail.link === null || stack.net.deviceNamed(detail.link)?.ifindex === link ? 1 : 0;
    const fit = fitOf(detail.remote, detail.local, remote, local) * 2 + bound;
    if (fit > rank && fit > 1) {
      rank = fit;
      best = dev;
    }
  }
  return best;
}

/** 0: not this tunnel's. */
function fitOf(ownRemote: number | null, ownLocal: number | null, remote: number, local: number): number {
  if (ownRemote === remote && ownLocal === local) return 4;
  if (ownRemote === remote && ownLocal === null) return 3;
  if (ownRemote === null && ownLocal === local) return 2;
  if (ownRemote === local && ownLocal === null && isMulticast(local)) return 2;
  return ownRemote === null && ownLocal === null ? 1 : 0;
}
