import * as MAC from "../../address/mac.ts";
import { isGroupMac } from "../../address/mac.ts";
import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { MAC_BROADCAST } = MAC;
const { ETH_P_ARP, PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST } = PACKET;
const { DIR_IN, DIR_IN_BROADCAST, DIR_IN_MULTICAST, DIR_IN_OTHERHOST, OP_ARP, OP_FRAME } = TAPE;

/** `eth_type_trans`: whom a frame is addressed to, as this device sees it. */
export function classifyFrame(dev: NetDevice, packet: Packet): void {
  const to = packet.ethDst;
  if (to === dev.mac) packet.pktType = PACKET_HOST;
  else if (to === MAC_BROADCAST) packet.pktType = PACKET_BROADCAST;
  else if (isGroupMac(to)) packet.pktType = PACKET_MULTICAST;
  else packet.pktType = PACKET_OTHERHOST;
}

/**
 * `is_skb_forwardable`: a veth's other end, and a bridge port, take what fits their MTU with a VLAN tag to spare, and what a card
 * will cut.
 */
export function fits(dev: NetDevice, packet: Packet): boolean {
  return packet.length <= dev.mtu + VLAN_HLEN || packet.gsoExcess > 0;
}

const VLAN_HLEN = 4;
export const FRAME_TOO_LONG = reason("frame-too-long");

/** `br_dev_queue_push_xmit`: a frame leaves by a bridge's port if it fits. Takes the packet over. */
export function pushFrame(stack: Stack, port: NetDevice, packet: Packet): void {
  if (fits(port, packet)) stack.path.transmit(stack, port, packet);
  else stack.kill(packet, FRAME_TOO_LONG);
}

/** Write a frame that came in to the tape. */
export function recordIn(stack: Stack, dev: NetDevice, packet: Packet): void {
  const tape = stack.engine.tape;
  if (tape === null) return;
  const type = packet.pktType;
  const direction =
    type === PACKET_HOST
      ? DIR_IN
      : type === PACKET_BROADCAST
        ? DIR_IN_BROADCAST
        : type === PACKET_MULTICAST
          ? DIR_IN_MULTICAST
          : DIR_IN_OTHERHOST;
  tape.frame(packet.ethType === ETH_P_ARP ? OP_ARP : OP_FRAME, stack.host, dev.ifindex, direction, packet);
}
