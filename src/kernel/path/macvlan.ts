import { isGroupMac, MAC_BROADCAST } from "../../address/mac.ts";
import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  type Packet,
  RT_LOCAL_DELIVER,
} from "../../packet/packet.ts";
import type { DeviceDetail } from "../device/device.ts";
import type { DevicePlace, LowerPort } from "../device/lower-port.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { listens } from "./multicast-filter.ts";

/**
 * macvlan (drivers/net/macvlan.c): devices with MACs of their own on one card. Between each other they speak in bridge mode
 * only; the card's own host never hears them, nor they it. Runs per packet.
 */

const DEVICE_DOWN = reason("device-down");
const LEFT_MODEL = reason("left-model");

type Mode = Extract<DeviceDetail, { kind: "macvlan" }>["mode"];

/** `macvlan_queue_xmit`: to a neighbour on the same card in bridge mode, and out by the card. Takes the packet over. */
export function macvlanTransmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const lower = stack.lowerOf(dev);
  if (lower === null) {
    stack.kill(packet, LEFT_MODEL);
    return;
  }
  const below = stack.engine.stackOf(lower.host);
  const port = below.lowerPort(lower.device);
  if (modeOf(dev) === "bridge" && port !== null) {
    if (isGroupMac(packet.ethDst)) {
      stack.outbox.lower(below, lower.device, stack.pool.clone(packet));
      broadcast(stack, port, dev, stack.host, packet, isBridge, true);
      stack.pool.release(packet);
      return;
    }
    const to = port.macvlanOf(packet.ethDst);
    if (to !== null && modeOf(to.device) === "bridge") {
      // By way of the card, for those who listen there.
      stack.outbox.forward(below, lower.device, packet, lower.host !== stack.host);
      return;
    }
  }
  stack.outbox.lower(below, lower.device, packet);
}

/**
 * `macvlan_handle_frame`: a frame came in by a card that macvlans sit on.
 *
 * @returns true when it was a macvlan's; the packet is taken over then
 */
export function macvlanReceive(stack: Stack, port: LowerPort, packet: Packet): boolean {
  // What the host says to a group and hears itself has its route already, and no link's header (`dev_loopback_xmit`).
  if (packet.rtInput === RT_LOCAL_DELIVER) return false;
  const first = port.macvlans[0] as DevicePlace;
  if (isGroupMac(packet.ethDst)) {
    const from = port.macvlanOf(packet.ethSrc);
    if (from !== null) {
      const mode = modeOf(from.device);
      if (mode === "private" || mode === "passthru") {
        // Its own frame comes back from the switch: nobody else is to hear it.
        raise(stack, from, packet, groupType(packet));
        return true;
      }
      broadcast(
        stack,
        port,
        from.device,
        from.host,
        packet,
        mode === "vepa" ? isVepaOrBridge : isVepa,
        false,
      );
    } else broadcast(stack, port, null, -1, packet, isAny, false);
    return false;
  }
  const to = modeOf(first.device) === "passthru" ? first : port.macvlanOf(packet.ethDst);
  if (to === null) return false;
  if (!to.device.up) {
    stack.kill(packet, DEVICE_DOWN);
    return true;
  }
  raise(stack, to, packet, PACKET_HOST);
  return true;
}

/** `macvlan_broadcast`: copies to the others whose mode is wanted. */
function broadcast(
  stack: Stack,
  port: LowerPort,
  from: NetDevice | null,
  fromHost: number,
  packet: Packet,
  wanted: (mode: Mode) => boolean,
  local: boolean,
): void {
  for (const place of port.macvlans) {
    if (place.device === from && place.host === fromHost) continue;
    if (!place.device.up || !wanted(modeOf(place.device)) || !listens(stack, place, packet)) continue;
    const copy = stack.pool.clone(packet);
    if (local)
      stack.outbox.forward(stack.engine.stackOf(place.host), place.device, copy, place.host !== stack.host);
    else raise(stack, place, copy, groupType(copy));
  }
}

/** `RX_HANDLER_ANOTHER`: the same frame once more, by another device. */
function raise(stack: Stack, to: DevicePlace, packet: Packet, pktType: number): void {
  packet.pktType = pktType;
  stack.outbox.raise(stack.engine.stackOf(to.host), to.device, packet);
}

function groupType(packet: Packet): number {
  return packet.ethDst === MAC_BROADCAST ? PACKET_BROADCAST : PACKET_MULTICAST;
}

function modeOf(dev: NetDevice): Mode {
  const { detail } = dev.plain;
  return detail.kind === "macvlan" ? detail.mode : "private";
}

const isBridge = (mode: Mode): boolean => mode === "bridge";
const isVepa = (mode: Mode): boolean => mode === "vepa";
const isVepaOrBridge = (mode: Mode): boolean => mode === "vepa" || mode === "bridge";
const isAny = (): boolean => true;
