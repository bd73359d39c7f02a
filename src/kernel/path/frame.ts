import { isGroupMac, MAC_BROADCAST } from "../../address/mac.ts";
import {
  ETH_P_ARP,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type Packet,
} from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import type { Stack } from "../stack.ts";
import { DIR_IN, DIR_IN_BROADCAST, DIR_IN_MULTICAST, DIR_IN_OTHERHOST, OP_ARP, OP_FRAME } from "../tape.ts";

/** `eth_type_trans`: whom a frame is addressed to, as this device sees it. */
export function classifyFrame(dev: NetDevice, packet: Packet): void {
  const to = packet.ethDst;
  if (to === dev.mac) packet.pktType = PACKET_HOST;
  else if (to === MAC_BROADCAST) packet.pktType = PACKET_BROADCAST;
  else if (isGroupMac(to)) packet.pktType = PACKET_MULTICAST;
  else packet.pktType = PACKET_OTHERHOST;
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
