import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import type { LowerPort } from "../device/lower-port.ts";
import type { NetDevice } from "../device/net-device.ts";
import { arpReceive } from "../neighbour/arp.ts";
import * as HOOK from "../netfilter/hook.ts";
import { nftFrame } from "../nft/frame-hooks.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { bondReceive } from "./bond.ts";
import { bridgeReceive } from "./bridge.ts";
import * as FRAME from "./frame.ts";
import { classifyFrame, fits, recordIn } from "./frame.ts";
import { ipReceive } from "./ip-input.ts";
import { ipvlanReceive } from "./ipvlan.ts";
import { macvlanReceive } from "./macvlan.ts";
import { ovsReceive } from "./ovs.ts";
import { tcFilters } from "./traffic-control.ts";
import { vlanReceive } from "./vlan.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ETH_P_ARP, PACKET_OTHERHOST } = PACKET;
const { NF_ACCEPT, NF_DROP, NF_INET_INGRESS } = HOOK;
const { FRAME_TOO_LONG } = FRAME;

const RULE_DROP = reason("rule-drop");
const DEVICE_DOWN = reason("device-down");

/**
 * A frame arrives from a device's other end: the beginning of a host's path. Takes the packet over. Runs per packet.
 *
 * @param crossesNamespace false for a veth pair inside one namespace, whose frames keep their mark
 */
export function receiveFrame(stack: Stack, dev: NetDevice, packet: Packet, crossesNamespace: boolean): void {
  packet.scrub(crossesNamespace);
  if (!dev.up) {
    stack.kill(packet, DEVICE_DOWN);
    return;
  }
  if (dev.kind === "veth" && !fits(dev, packet)) {
    stack.kill(packet, FRAME_TOO_LONG);
    return;
  }
  classifyFrame(dev, packet);
  netifReceive(stack, dev, packet);
}

/** What sits on the device takes its frames first: VLANs by their tag, macvlans by MAC, ipvlans by address. */
function receiveAbove(stack: Stack, dev: NetDevice, port: LowerPort, packet: Packet): boolean {
  if (packet.vlan !== 0) return port.vlans.length > 0 && vlanReceive(stack, port, packet);
  if (port.macvlans.length > 0 && macvlanReceive(stack, port, packet)) return true;
  return port.ipvlans.length > 0 && ipvlanReceive(stack, dev, port, packet);
}

/** A frame that never left the host: by loopback, or a broadcast's own copy. */
export function receiveLooped(stack: Stack, dev: NetDevice, packet: Packet): void {
  netifReceive(stack, dev, packet, !dev.isLoopback);
}

/** `__netif_receive_skb_core`: to the bridge if the device is a port, else to ARP or IP. */
export function netifReceive(stack: Stack, dev: NetDevice, packet: Packet, untapped = false): void {
  packet.dev = dev.ifindex;
  packet.iif = dev.ifindex;
  if (!untapped) recordIn(stack, dev, packet);
  if (stack.leadsToIp[dev.slot] === 1 && packet.vlan === 0 && packet.ethType !== ETH_P_ARP) {
    ipReceive(stack, dev, packet);
    return;
  }
  if (dev.tcIngress.length > 0 && tcFilters(stack, dev, dev.tcIngress, packet, true) !== "pass") return;
  if (dev.ingress.length > 0) {
    const verdict = nftFrame(stack, NF_INET_INGRESS, dev.ingress, packet, dev, null);
    if (verdict === NF_DROP) stack.kill(packet, RULE_DROP);
    if (verdict !== NF_ACCEPT) return;
  }
  receiveClassified(stack, dev, packet);
}

/** What follows taps and filters (`skip_classify`). */
export function receiveClassified(stack: Stack, dev: NetDevice, packet: Packet): void {
  packet.dev = dev.ifindex;
  packet.iif = dev.ifindex;
  const port = stack.lowerPort(dev);
  if (port !== null && receiveAbove(stack, dev, port, packet)) return;
  if (dev.ovsPort !== null && !dev.ovsOwn) {
    ovsReceive(stack, dev.ovsPort, packet);
    return;
  }
  if (packet.vlan !== 0 && dev.master === null && dev.bond === null) {
    // "Vlan id is non 0 and vlan_do_receive() above couldn't find vlan device."
    packet.pktType = PACKET_OTHERHOST;
    packet.vlan = 0;
  }
  if (dev.bond !== null) {
    bondReceive(stack, dev.bond, dev, packet);
    return;
  }
  if (dev.master !== null) {
    bridgeReceive(stack, dev, packet);
    return;
  }
  if (packet.ethType === ETH_P_ARP) arpReceive(stack, dev, packet);
  else ipReceive(stack, dev, packet);
}
