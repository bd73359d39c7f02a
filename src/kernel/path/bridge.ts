import * as MAC from "../../address/mac.ts";
import { isGroupMac } from "../../address/mac.ts";
import { checksumForwarded } from "../../packet/checksum.ts";
import * as PACKET from "../../packet/packet.ts";
import { isNeighbourDiscovery, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { fdbKey } from "../device/vlan-filter.ts";
import * as HOOK from "../netfilter/hook.ts";
import { nftBridge } from "../nft/frame-hooks.ts";
import { reason } from "../reason.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import {
  bridgedDnatSlow,
  nfBridgeForward,
  nfBridgeLocalIn,
  nfBridgePostRouting,
  nfBridgePreRouting,
} from "./br-netfilter.ts";
import { suppressed } from "./bridge-suppress.ts";
import { pushFrame } from "./frame.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { MAC_BROADCAST } = MAC;
const { ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, PACKET_HOST } = PACKET;
const {
  NF_ACCEPT,
  NF_BR_FORWARD,
  NF_BR_LOCAL_IN,
  NF_BR_LOCAL_OUT,
  NF_BR_POST_ROUTING,
  NF_BR_PRE_ROUTING,
  NF_DROP,
} = HOOK;
const { ABSENT } = PAIR_MAP;

/**
 * A Linux bridge (net/bridge): learning, forwarding, flooding, and what goes up to the host's own stack. Where
 * br_netfilter is on, IP frames pass the IP hooks on their way (`br-netfilter.ts`). Runs per packet.
 */

const RULE_DROP = reason("rule-drop");
const PORT_BLOCKED = reason("bridge-port-blocked");
const VLAN_FILTERED = reason("vlan-filtered");
const HAIRPIN = reason("bridge-hairpin");
const DEVICE_DOWN = reason("device-down");
const NO_PORT = reason("bridge-no-port");

/** `br_handle_frame`: a frame came in by a port. Takes the packet over. */
export function bridgeReceive(stack: Stack, port: NetDevice, packet: Packet): void {
  if (port.unmodelledFlags.length > 0) noteUnmodelled(stack, port, packet);
  if (!port.portForwarding && !port.portLearning) {
    stack.kill(packet, PORT_BLOCKED);
    return;
  }
  const bridge = port.master as NetDevice;
  if (!bridge.up) {
    // `br_stp_disable_bridge`: its ports are disabled with it.
    stack.kill(packet, DEVICE_DOWN);
    return;
  }
  if (packet.ethDst === bridge.mac) packet.pktType = PACKET_HOST;
  if (!passes(stack, NF_BR_PRE_ROUTING, false, packet, port, null)) return;
  if (callsNetfilter(bridge, packet.ethType) && isSeenByNetfilter(stack, packet)) {
    nfBridgePreRouting(stack, bridge, port, packet);
    return;
  }
  bridgeFrameFinish(stack, bridge, port, packet);
}

/**
 * Nftables' chains at a hook of bridges, those before br_netfilter or those behind it.
 *
 * @returns false when the packet ended there
 */
function passes(
  stack: Stack,
  hook: number,
  behind: boolean,
  packet: Packet,
  from: NetDevice | null,
  out: NetDevice | null,
): boolean {
  const chains = stack.net.bridgeChains;
  if (chains === null) return true;
  const verdict = nftBridge(stack, chains, hook, behind, packet, from, out);
  if (verdict === NF_DROP) stack.kill(packet, RULE_DROP);
  return verdict === NF_ACCEPT;
}

/** `br_handle_frame_finish`: learn who is where, then forward, flood or pass up. Takes the packet over. */
export function bridgeFrameFinish(stack: Stack, bridge: NetDevice, port: NetDevice, packet: Packet): void {
  packet.dev = port.ifindex;
  if (!passes(stack, NF_BR_PRE_ROUTING, true, packet, port, null)) return;
  if (!enterVlan(port, packet)) {
    stack.kill(packet, VLAN_FILTERED);
    return;
  }
  if (port.locked && findPort(stack, bridge, packet.ethSrc, packet.vlan) !== port) {
    stack.kill(packet, PORT_BLOCKED);
    return;
  }
  if (port.learning && !isGroupMac(packet.ethSrc)) learnAddress(stack, bridge, port, packet);
  if (!port.portForwarding) {
    stack.kill(packet, PORT_BLOCKED);
    return;
  }
  const kept = isKept(stack, bridge, port, packet);
  const to = packet.ethDst;
  if (isGroupMac(to)) {
    const multicast = to !== MAC_BROADCAST;
    const copy = stack.pool.clone(packet);
    flood(stack, bridge, port, copy, multicast ? "multicast" : "broadcast", kept);
    passUp(stack, bridge, packet);
    return;
  }
  const found = lookup(stack, bridge, to, packet.vlan);
  if (found === bridge.ifindex) {
    passUp(stack, bridge, packet);
    return;
  }
  if (found !== ABSENT) {
    const out = stack.device(found);
    if (out !== null && out.master === bridge) {
      if (shouldDeliver(port, out, packet)) bridgeForward(stack, bridge, out, packet, false);
      else stack.kill(packet, refusalOf(port, out, packet));
      return;
    }
  }
  flood(stack, bridge, port, packet, "unicast", kept);
}

/** A question that the bridge has answered itself, or knows the answer to (`proxyarp_replied`). */
function isKept(stack: Stack, bridge: NetDevice, from: NetDevice | null, packet: Packet): boolean {
  if (packet.ethType !== ETH_P_ARP && !isNeighbourDiscovery(packet)) return false;
  const vlan = bridge.vlans === null ? 0 : packet.vlan;
  return suppressed(stack, bridge, from, packet, vlan, (mac, tag) => findPort(stack, bridge, mac, tag));
}

/** Where a MAC is known to be: a port, the bridge itself, or null. */
function findPort(stack: Stack, bridge: NetDevice, mac: number, vlan: number): NetDevice | null {
  const found = lookup(stack, bridge, mac, vlan);
  return found === ABSENT ? null : stack.device(found);
}

/** `br_dev_xmit`: the host itself sends a frame into the bridge. Takes the packet over. */
export function bridgeTransmit(stack: Stack, bridge: NetDevice, packet: Packet): void {
  if (packet.nfBridgeDnat) {
    bridgedDnatSlow(stack, bridge, packet);
    return;
  }
  if (!enterVlan(bridge, packet)) {
    stack.kill(packet, VLAN_FILTERED);
    return;
  }
  const kept = isKept(stack, bridge, null, packet);
  const to = packet.ethDst;
  if (isGroupMac(to)) {
    flood(stack, bridge, null, packet, to === MAC_BROADCAST ? "broadcast" : "multicast", kept);
    return;
  }
  const found = lookup(stack, bridge, to, packet.vlan);
  // The bridge's own entry leads to no port (`br_forward`), a port's own to the port.
  const own = found === bridge.ifindex ? bridge.ports.find(({ mac }) => mac === to) : undefined;
  if (found === bridge.ifindex && own === undefined) {
    stack.kill(packet, NO_PORT);
    return;
  }
  const out = own ?? (found === ABSENT ? null : stack.device(found));
  if (out !== null && out.master === bridge) {
    if (shouldDeliver(null, out, packet)) bridgeForward(stack, bridge, out, packet, true);
    else stack.kill(packet, refusalOf(null, out, packet));
    return;
  }
  flood(stack, bridge, null, packet, "unicast", kept);
}

/** `br_fdb_find`: the ifindex of the port a MAC is behind, the bridge's own for a local one, or ABSENT. */
function lookup(stack: Stack, bridge: NetDevice, mac: number, tag: number): number {
  const vlan = bridge.vlans === null ? 0 : tag;
  const key = fdbKey(bridge.ifindex, vlan);
  if (isLocal(stack, bridge, mac, vlan)) return bridge.ifindex;
  const fixed = stack.net.bridgeFdb.get(key, mac);
  if (fixed === bridge.ifindex) return fixed;
  // A fixed entry moves, but is never forgotten (BR_FDB_STATIC).
  const since = fixed === ABSENT ? stack.now - bridge.ageingMs : Number.NEGATIVE_INFINITY;
  const learned = stack.state.learned.get(key, mac, since);
  return learned === ABSENT || isDisabled(stack, learned) ? fixed : learned;
}

/** `br_stp_disable_port`: what was learned by a port that is down by now is forgotten. */
function isDisabled(stack: Stack, ifindex: number): boolean {
  const port = stack.device(ifindex);
  return port !== null && !(port.up && port.plain.carrier);
}

/** The bridge's own and its ports' addresses, in the VLANs that the one or the other is in (`br_fdb_add_local`). */
function isLocal(stack: Stack, bridge: NetDevice, mac: number, vlan: number): boolean {
  if (stack.net.bridgeFdb.get(bridge.ifindex, mac) !== bridge.ifindex) return false;
  if (vlan === 0) return true;
  if (bridge.mac === mac && bridge.vlans?.has(vlan)) return true;
  for (let i = 0; i < bridge.ports.length; i++) {
    const port = bridge.ports[i] as NetDevice;
    if (port.mac === mac && port.vlans?.has(vlan)) return true;
  }
  return false;
}

/**
 * `br_allowed_ingress`: a frame comes into a filtering bridge by a port, or from its own host. Untagged, it is of the port's
 * own VLAN. Within the bridge every frame bears its VLAN's tag.
 */
function enterVlan(from: NetDevice, packet: Packet): boolean {
  const { vlans } = from;
  if (vlans === null) return true;
  if (packet.vlan === 0) packet.vlan = vlans.pvid;
  return packet.vlan !== 0 && vlans.has(packet.vlan);
}

/** `br_handle_vlan`: a frame leaves a filtering bridge, by a port or upwards. */
function leaveVlan(to: NetDevice, packet: Packet): void {
  if (to.vlans?.leavesUntagged(packet.vlan)) packet.vlan = 0;
}

/** Does br_netfilter hand this bridge's frames of a protocol to the IP hooks? */
function callsNetfilter(bridge: NetDevice, ethType: number): boolean {
  if (ethType === ETH_P_IP) return bridge.nfCallIptables;
  return ethType === ETH_P_IPV6 && bridge.nfCallIp6tables;
}

/** `IS_IP`, `IS_IPV6`, `is_vlan_ip`: tagged frames pass br_netfilter by unless it is told to look at them. */
function isSeenByNetfilter(stack: Stack, packet: Packet): boolean {
  return packet.vlan === 0 || stack.net.filterVlanTagged;
}

/** A frame passes a port that has something on which is not modelled, and which is about such frames. */
function noteUnmodelled(stack: Stack, port: NetDevice, packet: Packet): void {
  const asks = packet.ethType === ETH_P_ARP || isNeighbourDiscovery(packet);
  for (const flag of port.unmodelledFlags) {
    // Where nobody filters VLANs no frame is in one, and the port's own `neigh_suppress` counts.
    if (flag === "neigh_vlan_suppress" && (!asks || port.vlans === null)) continue;
    if (flag === "mcast_to_unicast" && !isGroupMac(packet.ethDst)) continue;
    stack.engine.unmodelled.add(`${flag} of the bridge port ${port.name}`);
  }
}

/** `br_fdb_update`. */
function learnAddress(stack: Stack, bridge: NetDevice, port: NetDevice, packet: Packet): void {
  if (!bridge.learnsAddresses) return;
  const learned = stack.state.learned;
  const vlan = bridge.vlans === null ? 0 : packet.vlan;
  const key = fdbKey(bridge.ifindex, vlan);
  const known = learned.get(key, packet.ethSrc, Number.NEGATIVE_INFINITY);
  if (known === port.ifindex) {
    learned.set(key, packet.ethSrc, known, stack.now);
    return;
  }
  // The bridge's own and its ports' addresses are never learned elsewhere; a static entry moves with its frames.
  const fixed = stack.net.bridgeFdb.get(key, packet.ethSrc);
  if (isLocal(stack, bridge, packet.ethSrc, vlan)) return;
  if (fixed === bridge.ifindex || (known === ABSENT && fixed === port.ifindex)) return;
  learned.set(key, packet.ethSrc, port.ifindex, stack.now);
}

/** `should_deliver`. */
function shouldDeliver(from: NetDevice | null, to: NetDevice, packet: Packet): boolean {
  if (!to.portForwarding) return false;
  if (to.vlans !== null && !to.vlans.has(packet.vlan)) return false;
  if (from === null) return true;
  return (to.hairpin || from !== to) && !(from.isolated && to.isolated);
}

function refusalOf(from: NetDevice | null, to: NetDevice, packet: Packet): number {
  if (to.vlans !== null && !to.vlans.has(packet.vlan)) return VLAN_FILTERED;
  if (!to.up) return DEVICE_DOWN;
  return from === to && to.portForwarding ? HAIRPIN : PORT_BLOCKED;
}

/** What the bridge's own host says to a group is told everybody, whatever the port's settings. */
function floodsGroups(port: NetDevice, kind: "multicast" | "broadcast"): boolean {
  return kind === "multicast" ? port.mcastFlood : port.bcastFlood;
}

/**
 * `br_flood`: a copy to every port that wants it. Takes the packet over.
 *
 * @param kept from the ports that suppress such questions
 */
function flood(
  stack: Stack,
  bridge: NetDevice,
  from: NetDevice | null,
  packet: Packet,
  kind: "unicast" | "multicast" | "broadcast",
  kept: boolean,
): void {
  let last: NetDevice | null = null;
  for (const port of bridge.ports) {
    if (kind === "unicast" ? !port.flood : from !== null && !floodsGroups(port, kind)) continue;
    if (port.proxyArp || (kept && (port.proxyArpWifi || port.neighSuppress))) continue;
    if (!shouldDeliver(from, port, packet)) continue;
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
  leaveVlan(out, packet);
  if (out.unmodelledFlags.length > 0) noteUnmodelled(stack, out, packet);
  if (!localOrigin) checksumForwarded(packet);
  const from = localOrigin || stack.net.bridgeChains === null ? null : stack.device(packet.dev);
  const seen = packet.nfBridge && isSeenByNetfilter(stack, packet);
  const hook = localOrigin ? NF_BR_LOCAL_OUT : NF_BR_FORWARD;
  if (!passes(stack, hook, false, packet, from, out)) return;
  if (seen && !localOrigin && !nfBridgeForward(stack, bridge, out, packet)) return;
  if (!passes(stack, hook, true, packet, from, out)) return;
  if (!passes(stack, NF_BR_POST_ROUTING, false, packet, null, out)) return;
  if (seen) {
    if (!nfBridgePostRouting(stack, bridge, out, packet)) return;
    return;
  }
  pushFrame(stack, out, packet);
}

/** `br_pass_frame_up`: the frame comes in again, by the bridge device. Takes the packet over. */
function passUp(stack: Stack, bridge: NetDevice, packet: Packet): void {
  if (bridge.vlans !== null) {
    // "Bridge is just like any other port."
    if (!bridge.vlans.has(packet.vlan)) {
      stack.kill(packet, VLAN_FILTERED);
      return;
    }
    leaveVlan(bridge, packet);
  }
  if (!passes(stack, NF_BR_LOCAL_IN, false, packet, stack.device(packet.dev), null)) return;
  if (packet.nfBridge && !nfBridgeLocalIn(stack, packet)) return;
  // Whom it is for the port said, and `br_handle_frame` of what is for the bridge's own address: what is for another port's
  // comes up as somebody else's.
  stack.path.receive(stack, bridge, packet);
}
