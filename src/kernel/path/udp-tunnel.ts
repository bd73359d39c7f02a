import { hashOf, hashOutside } from "../../packet/flow-hash.ts";
import * as PACKET from "../../packet/packet.ts";
import { headerLength, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import { unicastHopLimit } from "../route/hop-limit.ts";
import { routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { encapsulatedTos, innerTos } from "./ecn.ts";
import { outerOf } from "./encapsulation.ts";
import { tunnelTakes } from "./tunnel-pmtu.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ETH_P_IPV6, IPPROTO_UDP } = PACKET;

/** What tunnels over UDP have in common (net/ipv4/udp_tunnel_core.c, ip_tunnel_core.c). Runs per packet. */

const NO_ROUTE = reason("no-route");
const TUNNEL_LOOP = reason("tunnel-loop");
const TOO_BIG = reason("too-big");

/** UDP header, header of VXLAN or of Geneve without options, inner Ethernet header. */
const HEADROOM = 8 + 8 + 14;

/**
 * A datagram of this host's own around a frame, which is the datagram's now. Its ends, VNI, TTL (0: the route's), DF and device
 * are the caller's to say.
 *
 * @param encapsulation `INNER_VXLAN` or `INNER_GENEVE`
 */
export function datagramAround(stack: Stack, packet: Packet, encapsulation: number): Packet {
  const outer = outerOf(stack, packet, encapsulation);
  outer.inner = packet;
  outer.protocol = IPPROTO_UDP;
  outer.sport = flowPort(packet);
  hashOutside(outer, packet);
  outer.tos = encapsulatedTos(0, innerTos(packet));
  outer.gsoExcess = packet.gsoExcess;
  outer.payload = packet.length + 14 + 8;
  outer.id = stack.state.nextIpId();
  // The namespace is the same: the mark stays, the connection does not.
  outer.mark = packet.mark;
  return outer;
}

/** `udp_flow_src_port`: the inner flow's hash in the range of local ports; which port is free choice. */
function flowPort(packet: Packet): number {
  return 32768 + ((hashOf(packet) >>> 1) % 28232);
}

/** Has the frame inside DF, or is it IPv6 (`VXLAN_DF_INHERIT`, `GENEVE_DF_INHERIT`)? */
export function mustNotBeCut(packet: Packet): boolean {
  return packet.ethType === ETH_P_IPV6 || packet.df;
}

/**
 * Route the datagram and send it (`udp_tunnel_xmit_skb`). Takes it over, and the frame in it.
 *
 * @param link ifindex of the device it must leave by, 0 any
 * @param slot of the tunnel's own device, which it must not leave by; -1: there is none
 * @param turn takes over what is told of a frame that is too long (`tunnelTakes`)
 */
export function sendDatagram(
  stack: Stack,
  outer: Packet,
  link: number,
  slot: number,
  turn: ((error: Packet) => void) | null,
): void {
  const packet = outer.inner as Packet;
  outer.length = headerLength(outer) + HEADROOM + packet.length;
  if (routeOutput(stack, outer, link, false) !== 0) {
    stack.kill(outer, NO_ROUTE);
    return;
  }
  // Its sender's socket stays with it (`skb->sk`), as `-m owner` sees.
  outer.socket = packet.socket;
  outer.uid = packet.uid;
  // "circular route" (`udp_tunnel_dst_lookup`)
  if (outer.rtDev === slot) {
    stack.kill(outer, TUNNEL_LOOP);
    return;
  }
  if (outer.ttl === 0) outer.ttl = unicastHopLimit(stack, outer);
  const way = outer.rtMtu !== 0 ? outer.rtMtu : (stack.net.devices[outer.rtDev] as NetDevice).mtu;
  if (!tunnelTakes(stack, packet, way - headerLength(outer) - HEADROOM, turn)) {
    stack.kill(outer, TOO_BIG);
    return;
  }
  // `iptunnel_xmit`
  if (outer.family === 4 && outer.rtMtuLocked) outer.df = false;
  stack.path.localOut(stack, outer);
}

/** `vxlan_encap_bypass`, `geneve_xmit_skb`: what is told of a bridge's frame comes in by the tunnel's device. */
export function turnAt(stack: Stack, dev: NetDevice): ((error: Packet) => void) | null {
  return dev.master === null ? null : (error) => stack.outbox.raise(stack, dev, error);
}
