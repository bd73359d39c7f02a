import { isGroupMac, MAC_BROADCAST } from "../../address/mac.ts";
import {
  ETH_P_IP,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  type Packet,
} from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import {
  bridgedDnatSlow,
  nfBridgeForward,
  nfBridgeLocalIn,
  nfBridgePostRouting,
  nfBridgePreRouting,
} from "./br-netfilter.ts";
import { classifyFrame, pushFrame } from "./frame.ts";

/**
 * A Linux bridge (net/bridge): learning, forwarding, flooding, and what goes up to the host's own stack. Where
 * br_netfilter is on, IPv4 frames pass the IP hooks on their way (`br-netfilter.ts`). Runs per packet.
 */

const PORT_BLOCKED = reason("bridge-port-blocked");
const HAIRPIN = reason("bridge-hairpin");
const DEVICE_DOWN = reason("device-down");
const NO_PORT = reason("bridge-no-port");

/** `br_handle_frame`: a frame came in by a port. Takes the packet over. */
export function bridgeReceive(stack: Stack, port: NetDevice, packet: Packet): void {
  if (!port.portForwarding) {
    stack.kill(packet, PORT_BLOCKED);
    return;
  }
  const bridge = port.master as NetDevice;
  if (bridge.nfCallIptables && packet.ethType === ETH_P_IP) {
    nfBridgePreRouting(stack, bridge, port, packet);
    return;
  }
  bridgeFrameFinish(stack, bridge, port, packet);
}

/** `br_handle_frame_finish`: learn who is where, then forward, flood or pass up. Takes the packet over. */
export function bridgeFrameFinish(stack: Stack, bridge: NetDevice, port: NetDevice, packet: Packet): void {
  packet.dev = port.ifindex;
  if (port.learning && !isGroupMac(packet.ethSrc)) learnAddress(stack, bridge, port, packet);
  const to = packet.ethDst;
  if (isGroupMac(to)) {
    const multicast = to !== MAC_BROADCAST;
    const copy = stack.pool.clone(packet);
    flood(stack, bridge, port, copy, multicast ? "multicast" : "broadcast");
    passUp(stack, bridge, packet);
    return;
  }
  const found = lookup(stack, bridge, to);
  if (found === bridge.ifindex) {
    passUp(stack, bridge, packet);
    return;
  }
  if (found !== ABSENT) {
    const out = stack.device(found);
    if (out !== null && out.master === bridge) {
      if (shouldDeliver(port, out)) {
        bridgeForward(stack, bridge, out, packet, false);
      } else stack.kill(packet, port === out ? HAIRPIN : PORT_BLOCKED);
      return;
    }
  }
  flood(stack, bridge, port, packet, "unicast");
}

/** `br_dev_xmit`: the host itself sends a frame into the bridge. Takes the packet over. */
export function bridgeTransmit(stack: Stack, bridge: NetDevice, packet: Packet): void {
  if (packet.nfBridgeDnat) {
    bridgedDnatSlow(stack, bridge, packet);
    return;
  }
  const to = packet.ethDst;
  if (isGroupMac(to)) {
    flood(stack, bridge, null, packet, to === MAC_BROADCAST ? "broadcast" : "multicast");
    return;
  }
  const found = lookup(stack, bridge, to);
  const out = found === ABSENT || found === bridge.ifindex ? null : stack.device(found);
  if (out !== null && out.master === bridge) {
    if (out.portForwarding) bridgeForward(stack, bridge, out, packet, true);
    else stack.kill(packet, PORT_BLOCKED);
    return;
  }
  flood(stack, bridge, null, packet, "unicast");
}

/** `br_fdb_find`: the ifindex of the port a MAC is behind, the bridge's own for a local one, or ABSENT. */
function lookup(stack: Stack, bridge: NetDevice, mac: number): number {
  const fixed = stack.net.bridgeFdb.get(bridge.ifindex, mac);
  if (fixed === bridge.ifindex) return fixed;
  const learned = stack.state.learned.get(bridge.ifindex, mac);
  return learned === ABSENT ? fixed : learned;
}

/** `br_fdb_update`. */
function learnAddress(stack: Stack, bridge: NetDevice, port: NetDevice, packet: Packet): void {
  const learned = stack.state.learned;
  const known = learned.get(bridge.ifindex, packet.ethSrc);
  if (known === port.ifindex) return;
  // The bridge's own and its ports' addresses are never learned elsewhere; a static entry moves with its frames.
  const fixed = stack.net.bridgeFdb.get(bridge.ifindex, packet.ethSrc);
  if (fixed === bridge.ifindex || (known === ABSENT && fixed === port.ifindex)) return;
  learned.set(bridge.ifindex, packet.ethSrc, port.ifindex);
}

/** `should_deliver`. */
function shouldDeliver(from: NetDevice | null, to: NetDevice): boolean {
  if (!to.portForwarding) return false;
  if (from === null) return true;
  return (to.hairpin || from !== to) && !(from.isolated && to.isolated);
}

/** `br_flood`: a copy to every port that wants it. Takes the packet over. */
function flood(
  stack: Stack,
  bridge: NetDevice,
  from: NetDevice | null,
  packet: Packet,
  kind: "unicast" | "multicast" | "broadcast",
): void {
  let last: NetDevice | null = null;
  for (const port of bridge.ports) {
    if (kind === "unicast" ? !port.flood : kind === "multicast" ? !port.mcastFlood : !port.bcastFlood)
      continue;
    if (!shouldDeliver(from, port)) continue;
    if (last !== null) bridgeForward(stack, bridge, last, stack.pool.clone(packet), from === null);
    last = port;
  }
  if (last !== null) bridgeForward(stack, bridge, last, packet, from === null);
  else if (kind === "unicast") stack.kill(packet, NO_PORT);
  else stack.pool.release(packet);
}

/** `__br_forward`: FORWARD for what came in by a port, nothing for what the host sends; then POSTROUTING. Takes over. */
function bridgeForward(
  stack: Stack,
  bridge: NetDevice,
  out: NetDevice,
  packet: Packet,
  localOrigin: boolean,
): void {
  if (packet.nfBridge) {
    if (!localOrigin && !nfBridgeForward(stack, bridge, out, packet)) return;
    if (!nfBridgePostRouting(stack, bridge, out, packet)) return;
    return;
  }
  pushFrame(stack, out, packet);
}

/** `br_pass_frame_up`: the frame comes in again, by the bridge device. Takes the packet over. */
export function passUp(stack: Stack, bridge: NetDevice, packet: Packet): void {
  if (packet.nfBridge && !nfBridgeLocalIn(stack, packet)) return;
  const group = packet.pktType === PACKET_BROADCAST || packet.pktType === PACKET_MULTICAST;
  // A port's frames are "otherhost" by the port's own address; the bridge looks with its own.
  if (!group) {
    if (packet.nfBridge && packet.pktType === PACKET_HOST) {
      // set by br_netfilter when the destination was translated to this host
    } else classifyFrame(bridge, packet);
    if (packet.pktType !== PACKET_HOST) packet.pktType = PACKET_HOST;
  }
  if (!bridge.up) {
    stack.kill(packet, DEVICE_DOWN);
    return;
  }
  stack.path.receive(stack, bridge, packet);
}
