import { IP6_ANY } from "../../address/ip6-handle.ts";
import { isGroupMac, MAC_BROADCAST } from "../../address/mac.ts";
import {
  isNeighbourDiscovery,
  NDISC_NEIGHBOUR_SOLICITATION,
  PACKET_BROADCAST,
  PACKET_MULTICAST,
  type Packet,
} from "../../packet/packet.ts";
import type { DevicePlace, LowerPort } from "../device/lower-port.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import { routeOutput } from "../route/output-route.ts";
import { RTN_LOCAL, RTN_UNICAST } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { listens } from "./multicast-filter.ts";

/**
 * ipvlan (drivers/net/ipvlan): devices on one card that share its MAC and are told apart by their addresses. In l2 they
 * speak ARP themselves; in l3 and l3s what they send is routed once more in the card's namespace, and in l3s what they
 * receive passes that namespace's hooks as well. Runs per packet.
 */

const LEFT_MODEL = reason("left-model");
const NO_ROUTE = reason("no-route");
const ISOLATED = reason("ipvlan-private");
const NOT_FOR_FORWARDING = reason("not-for-forwarding");

/** `ipvlan_queue_xmit`. Takes the packet over. */
export function ipvlanTransmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const lower = stack.lowerOf(dev);
  const below = lower === null ? null : stack.engine.stackOf(lower.host);
  const port = lower === null || below === null ? null : below.lowerPort(lower.device);
  if (lower === null || below === null || port === null) {
    stack.kill(packet, LEFT_MODEL);
    return;
  }
  const crosses = lower.host !== stack.host;
  if (port.ipvlanMode !== "l2") {
    if (port.ipvlanFlag !== "vepa" && toNeighbour(stack, port, packet)) return;
    if (isGroupMac(packet.ethDst)) {
      stack.kill(packet, NOT_FOR_FORWARDING);
      return;
    }
    packet.scrub(crosses);
    stack.outbox.lowerRouted(below, lower.device, packet);
    return;
  }
  if (port.ipvlanFlag !== "vepa" && packet.ethDst === packet.ethSrc) {
    if (toNeighbour(stack, port, packet)) return;
    // None of the ipvlans': the card's own host, then.
    stack.outbox.forward(below, lower.device, packet, crosses);
    return;
  }
  if (isGroupMac(packet.ethDst)) {
    // `ipvlan_skb_crossing_ns` without a device: whatever the namespaces are, the mark goes.
    packet.scrub(true);
    stack.outbox.lower(below, lower.device, stack.pool.clone(packet));
    for (const place of port.ipvlans) {
      if ((place.device === dev && place.host === stack.host) || !place.device.up) continue;
      if (!listens(stack, place, packet)) continue;
      const copy = stack.pool.clone(packet);
      stack.outbox.forward(stack.engine.stackOf(place.host), place.device, copy, place.host !== lower.host);
    }
    stack.pool.release(packet);
    return;
  }
  stack.outbox.lower(below, lower.device, packet);
}

/** Whose a packet is by its destination; a question whether an address is taken, by that (`ipvlan_get_L3_hdr`). */
function ipvlanFor(port: LowerPort, packet: Packet): DevicePlace | null {
  return port.ipvlanOf(packet.family, isSolicitation(packet) ? packet.ndTarget : packet.dst);
}

/** Whose a packet is by its source. */
function ipvlanFrom(port: LowerPort, packet: Packet): DevicePlace | null {
  return port.ipvlanOf(packet.family, isSolicitation(packet) ? packet.ndTarget : packet.src);
}

function isSolicitation(packet: Packet): boolean {
  if (packet.src !== IP6_ANY || packet.family !== 6) return false;
  return isNeighbourDiscovery(packet) && packet.icmpType === NDISC_NEIGHBOUR_SOLICITATION;
}

/** To another ipvlan of the same card, unless they are not to meet. Takes the packet over where it says true. */
function toNeighbour(stack: Stack, port: LowerPort, packet: Packet): boolean {
  const to = ipvlanFor(port, packet);
  if (to === null) return false;
  if (port.ipvlanFlag === "private") {
    stack.kill(packet, ISOLATED);
    return true;
  }
  stack.outbox.forward(stack.engine.stackOf(to.host), to.device, packet, to.host !== stack.host);
  return true;
}

/** `ipvlan_process_v4_outbound`: routed in the card's namespace, out by the card. Takes the packet over. */
export function ipvlanRoutedOut(stack: Stack, card: NetDevice, packet: Packet): void {
  packet.framed = false;
  packet.dev = card.ifindex;
  if (routeOutput(stack, packet, card.ifindex, true) !== 0) {
    stack.kill(packet, NO_ROUTE);
    return;
  }
  if (packet.family !== 6 && packet.rtType !== RTN_UNICAST && packet.rtType !== RTN_LOCAL) {
    stack.kill(packet, NO_ROUTE);
    return;
  }
  packet.forwarded = false;
  packet.fragMaxSize = 0;
  stack.path.localOut(stack, packet);
}

/**
 * `ipvlan_handle_frame`: a frame came in by a card that ipvlans sit on.
 *
 * @returns true when it was an ipvlan's; the packet is taken over then
 */
export function ipvlanReceive(stack: Stack, card: NetDevice, port: LowerPort, packet: Packet): boolean {
  if (port.ipvlanMode === "l3s") return false;
  if (port.ipvlanMode === "l2" && isGroupMac(packet.ethDst)) {
    // A frame of one of them, come back from outside, is not told again.
    if (packet.ethSrc === card.mac && ipvlanFrom(port, packet) !== null) return false;
    for (const place of port.ipvlans) {
      if (!place.device.up || !listens(stack, place, packet)) continue;
      const copy = stack.pool.clone(packet);
      copy.scrub(true);
      copy.pktType = packet.ethDst === MAC_BROADCAST ? PACKET_BROADCAST : PACKET_MULTICAST;
      stack.outbox.raise(stack.engine.stackOf(place.host), place.device, copy);
    }
    return false;
  }
  const to = ipvlanFor(port, packet);
  if (to === null) return false;
  stack.outbox.raise(stack.engine.stackOf(to.host), to.device, packet);
  return true;
}

/** `ipvlan_l3_rcv`: in l3s, the ipvlan that a packet which passed PREROUTING here is for; null where it is for nobody. */
export function ipvlanOwner(stack: Stack, card: NetDevice, packet: Packet): DevicePlace | null {
  const port = stack.lowerPort(card);
  if (port === null || port.ipvlans.length === 0 || port.ipvlanMode !== "l3s") return null;
  return ipvlanFor(port, packet);
}
