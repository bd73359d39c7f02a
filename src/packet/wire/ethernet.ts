import { readMac, writeMac } from "../../address/mac.ts";
import type { Packet } from "../packet.ts";
import { read16, write16 } from "./big-endian.ts";
import { tooShort, type WireFault } from "./fault.ts";

/**
 * Ethernet II: destination, source, a tag where there is one (IEEE 802.1Q), what is inside. Neither preamble nor frame check
 * sequence, as captures have it.
 */

const DESTINATION = 0;
const SOURCE = 6;
const ETHER_TYPE = 12;
export const ETHERNET_HEADER = 14;

const ETH_P_8021Q = 0x8100;
const TAG = 4;
/** Priority and eligibility stand in the upper four bits of a tag. */
const IDENTIFIER = 0x0fff;

export function ethernetLength({ vlan }: Packet): number {
  return vlan === 0 ? ETHERNET_HEADER : ETHERNET_HEADER + TAG;
}

export function encodeEthernet(packet: Packet, bytes: Uint8Array, at: number): void {
  writeMac(packet.ethDst, bytes, at + DESTINATION);
  writeMac(packet.ethSrc, bytes, at + SOURCE);
  if (packet.vlan === 0) {
    write16(bytes, at + ETHER_TYPE, packet.ethType);
    return;
  }
  write16(bytes, at + ETHER_TYPE, ETH_P_8021Q);
  write16(bytes, at + ETHER_TYPE + 2, packet.vlan);
  write16(bytes, at + ETHER_TYPE + TAG, packet.ethType);
}

export function decodeEthernet(bytes: Uint8Array, at: number, packet: Packet): WireFault | null {
  const short = tooShort(bytes, at, ETHERNET_HEADER, "an Ethernet header");
  if (short !== null) return short;
  packet.ethDst = readMac(bytes, at + DESTINATION);
  packet.ethSrc = readMac(bytes, at + SOURCE);
  packet.ethType = read16(bytes, at + ETHER_TYPE);
  packet.framed = true;
  if (packet.ethType !== ETH_P_8021Q) return null;
  const cut = tooShort(bytes, at, ETHERNET_HEADER + TAG, "an Ethernet header with a tag");
  if (cut !== null) return cut;
  packet.vlan = read16(bytes, at + ETHER_TYPE + 2) & IDENTIFIER;
  packet.ethType = read16(bytes, at + ETHER_TYPE + TAG);
  return null;
}
