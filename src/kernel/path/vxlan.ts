import { isGroupMac, MAC_ZERO } from "../../address/mac.ts";
import { ETH_P_ARP, INNER_NONE, INNER_VXLAN, IPPROTO_UDP, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import { routeOutput } from "../route/output-route.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { classifyFrame } from "./frame.ts";

/** VXLAN (drivers/net/vxlan): a frame becomes the payload of this host's own UDP packet. Runs per packet. */

const NO_REMOTE = reason("vxlan-no-remote");
const NO_VNI = reason("vxlan-no-vni");
const NO_ROUTE = reason("no-route");
const MARTIAN_SOURCE = reason("martian-source");

/** UDP header, VXLAN header, inner Ethernet header. */
const HEADROOM = 8 + 8 + 14;

/** `vxlan_xmit`: to the tunnel end the forwarding database names, else to the default. Takes the packet over. */
export function vxlanTransmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const detail = dev.plain.detail;
  if (detail.kind !== "vxlan") throw new Error(`${dev.name} is no VXLAN device`);
  const mac = packet.ethDst;
  let remote = stack.net.vxlanFdb.get(dev.ifindex, mac);
  if (remote === ABSENT && detail.learning) remote = stack.state.learned.get(dev.ifindex, mac);
  if (remote !== ABSENT) {
    encapsulate(
      stack,
      dev,
      packet,
      remote,
      detail.vni,
      detail.port,
      detail.local ?? 0,
      detail.ttl,
      detail.df,
    );
    return;
  }
  // vxlan_find_mac(all zeros): where unknown and group addresses go
  const fallback = stack.net.vxlanFdb.get(dev.ifindex, MAC_ZERO);
  if (fallback === ABSENT && detail.remote === null) {
    if (packet.ethType === ETH_P_ARP) stack.pool.release(packet);
    else stack.kill(packet, NO_REMOTE);
    return;
  }
  // All-zero entries may be several (`bridge fdb append`): one copy each.
  const remotes = stack.net.host.fdb
    .filter((entry) => entry.dev === dev.name && entry.mac === MAC_ZERO && entry.dst !== null)
    .map((entry) => entry.dst as number);
  if (remotes.length === 0) remotes.push(detail.remote as number);
  remotes.forEach((to, i) => {
    const copy = i === remotes.length - 1 ? packet : stack.pool.clone(packet);
    encapsulate(stack, dev, copy, to, detail.vni, detail.port, detail.local ?? 0, detail.ttl, detail.df);
  });
}

/** `vxlan_xmit_one`. */
function encapsulate(
  stack: Stack,
  dev: NetDevice,
  packet: Packet,
  remote: number,
  vni: number,
  port: number,
  local: number,
  ttl: number,
  df: "unset" | "set" | "inherit",
): void {
  const outer = stack.pool.take();
  outer.number = packet.number;
  outer.phase = packet.phase;
  outer.cause = packet.cause;
  outer.encapsulation = INNER_VXLAN;
  outer.vni = vni;
  outer.inner = packet;
  outer.src = local;
  outer.dst = remote;
  outer.protocol = IPPROTO_UDP;
  outer.sport = flowPort(packet);
  outer.dport = port;
  outer.ttl = ttl === 0 ? stack.net.defaultTtl : ttl;
  outer.df = df === "set" || (df === "inherit" && packet.df);
  outer.tos = packet.tos & 0x03;
  outer.length = 20 + HEADROOM + packet.length;
  outer.payload = packet.length + 14 + 8;
  outer.id = stack.state.nextIpId();
  // The namespace is the same: the mark stays, the connection does not.
  outer.mark = packet.mark;
  outer.dev = dev.ifindex;
  if (routeOutput(stack, outer, 0, false) !== 0) {
    stack.kill(outer, NO_ROUTE);
    return;
  }
  stack.path.localOut(stack, outer);
}

/** `udp_flow_src_port`: a hash of the inner flow in the range of local ports; which port is free choice. */
function flowPort(packet: Packet): number {
  let h =
    Math.imul(packet.src, 0x9e3779b1) ^
    Math.imul(packet.dst, 0x85ebca77) ^
    Math.imul((packet.sport << 16) | packet.dport, 0xc2b2ae3d) ^
    packet.protocol;
  if (packet.isFragment) h = Math.imul(packet.src, 0x9e3779b1) ^ Math.imul(packet.dst, 0x85ebca77);
  h ^= h >>> 15;
  return 32768 + ((h >>> 1) % 28232);
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
    listening = true;
    if (outer.encapsulation !== INNER_VXLAN || outer.inner === null || detail.vni !== outer.vni) continue;
    const inner = outer.inner;
    if (inner.ethSrc === dev.mac) {
      stack.kill(outer, MARTIAN_SOURCE);
      return true;
    }
    if (detail.learning && !isGroupMac(inner.ethSrc))
      stack.state.learned.set(dev.ifindex, inner.ethSrc, outer.src);
    const mark = outer.mark;
    outer.inner = null;
    outer.encapsulation = INNER_NONE;
    inner.scrub(false);
    inner.mark = mark;
    stack.pool.release(outer);
    classifyFrame(dev, inner);
    stack.path.receive(stack, dev, inner);
    return true;
  }
  if (listening) stack.kill(outer, NO_VNI);
  return listening;
}
