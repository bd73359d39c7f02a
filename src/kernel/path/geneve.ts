import { INNER_GENEVE, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { isDeadLoop } from "./dead-loop.ts";
import { decapsulateEcn } from "./ecn.ts";
import { takeOut } from "./encapsulation.ts";
import { classifyFrame } from "./frame.ts";
import { datagramAround, mustNotBeCut, sendDatagram, turnAt } from "./udp-tunnel.ts";

/** Geneve with one fixed other end (drivers/net/geneve.c): a frame becomes the payload of a UDP packet. Runs per packet. */

const NO_TUNNEL = reason("no-tunnel");
const TUNNEL_LOOP = reason("tunnel-loop");
const MARTIAN_SOURCE = reason("martian-source");
const CONGESTION_UNKNOWN = reason("congestion-unknown");

/** `geneve_xmit_skb`. Takes the packet over. */
export function geneveTransmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const detail = dev.plain.detail;
  if (detail.kind !== "geneve") throw new Error(`${dev.name} is no Geneve device`);
  if (isDeadLoop(packet)) {
    stack.kill(packet, TUNNEL_LOOP);
    return;
  }
  const outer = datagramAround(stack, packet, INNER_GENEVE);
  outer.vni = detail.vni;
  outer.family = dev.underlayFamily;
  outer.dst = dev.underlayRemote;
  outer.dport = detail.port;
  outer.ttl = detail.ttl;
  outer.df = outer.family === 6 || detail.df === "set" || (detail.df === "inherit" && mustNotBeCut(packet));
  outer.dev = dev.ifindex;
  sendDatagram(stack, outer, 0, dev.slot, turnAt(stack, dev));
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
    takeOut(stack, inner, outer);
    classifyFrame(dev, inner);
    stack.path.receive(stack, dev, inner);
    return true;
  }
  if (listening) stack.kill(outer, NO_TUNNEL);
  return listening;
}
