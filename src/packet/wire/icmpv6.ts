import { MAC_ZERO, readMac, writeMac } from "../../address/mac.ts";
import {
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  IPPROTO_ICMPV6,
  isNeighbourDiscovery,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  NDISC_REDIRECT,
  NDISC_ROUTER_ADVERTISEMENT,
  type Packet,
} from "../packet.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { checksum, pseudoHeader } from "./checksum.ts";
import { type Extent, tooShort, type WireFault } from "./fault.ts";
import { readAddress6, writeAddress6 } from "./ipv6.ts";

/** ICMPv6 (RFC 4443): echoes and errors, what an error quotes standing behind the header; neighbour discovery (RFC 4861). */

const TYPE = 0;
const CODE = 1;
const CHECKSUM = 2;
/** Echo: identifier, then sequence number. Too big: the MTU. Parameter problem: where. An advertisement: its flags. */
const REST = 4;
export const ICMPV6_HEADER = 8;
const TARGET = 8;
const REDIRECTED = 24;

/** Types below are errors, and quote a packet. */
const FIRST_QUERY = 128;

/** Flags of an advertisement stand in the upper three bits of its rest. */
const FLAGS_SHIFT = 5;

const OPTION_LENGTH = 8;
const SOURCE_LLADDR = 1;
const TARGET_LLADDR = 2;

export function quotesPacket6(type: number): boolean {
  return type < FIRST_QUERY;
}

/** Writes the header of a message whose body stands behind it already, up to `end`; neighbour discovery whole. */
export function encodeIcmpv6(packet: Packet, bytes: Uint8Array, at: number, end: number): void {
  const { icmpType } = packet;
  bytes[at + TYPE] = icmpType;
  bytes[at + CODE] = packet.icmpCode;
  write16(bytes, at + CHECKSUM, 0);
  write32(bytes, at + REST, 0);
  if (isNeighbourDiscovery(packet)) encodeDiscovery(packet, bytes, at, end);
  else if (icmpType === ICMPV6_PKT_TOOBIG || icmpType === ICMPV6_PARAMPROB)
    write32(bytes, at + REST, packet.icmpInfo);
  else if (!quotesPacket6(icmpType)) {
    write16(bytes, at + REST, packet.icmpId);
    write16(bytes, at + REST + 2, packet.icmpSeq);
  }
  const sum = checksum(bytes, at, end, pseudoHeader(packet, IPPROTO_ICMPV6, end - at));
  write16(bytes, at + CHECKSUM, sum);
}

export function decodeIcmpv6(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  room: number,
  extent: Extent,
): WireFault | null {
  const short = tooShort(bytes, at, extent === "quoted" ? CODE + 1 : ICMPV6_HEADER, "an ICMPv6 header");
  if (short !== null) return short;
  const type = bytes[at + TYPE] as number;
  packet.icmpType = type;
  packet.icmpCode = bytes[at + CODE] as number;
  if (at + ICMPV6_HEADER > bytes.length) return null;
  if (isNeighbourDiscovery(packet)) return decodeDiscovery(bytes, at, packet, room, extent);
  if (type === ICMPV6_PKT_TOOBIG || type === ICMPV6_PARAMPROB) packet.icmpInfo = read32(bytes, at + REST);
  else if (!quotesPacket6(type)) {
    packet.icmpId = read16(bytes, at + REST);
    packet.icmpSeq = read16(bytes, at + REST + 2);
  }
  packet.payload = Math.max(0, room - ICMPV6_HEADER);
  return null;
}

/** Bytes of a message before its options (RFC 4861 4). */
function fixedLength(type: number): number {
  switch (type) {
    case NDISC_NEIGHBOUR_SOLICITATION:
    case NDISC_NEIGHBOUR_ADVERTISEMENT:
      return REDIRECTED;
    case NDISC_REDIRECT:
      return REDIRECTED + 16;
    case NDISC_ROUTER_ADVERTISEMENT:
      return 16;
    default:
      return ICMPV6_HEADER;
  }
}

/** What a redirect quotes is left zero: nobody reads it. */
function encodeDiscovery(packet: Packet, bytes: Uint8Array, at: number, end: number): void {
  const { icmpType } = packet;
  const options = at + fixedLength(icmpType);
  bytes.fill(0, at + REST, end);
  bytes[at + REST] = packet.ndFlags << FLAGS_SHIFT;
  if (icmpType >= NDISC_NEIGHBOUR_SOLICITATION) writeAddress6(packet.ndTarget, bytes, at + TARGET);
  if (icmpType === NDISC_REDIRECT) writeAddress6(packet.ndDst, bytes, at + REDIRECTED);
  if (packet.ndLladdr === MAC_ZERO || options + OPTION_LENGTH > end) return;
  bytes[options] = namesTarget(icmpType) ? TARGET_LLADDR : SOURCE_LLADDR;
  bytes[options + 1] = OPTION_LENGTH / 8;
  writeMac(packet.ndLladdr, bytes, options + 2);
}

function decodeDiscovery(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  room: number,
  extent: Extent,
): WireFault | null {
  const type = packet.icmpType;
  const fixed = fixedLength(type);
  const short = tooShort(bytes, at, fixed, "a message of neighbour discovery");
  if (short !== null) return extent === "quoted" ? null : short;
  if (type === NDISC_NEIGHBOUR_ADVERTISEMENT) packet.ndFlags = (bytes[at + REST] as number) >>> FLAGS_SHIFT;
  if (type >= NDISC_NEIGHBOUR_SOLICITATION) packet.ndTarget = readAddress6(bytes, at + TARGET);
  if (type === NDISC_REDIRECT) packet.ndDst = readAddress6(bytes, at + REDIRECTED);
  packet.ndLladdr = MAC_ZERO;
  const wanted = namesTarget(type) ? TARGET_LLADDR : SOURCE_LLADDR;
  const end = Math.min(bytes.length, at + room);
  for (let option = at + fixed; option + OPTION_LENGTH <= end; ) {
    const length = (bytes[option + 1] as number) * 8;
    if (length === 0) break;
    if (bytes[option] === wanted && length === OPTION_LENGTH) packet.ndLladdr = readMac(bytes, option + 2);
    option += length;
  }
  return null;
}

function namesTarget(type: number): boolean {
  return type === NDISC_NEIGHBOUR_ADVERTISEMENT || type === NDISC_REDIRECT;
}
