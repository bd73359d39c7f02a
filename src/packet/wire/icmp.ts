import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_REDIRECT, type Packet } from "../packet.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { checksum } from "./checksum.ts";
import { type Extent, tooShort, type WireFault } from "./fault.ts";

/** ICMP (RFC 792, 1191): echoes and errors. What an error quotes is a packet of its own and stands behind the header. */

const TYPE = 0;
const CODE = 1;
const CHECKSUM = 2;
/** Echo: identifier, then sequence number. Redirect: the gateway. */
const REST = 4;
/** Fragmentation needed: the next cable's MTU. */
const NEXT_HOP_MTU = 6;
export const ICMP_HEADER = 8;

/** Types that quote a packet: destination unreachable, source quench, redirect, time exceeded, parameter problem. */
const ERRORS: ReadonlySet<number> = new Set([3, 4, 5, 11, 12]);

export function quotesPacket(type: number): boolean {
  return ERRORS.has(type);
}

/** Writes the header of a message whose body stands behind it already, up to `end`. */
export function encodeIcmp(packet: Packet, bytes: Uint8Array, at: number, end: number): void {
  const { icmpType, icmpCode } = packet;
  bytes[at + TYPE] = icmpType;
  bytes[at + CODE] = icmpCode;
  write16(bytes, at + CHECKSUM, 0);
  write32(bytes, at + REST, 0);
  if (icmpType === ICMP_REDIRECT) write32(bytes, at + REST, packet.icmpInfo);
  else if (icmpType === ICMP_DEST_UNREACH && icmpCode === ICMP_FRAG_NEEDED) {
    write16(bytes, at + NEXT_HOP_MTU, packet.icmpInfo);
  } else if (!quotesPacket(icmpType)) {
    write16(bytes, at + REST, packet.icmpId);
    write16(bytes, at + REST + 2, packet.icmpSeq);
  }
  write16(bytes, at + CHECKSUM, checksum(bytes, at, end));
}

/** @param room bytes from here to the packet's end */
export function decodeIcmp(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  room: number,
  extent: Extent,
): WireFault | null {
  const short = tooShort(bytes, at, extent === "quoted" ? CODE + 1 : ICMP_HEADER, "an ICMP header");
  if (short !== null) return short;
  const type = bytes[at + TYPE] as number;
  const code = bytes[at + CODE] as number;
  packet.icmpType = type;
  packet.icmpCode = code;
  if (at + ICMP_HEADER > bytes.length) return null;
  if (type === ICMP_REDIRECT) packet.icmpInfo = read32(bytes, at + REST);
  else if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) {
    packet.icmpInfo = read16(bytes, at + NEXT_HOP_MTU);
  } else if (!quotesPacket(type)) {
    packet.icmpId = read16(bytes, at + REST);
    packet.icmpSeq = read16(bytes, at + REST + 2);
  }
  packet.payload = Math.max(0, room - ICMP_HEADER);
  return null;
}
