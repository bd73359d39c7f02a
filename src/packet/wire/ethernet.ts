import { readMac, writeMac } from "../../address/mac.ts";
import type { Packet } from "../packet.ts";
import { read16, write16 } from "./big-endian.ts";
import { tooShort, type WireFault } from "./fault.ts";

/** Ethernet II: destination, source, what is inside. Neither preamble nor frame check sequence, as captures have it. */

const DESTINATION = 0;
const SOURCE = 6;
const ETHER_TYPE = 12;
export const ETHERNET_HEADER = 14;

export function encodeEthernet(packet: Packet, bytes: Uint8Array, at: number): void {
  writeMac(packet.ethDst, bytes, at + DESTINATION);
  writeMac(packet.ethSrc, bytes, at + SOURCE);
  write16(bytes, at + ETHER_TYPE, packet.ethType);
}

export function decodeEthernet(bytes: Uint8Array, at: number, packet: Packet): WireFault | null {
  const short = tooShort(bytes, at, ETHERNET_HEADER, "an Ethernet header");
  if (short !== null) return short;
  packet.ethDst = readMac(bytes, at + DESTINATION);
  packet.ethSrc = readMac(bytes, at + SOURCE);
  packet.ethType = read16(bytes, at + ETHER_TYPE);
  packet.framed = true;
  return null;
}
