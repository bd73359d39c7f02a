import type { Packet } from "../packet.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { checksum } from "./checksum.ts";
import { fault, tooShort, type WireFault } from "./fault.ts";

/** The header of IPv4 (RFC 791). Written without options; options that come are passed over. */

const VERSION_IHL = 0;
const TOS = 1;
const TOTAL_LENGTH = 2;
const IDENTIFICATION = 4;
/** Three flags, then the offset in units of eight bytes. */
const FRAGMENT = 6;
const TTL = 8;
const PROTOCOL = 9;
const HEADER_CHECKSUM = 10;
const SOURCE = 12;
const DESTINATION = 16;
export const IPV4_HEADER = 20;

const DF = 0x4000;
const MF = 0x2000;
const OFFSET = 0x1fff;

export function encodeIpv4Header(packet: Packet, bytes: Uint8Array, at: number): void {
  bytes[at + VERSION_IHL] = 0x45;
  bytes[at + TOS] = packet.tos;
  write16(bytes, at + TOTAL_LENGTH, packet.length);
  write16(bytes, at + IDENTIFICATION, packet.id);
  write16(bytes, at + FRAGMENT, (packet.df ? DF : 0) | (packet.mf ? MF : 0) | (packet.fragOffset >>> 3));
  bytes[at + TTL] = packet.ttl;
  bytes[at + PROTOCOL] = packet.protocol;
  write16(bytes, at + HEADER_CHECKSUM, 0);
  write32(bytes, at + SOURCE, packet.src);
  write32(bytes, at + DESTINATION, packet.dst);
  write16(bytes, at + HEADER_CHECKSUM, checksum(bytes, at, at + IPV4_HEADER));
}

/** Reads the header. Returns its length in bytes, or why it is none. */
export function decodeIpv4Header(bytes: Uint8Array, at: number, packet: Packet): number | WireFault {
  const short = tooShort(bytes, at, IPV4_HEADER, "an IPv4 header");
  if (short !== null) return short;
  const first = bytes[at + VERSION_IHL] as number;
  if (first >>> 4 !== 4) return fault(at, `IP version ${first >>> 4} where 4 is expected`);
  const header = (first & 0x0f) * 4;
  if (header < IPV4_HEADER) return fault(at, `an IPv4 header of ${header} bytes is none`);
  const options = tooShort(bytes, at, header, "an IPv4 header with options");
  if (options !== null) return options;
  const length = read16(bytes, at + TOTAL_LENGTH);
  if (length < header)
    return fault(at + TOTAL_LENGTH, `a total length of ${length} is less than the header's`);
  const fragment = read16(bytes, at + FRAGMENT);
  packet.family = 4;
  packet.tos = bytes[at + TOS] as number;
  packet.length = length;
  packet.id = read16(bytes, at + IDENTIFICATION);
  packet.df = (fragment & DF) !== 0;
  packet.mf = (fragment & MF) !== 0;
  packet.fragOffset = (fragment & OFFSET) * 8;
  packet.ttl = bytes[at + TTL] as number;
  packet.protocol = bytes[at + PROTOCOL] as number;
  packet.src = read32(bytes, at + SOURCE);
  packet.dst = read32(bytes, at + DESTINATION);
  return header;
}
