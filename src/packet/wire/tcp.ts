import { headerLength, IPPROTO_TCP, type Packet, TCP_SYN } from "../packet.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { checksum, pseudoHeader } from "./checksum.ts";
import { type Extent, fault, tooShort, type WireFault } from "./fault.ts";

/** TCP (RFC 9293). Options are written as Linux fills the room a packet's length leaves for them; the segment size alone is read. */

const SRC_PORT = 0;
const DST_PORT = 2;
const SEQUENCE = 4;
const ACKNOWLEDGMENT = 8;
/** Header length in words, upper four bits. */
const DATA_OFFSET = 12;
const FLAGS = 13;
const WINDOW = 14;
const CHECKSUM = 16;
const URGENT = 18;
export const TCP_HEADER = 20;

/** What a Linux socket offers at first, and what window scaling leaves of it. */
const INITIAL_WINDOW = 64_240;

/** Maximum segment size, selective acknowledgements, timestamps, window scale: 20 bytes (RFC 9293 3.2, 2018, 7323). */
const SYN_OPTIONS = [2, 4, 0, 0, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7];
/** Timestamps: 12 bytes. */
const DATA_OPTIONS = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
const END = 0;
const NO_OPERATION = 1;
const MSS = 2;

/** Bytes of a segment's header: what its IP length leaves beside the payload, 20 to 60 and whole words. */
export function tcpHeaderLength(packet: Packet): number {
  const room = packet.length - headerLength(packet) - packet.payload;
  return Math.min(60, Math.max(TCP_HEADER, room & ~3));
}

/** Writes the header of a segment whose payload stands behind it already, up to `end`. */
export function encodeTcp(packet: Packet, bytes: Uint8Array, at: number, end: number): void {
  const header = tcpHeaderLength(packet);
  write16(bytes, at + SRC_PORT, packet.sport);
  write16(bytes, at + DST_PORT, packet.dport);
  write32(bytes, at + SEQUENCE, packet.seq);
  write32(bytes, at + ACKNOWLEDGMENT, packet.ack);
  bytes[at + DATA_OFFSET] = (header / 4) << 4;
  bytes[at + FLAGS] = packet.tcpFlags;
  write16(bytes, at + WINDOW, INITIAL_WINDOW);
  write16(bytes, at + CHECKSUM, 0);
  write16(bytes, at + URGENT, 0);
  const first = at + TCP_HEADER;
  const room = header - TCP_HEADER;
  const options = (packet.tcpFlags & TCP_SYN) !== 0 ? SYN_OPTIONS : DATA_OPTIONS;
  for (let i = 0; i < room; i++) {
    bytes[first + i] = room === options.length ? (options[i] as number) : NO_OPERATION;
  }
  // An option that was blanked, and one that was added to a header without any.
  if (options === SYN_OPTIONS && packet.mss === 0) bytes.fill(NO_OPERATION, first, first + Math.min(room, 4));
  if (packet.mss !== 0 && room >= 4) {
    bytes[first] = MSS;
    bytes[first + 1] = 4;
    write16(bytes, first + 2, packet.mss);
  }
  const sum = checksum(bytes, at, end, pseudoHeader(packet, IPPROTO_TCP, end - at));
  write16(bytes, at + CHECKSUM, sum);
}

/** @param room bytes from here to the packet's end */
export function decodeTcp(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  room: number,
  extent: Extent,
): WireFault | null {
  const short = tooShort(bytes, at, extent === "quoted" ? SEQUENCE : TCP_HEADER, "a TCP header");
  if (short !== null) return short;
  packet.sport = read16(bytes, at + SRC_PORT);
  packet.dport = read16(bytes, at + DST_PORT);
  if (at + TCP_HEADER > bytes.length) return null;
  packet.seq = read32(bytes, at + SEQUENCE);
  packet.ack = read32(bytes, at + ACKNOWLEDGMENT);
  const header = ((bytes[at + DATA_OFFSET] as number) >>> 4) * 4;
  if (header < TCP_HEADER) return fault(at + DATA_OFFSET, `a TCP header of ${header} bytes is none`);
  packet.tcpFlags = bytes[at + FLAGS] as number;
  packet.payload = Math.max(0, room - header);
  packet.mss = readMss(bytes, at + TCP_HEADER, Math.min(bytes.length, at + header));
  return null;
}

/** The segment size among the options, 0 where there is none. */
function readMss(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== END) {
    const length = bytes[at] === NO_OPERATION ? 1 : (bytes[at + 1] ?? 0);
    if (length === 0 || at + length > end) return 0;
    if (bytes[at] === MSS && length === 4) return read16(bytes, at + 2);
    at += length;
  }
  return 0;
}
