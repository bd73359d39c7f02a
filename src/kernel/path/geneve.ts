import { hashInside, hashOutside } from "../../packet/flow-hash.ts";
import { headerLength, INNER_GENEVE, INNER_NONE, IPPROTO_UDP, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import { unicastHopLimit } from "../route/hop-limit.ts";
import { routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { isDeadLoop } from "./dead-loop.ts";
import { decapsulateEcn, encapsulatedTos, innerTos } from "./ecn.ts";
import { classifyFrame } from "./frame.ts";
import { flowPort, learnPathMtu, mustNotBeCut } from "./vxlan.ts";

/** Geneve with one fixed other end (drivers/net/geneve.c): a frame becomes the payload of a UDP packet. Runs per packet. */

const NO_ROUTE = reason("no-route");
const NO_TUNNEL = reason("no-tunnel");
const TUNNEL_LOOP = reason("tunnel-loop");
const MARTIAN_SOURCE = reason("martian-source");
const CONGESTION_UNKNOWN = reason("congestion-unknown");

/** UDP header, Geneve header without options, inner Ethernet header. */
const HEADROOM = 8 + 8 + 14;

/** `geneve_xmit_skb`. Takes the packet over. */
export function geneveTransmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const detail = dev.plain.detail;
  if (detail.kind !== "geneve") throw new Error(`${dev.name} is no Geneve device`);
  if (isDeadLoop(packet)) {
    stack.kill(packet, TUNNEL_LOOP);
    return;
  }
  const outer = stack.pool.take();
  outer.number = packet.number;
  outer.phase = packet.phase;
  outer.cause = packet.cause;
  outer.encapsulation = INNER_GENEVE;
  outer.vni = detail.vni;
  outer.inner = packet;
  outer.family = dev.underlayFamily;
  outer.dst = dev.underlayRemote;
  outer.protocol = IPPROTO_UDP;
  outer.sport = flowPort(packet);
  hashOutside(outer, packet);
  outer.dport = detail.port;
  outer.ttl = detail.ttl;
  outer.df = outer.family === 6 || detail.df === "set" || (detail.df === "inherit" && mustNotBeCut(packet));
  outer.tos = encapsulatedTos(0, innerTos(packet));
  outer.length = headerLength(outer) + HEADROOM + packet.length;
  outer.gsoExcess = packet.gsoExcess;
  outer.payload = packet.length + 14 + 8;
  outer.id = stack.state.nextIpId();
  outer.mark = packet.mark;
  outer.dev = dev.ifindex;
  if (routeOutput(stack, outer, 0, false) !== 0) {
    stack.kill(outer, NO_ROUTE);
    return;
  }
  // Its sender's socket stays with it (`skb->sk`), as `-m owner` sees.
  outer.socket = packet.socket;
  outer.uid = packet.uid;
  // "circular route" (`udp_tunnel_dst_lookup`)
  if (outer.rtDev === dev.slot) {
    stack.kill(outer, TUNNEL_LOOP);
    return;
  }
  if (detail.ttl === 0) outer.ttl = unicastHopLimit(stack, outer);
  learnPathMtu(stack, packet, outer, HEADROOM);
  stack.path.localOut(stack, outer);
}

/**
 * `geneve_udp_encap_recv`: the device whose other end and VNI these are takes the frame. Takes the packet over.
 *
 * @returns false when no Geneve device listens on the port; the packet is the caller's then
 */
export function geneveReceive(stack: Stack, outer: Packet): boolean {
  const tunnels = stack.net.geneves;
  let listening = false;
  for (let i = 0; i < tunnels.length; i++) {
    const dev = tunnels[i] as NetDevice;
    const detail = dev.plain.detail;
    if (detail.kind !== "geneve" || detail.port !== outer.dport || !dev.up) continue;
    if (dev.underlayFamily !== outer.family) continue;
    listening = true;
    const inner = outer.inner;
    if (inner === null || outer.encapsulation !== INNER_GENEVE) continue;
    if (detail.vni !== outer.vni || dev.underlayRemote !== outer.src) continue;
    // "Ignore packet loops (and multicast echo)"
    if (inner.ethSrc === dev.mac) {
      stack.kill(outer, MARTIAN_SOURCE);
      return true;
    }
    if (!decapsulateEcn(outer.tos, inner)) {
      stack.kill(outer, CONGESTION_UNKNOWN);
      return true;
    }
    const mark = outer.mark;
    outer.inner = null;
    outer.encapsulation = INNER_NONE;
    hashInside(inner, outer);
    stack.pool.release(outer);
    inner.scrub(false);
    inner.mark = mark;
    classifyFrame(dev, inner);
    stack.path.receive(stack, dev, inner);
    return true;
  }
  if (listening) stack.kill(outer, NO_TUNNEL);
  return listening;
}
