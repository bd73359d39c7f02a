import { readMac, writeMac } from "../../address/mac.ts";
import { ETH_P_IP, type Packet } from "../packet.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { fault, tooShort, type WireFault } from "./fault.ts";

/** ARP for IPv4 over Ethernet (RFC 826). The protocol addresses are a packet's source and destination. */

const HARDWARE_TYPE = 0;
const PROTOCOL_TYPE = 2;
const HARDWARE_LENGTH = 4;
const PROTOCOL_LENGTH = 5;
const OPERATION = 6;
const SENDER_HARDWARE = 8;
const SENDER_PROTOCOL = 14;
const TARGET_HARDWARE = 18;
const TARGET_PROTOCOL = 24;
export const ARP_LENGTH = 28;

/** `ARPHRD_ETHER` */
const ETHERNET = 1;

export function encodeArp(packet: Packet, bytes: Uint8Array, at: number): void {
  write16(bytes, at + HARDWARE_TYPE, ETHERNET);
  write16(bytes, at + PROTOCOL_TYPE, ETH_P_IP);
  bytes[at + HARDWARE_LENGTH] = 6;
  bytes[at + PROTOCOL_LENGTH] = 4;
  write16(bytes, at + OPERATION, packet.arpOp);
  writeMac(packet.arpSha, bytes, at + SENDER_HARDWARE);
  write32(bytes, at + SENDER_PROTOCOL, packet.src);
  writeMac(packet.arpTha, bytes, at + TARGET_HARDWARE);
  write32(bytes, at + TARGET_PROTOCOL, packet.dst);
}

export function decodeArp(bytes: Uint8Array, at: number, packet: Packet): WireFault | null {
  const short = tooShort(bytes, at, ARP_LENGTH, "an ARP packet");
  if (short !== null) return short;
  const kinds = [read16(bytes, at + HARDWARE_TYPE), read16(bytes, at + PROTOCOL_TYPE)];
  const lengths = [bytes[at + HARDWARE_LENGTH], bytes[at + PROTOCOL_LENGTH]];
  if (kinds[0] !== ETHERNET || kinds[1] !== ETH_P_IP || lengths[0] !== 6 || lengths[1] !== 4) {
    return fault(at, "ARP is known for IPv4 over Ethernet only");
  }
  packet.arpOp = read16(bytes, at + OPERATION);
  packet.arpSha = readMac(bytes, at + SENDER_HARDWARE);
  packet.src = read32(bytes, at + SENDER_PROTOCOL);
  packet.arpTha = readMac(bytes, at + TARGET_HARDWARE);
  packet.dst = read32(bytes, at + TARGET_PROTOCOL);
  packet.length = ARP_LENGTH;
  return null;
}
