import { IPPROTO_UDP, type Packet } from "../packet.ts";
import { read16, write16 } from "./big-endian.ts";
import { checksum, pseudoHeader } from "./checksum.ts";
import { type Extent, fault, tooShort, type WireFault } from "./fault.ts";

/** UDP (RFC 768). */

const SRC_PORT = 0;
const DST_PORT = 2;
const LENGTH = 4;
const CHECKSUM = 6;
export const UDP_HEADER = 8;

/** Writes the header of a datagram whose payload stands behind it already, up to `end`. */
export function encodeUdp(packet: Packet, bytes: Uint8Array, at: number, end: number): void {
  write16(bytes, at + SRC_PORT, packet.sport);
  write16(bytes, at + DST_PORT, packet.dport);
  write16(bytes, at + LENGTH, end - at);
  write16(bytes, at + CHECKSUM, 0);
  const sum = checksum(bytes, at, end, pseudoHeader(packet, IPPROTO_UDP, end - at));
  // "If the computed checksum is zero, it is transmitted as all ones": zero says that there is none.
  write16(bytes, at + CHECKSUM, sum === 0 ? 0xffff : sum);
}

export function decodeUdp(bytes: Uint8Array, at: number, packet: Packet, extent: Extent): WireFault | null {
  const short = tooShort(bytes, at, extent === "quoted" ? LENGTH : UDP_HEADER, "a UDP header");
  if (short !== null) return short;
  packet.sport = read16(bytes, at + SRC_PORT);
  packet.dport = read16(bytes, at + DST_PORT);
  if (at + UDP_HEADER > bytes.length) return null;
  const length = read16(bytes, at + LENGTH);
  if (length < UDP_HEADER) return fault(at + LENGTH, `a UDP length of ${length} is less than its header's`);
  packet.payload = length - UDP_HEADER;
  return null;
}
