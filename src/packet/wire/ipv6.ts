import { intern, word6 } from "../../address/ip6-handle.ts";
import { extensionBytes } from "../extension.ts";
import type { Packet } from "../packet.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { fault, tooShort, type WireFault } from "./fault.ts";

/**
 * The header of IPv6 (RFC 8200). Written without a flow label, unless a rule has given one; of extension headers only a fragment's is understood, which is
 * written behind all others. A flow label that is read stands where a fragment has its identification.
 */

/** Version, traffic class, flow label. */
const FIRST_WORD = 0;
const FLOW_LABEL = 0xfffff;
const PAYLOAD_LENGTH = 4;
const NEXT_HEADER = 6;
const HOP_LIMIT = 7;
const SOURCE = 8;
const DESTINATION = 24;
export const IPV6_HEADER = 40;

/** RFC 8200 4.5: next header, a reserved byte, offset in eights with the flag in its lowest bit, identification. */
const FRAGMENT_HEADER = 8;
const FRAGMENT_OFFSET = 2;
const IDENTIFICATION = 4;
const MORE = 1;
const OFFSET = 0xfff8;

export const HOP_BY_HOP = 0;
export const ROUTING = 43;
export const FRAGMENT = 44;
const AUTHENTICATION = 51;
export const DESTINATION_OPTIONS = 60;

/** Bytes before what a packet carries. */
export function ipv6HeaderLength({ isFragment, extensions }: Packet): number {
  const bytes = IPV6_HEADER + extensionBytes(extensions);
  return isFragment ? bytes + FRAGMENT_HEADER : bytes;
}

/** The number that stands in IPv6's own header. */
export function nextHeader({ isFragment, protocol, extensions }: Packet): number {
  return extensions[0]?.protocol ?? (isFragment ? FRAGMENT : protocol);
}

/**
 * Where the first header of a kind begins (`ipv6_find_hdr`), bytes from IPv6's own; -1 where there is none: behind the header of a later
 * fragment nothing is looked for.
 */
export function findHeader(packet: Packet, protocol: number): number {
  let at = IPV6_HEADER;
  for (const extension of packet.extensions) {
    if (extension.protocol === protocol) return at;
    at += extension.bytes.length;
  }
  if (packet.isFragment) {
    if (protocol === FRAGMENT) return at;
    at += FRAGMENT_HEADER;
  }
  return packet.protocol === protocol && packet.fragOffset === 0 ? at : -1;
}

export function encodeIpv6Header(packet: Packet, bytes: Uint8Array, at: number): void {
  const { isFragment, protocol, extensions } = packet;
  const carried = isFragment ? FRAGMENT : protocol;
  write32(bytes, at + FIRST_WORD, (6 << 28) | (packet.tos << 20) | Math.max(0, packet.flowLabel));
  write16(bytes, at + PAYLOAD_LENGTH, packet.length - IPV6_HEADER);
  bytes[at + NEXT_HEADER] = nextHeader(packet);
  bytes[at + HOP_LIMIT] = packet.ttl;
  writeAddress6(packet.src, bytes, at + SOURCE);
  writeAddress6(packet.dst, bytes, at + DESTINATION);
  let fragment = at + IPV6_HEADER;
  for (const [i, extension] of extensions.entries()) {
    bytes.set(extension.bytes, fragment);
    bytes[fragment] = extensions[i + 1]?.protocol ?? carried;
    fragment += extension.bytes.length;
  }
  if (!isFragment) return;
  bytes[fragment] = protocol;
  bytes[fragment + 1] = 0;
  write16(bytes, fragment + FRAGMENT_OFFSET, (packet.fragOffset & OFFSET) | (packet.mf ? MORE : 0));
  write32(bytes, fragment + IDENTIFICATION, packet.id);
}

/** Reads the header and those behind it. Returns their length in bytes, or why they are none. */
export function decodeIpv6Header(bytes: Uint8Array, at: number, packet: Packet): number | WireFault {
  const short = tooShort(bytes, at, IPV6_HEADER, "an IPv6 header");
  if (short !== null) return short;
  const first = read32(bytes, at + FIRST_WORD);
  if (first >>> 28 !== 6) return fault(at, `IP version ${first >>> 28} where 6 is expected`);
  packet.family = 6;
  packet.tos = (first >>> 20) & 0xff;
  packet.id = first & FLOW_LABEL;
  packet.length = IPV6_HEADER + read16(bytes, at + PAYLOAD_LENGTH);
  packet.ttl = bytes[at + HOP_LIMIT] as number;
  packet.src = readAddress6(bytes, at + SOURCE);
  packet.dst = readAddress6(bytes, at + DESTINATION);
  let header = IPV6_HEADER;
  let next = bytes[at + NEXT_HEADER] as number;
  while (isExtension(next)) {
    const place = at + header;
    const cut = tooShort(bytes, place, FRAGMENT_HEADER, "an extension header");
    if (cut !== null) return cut;
    header += extensionLength(next, bytes[place + 1] as number);
    if (next === FRAGMENT) readFragment(bytes, place, packet);
    else
      packet.extensions = [...packet.extensions, { protocol: next, bytes: bytes.slice(place, at + header) }];
    next = bytes[place] as number;
    // Behind the header of a later fragment there is some middle of what is carried.
    if (packet.fragOffset !== 0) break;
  }
  if (header > packet.length) {
    return fault(
      at + PAYLOAD_LENGTH,
      `a payload of ${packet.length - IPV6_HEADER} bytes is less than its headers'`,
    );
  }
  packet.protocol = next;
  return header;
}

function isExtension(next: number): boolean {
  return (
    next === HOP_BY_HOP ||
    next === ROUTING ||
    next === FRAGMENT ||
    next === AUTHENTICATION ||
    next === DESTINATION_OPTIONS
  );
}

function extensionLength(kind: number, said: number): number {
  if (kind === FRAGMENT) return FRAGMENT_HEADER;
  return kind === AUTHENTICATION ? (said + 2) * 4 : (said + 1) * 8;
}

function readFragment(bytes: Uint8Array, at: number, packet: Packet): void {
  const offset = read16(bytes, at + FRAGMENT_OFFSET);
  packet.fragOffset = offset & OFFSET;
  packet.mf = (offset & MORE) !== 0;
  packet.id = read32(bytes, at + IDENTIFICATION);
}

export function writeAddress6(address: number, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 4; i++) write32(bytes, at + 4 * i, word6(address, i));
}

export function readAddress6(bytes: Uint8Array, at: number): number {
  return intern(read32(bytes, at), read32(bytes, at + 4), read32(bytes, at + 8), read32(bytes, at + 12));
}
