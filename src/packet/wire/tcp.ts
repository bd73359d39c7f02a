import { IPPROTO_TCP, type Packet, TCP_SYN } from "../packet.ts";
import {
  bitsOf,
  bytesOfOptions,
  foundTcpOptions,
  TCP_HEADER,
  TCPOPT_MSS,
  TCPOPT_NOP,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
  tcpHeaderLength,
  tcpOptionsOf,
} from "../tcp-options.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { checksum, pseudoHeader } from "./checksum.ts";
import { type Extent, fault, tooShort, type WireFault } from "./fault.ts";

/** TCP (RFC 9293). Options are written as Linux fills the room a packet's length leaves for them; of those that are read the segment size alone has a value. */

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

/** What a Linux socket offers at first, and what window scaling leaves of it. */
const INITIAL_WINDOW = 64_240;

/** Each as Linux writes it; of the window's scale the usual one, of the time stamp zeros. */
const SACK_PERMITTED = [TCPOPT_SACK_PERM, 2];
const TIMESTAMP = [TCPOPT_TIMESTAMP, 10, 0, 0, 0, 0, 0, 0, 0, 0];
const WINDOW_SCALE = [TCPOPT_WINDOW, 3, 7];
/** Room of a SYN's options if it has them all: segment size, selective acknowledgements, time stamp, window scale. */
const SYN_ROOM = 20;
/** The same without the segment size. */
const WITHOUT_SIZE = 16;
const END = 0;

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
  bytes.fill(TCPOPT_NOP, first, first + room);
  if (packet.mss !== 0 && room >= 4) {
    bytes[first] = TCPOPT_MSS;
    bytes[first + 1] = 4;
    write16(bytes, first + 2, packet.mss);
  }
  const options = tcpOptionsOf(packet);
  const isSyn = (packet.tcpFlags & TCP_SYN) !== 0;
  const has = (option: number) => (options & (1 << option)) !== 0;
  // Options that were blanked leave their room; in an answer that never had them the others move up.
  const isWhole = isSyn && room >= SYN_ROOM;
  let next = first + (isSyn ? room - (isWhole ? WITHOUT_SIZE : bytesOfOptions(options)) : 0);
  if (has(TCPOPT_SACK_PERM)) bytes.set(SACK_PERMITTED, next + (has(TCPOPT_TIMESTAMP) || isWhole ? 0 : 2));
  if (has(TCPOPT_TIMESTAMP)) bytes.set(TIMESTAMP, next + 2);
  if (has(TCPOPT_TIMESTAMP) || isWhole) next += 12;
  else if (has(TCPOPT_SACK_PERM)) next += 4;
  if (has(TCPOPT_WINDOW)) bytes.set(WINDOW_SCALE, next + 1);
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
  const found = readOptions(bytes, at + TCP_HEADER, Math.min(bytes.length, at + header), packet);
  // Of a header cut short nobody knows what was in the rest.
  if (at + header <= bytes.length) foundTcpOptions(packet, found);
  return null;
}

/** The segment size, 0 where there is none. Returns which others there are, as bits. */
function readOptions(bytes: Uint8Array, from: number, end: number, packet: Packet): number {
  packet.mss = 0;
  let found = 0;
  let at = from;
  while (at < end && bytes[at] !== END) {
    const length = bytes[at] === TCPOPT_NOP ? 1 : (bytes[at + 1] ?? 0);
    if (length === 0 || at + length > end) break;
    const option = bytes[at] as number;
    if (option === TCPOPT_MSS && length === 4) packet.mss = read16(bytes, at + 2);
    found |= bitsOf([option]);
    at += length;
  }
  return found;
}
