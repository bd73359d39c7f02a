import { isMulticast6 } from "../../address/ip6-handle.ts";
import { isGroupMac } from "../../address/mac.ts";
import { checksumInside } from "../../packet/checksum.ts";
import * as PACKET from "../../packet/packet.ts";
import { isNeighbourDiscovery, type Packet } from "../../packet/packet.ts";
import type { DeviceDetail } from "../device/device.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import { isMulticast } from "../route/output-route.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { isDeadLoop } from "./dead-loop.ts";
import { decapsulateEcn } from "./ecn.ts";
import { takeOut } from "./encapsulation.ts";
import { classifyFrame } from "./frame.ts";
import { datagramAround, mustNotBeCut, sendDatagram, turnAt } from "./udp-tunnel.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ETH_P_ARP, INNER_VXLAN } = PACKET;
const { ABSENT } = PAIR_MAP;

/** VXLAN (drivers/net/vxlan): a frame becomes the payload of this host's own UDP packet. Runs per packet. */

const NO_REMOTE = reason("vxlan-no-remote");
const NO_VNI = reason("vxlan-no-vni");
const TUNNEL_LOOP = reason("tunnel-loop");
const MARTIAN_SOURCE = reason("martian-source");
const CONGESTION_UNKNOWN = reason("congestion-unknown");

/** `vxlan_xmit`: to the tunnel end the forwarding database names, else to the default. Takes the packet over. */
export function vxlanTransmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const detail = dev.plain.detail;
  if (detail.kind !== "vxlan") throw new Error(`${dev.name} is no VXLAN device`);
  const remote = remoteOf(stack, dev, packet.ethDst, detail.learning);
  if (remote !== ABSENT) {
    encapsulate(stack, dev, packet, detail, remote);
    return;
  }
  // vxlan_find_mac(all zeros): unknown and group addresses go to every end that is named for them
  const ends = stack.net.vxlanFdb.floods[dev.slot] as readonly number[];
  if (ends.length === 0) {
    if (packet.ethType === ETH_P_ARP || isNeighbourDiscovery(packet)) stack.pool.release(packet);
    else stack.kill(packet, NO_REMOTE);
    return;
  }
  for (let i = 0; i < ends.length - 1; i++)
    encapsulate(stack, dev, stack.pool.clone(packet), detail, ends[i] as number);
  encapsulate(stack, dev, packet, detail, ends[ends.length - 1] as number);
}

/** `vxlan_find_mac`: the tunnel end behind which a MAC is. What was learned moves all but fixed entries. */
function remoteOf(stack: Stack, dev: NetDevice, mac: number, learning: boolean): number {
  const known = stack.net.vxlanFdb.ends.get(dev.ifindex, mac);
  if (!learning || (known !== ABSENT && stack.net.vxlanFdb.fixed.get(dev.ifindex, mac) !== ABSENT))
    return known;
  const learned = stack.state.learned.get(dev.ifindex, mac, stack.now - dev.ageingMs);
  return learned === ABSENT ? known : learned;
}

/** `vxlan_xmit_one`. */
function encapsulate(
  stack: Stack,
  dev: NetDevice,
  packet: Packet,
  detail: Extract<DeviceDetail, { kind: "vxlan" }>,
  remote: number,
): void {
  const { vni, port, ttl, df } = detail;
  if (isDeadLoop(packet)) {
    stack.kill(packet, TUNNEL_LOOP);
    return;
  }
  const outer = datagramAround(stack, packet, INNER_VXLAN);
  outer.vni = vni;
  outer.family = dev.underlayFamily;
  outer.src = dev.underlayLocal;
  outer.dst = remote;
  outer.dport = port;
  // A group is reached by the device below, and not beyond it.
  const toGroup = outer.family === 6 ? isMulticast6(remote) : isMulticast(remote);
  outer.ttl = ttl === 0 && toGroup ? 1 : ttl;
  outer.df = outer.family === 6 || df === "set" || (df === "inherit" && mustNotBeCut(packet));
  outer.dev = dev.ifindex;
  const link = toGroup && detail.link !== null ? stack.net.deviceNamed(detail.link) : null;
  sendDatagram(stack, outer, link?.ifindex ?? 0, dev.slot, turnAt(stack, dev));
}

/**
 * `vxlan_rcv`: what a UDP port that a VXLAN device listens on received. Takes the packet over.
 *
 * @returns false when no VXLAN device listens on the port; the packet is the caller's then
 */
export function vxlanReceive(stack: Stack, outer: Packet): boolean {
  if (stack.net.vxlans.length === 0) return false;
  let listening = false;
  for (const dev of stack.net.vxlans) {
    const detail = dev.plain.detail;
    if (detail.kind !== "vxlan" || detail.port !== outer.dport || !dev.up) continue;
    if (dev.underlayFamily !== outer.family) continue;
    listening = true;
    if (outer.encapsulation !== INNER_VXLAN || outer.inner === null || detail.vni !== outer.vni) continue;
    const inner = outer.inner;
    if (inner.ethSrc === dev.mac) {
      stack.kill(outer, MARTIAN_SOURCE);
      return true;
    }
    if (detail.learning && !isGroupMac(inner.ethSrc) && !snoop(stack, dev, inner.ethSrc, outer.src)) {
      stack.kill(outer, MARTIAN_SOURCE);
      return true;
    }
    if (!decapsulateEcn(outer.tos, inner)) {
      stack.kill(outer, CONGESTION_UNKNOWN);
      return true;
    }
    checksumInside(inner, outer);
    takeOut(stack, inner, outer);
    classifyFrame(dev, inner);
    stack.path.receive(stack, dev, inner);
    return true;
  }
  if (listening) stack.kill(outer, NO_VNI);
  return listening;
}

/** `vxlan_snoop`: learn behind which end a MAC is. False: a fixed entry says otherwise, and the frame is dropped. */
function snoop(stack: Stack, dev: NetDevice, mac: number, end: number): boolean {
  if (stack.net.vxlanFdb.fixed.get(dev.ifindex, mac) !== ABSENT)
    return stack.net.vxlanFdb.ends.get(dev.ifindex, mac) === end;
  stack.state.learned.set(dev.ifindex, mac, end, stack.now);
  return true;
}
