import type { Packet } from "../packet.ts";
import {
  chunkFlags,
  chunkLength,
  SCTP_DATA,
  SCTP_HEADER,
  SCTP_INIT,
  SCTP_INIT_ACK,
  SCTP_SACK,
  SCTP_SHUTDOWN,
} from "../sctp-chunk.ts";
import { read16, read32, write16, write32 } from "./big-endian.ts";
import { crc32c } from "./crc32c.ts";
import { type Extent, fault, tooShort, type WireFault } from "./fault.ts";

/** SCTP (RFC 9260 3): the common header and one chunk. */

const SRC_PORT = 0;
const DST_PORT = 2;
const TAG = 4;
const CHECKSUM = 8;
/** Within a chunk. */
const FLAGS = 1;
const LENGTH = 2;
const VALUE = 4;

const RECEIVER_WINDOW = 106_496;
const STREAMS_OUT = 10;
const STREAMS_IN = 0xffff;
/** Where every end begins to count what it sends; the kernel draws it at random. */
const INITIAL_TSN = 1;

const COOKIE = 7;
/** Behind an INIT: takes IPv4 and IPv6 addresses; knows ECN; knows FORWARD_TSN (RFC 3758). */
const ADDRESS_TYPES = [0x00, 0x0c, 0x00, 0x08, 0x00, 0x05, 0x00, 0x06];
const ABILITIES = [0x80, 0x00, 0x00, 0x04, 0xc0, 0x00, 0x00, 0x04];

/** Bytes before a DATA chunk's user data; of others all of them. */
export function sctpHeaderLength({ chunk }: Packet): number {
  return SCTP_HEADER + chunkLength(chunk);
}

/** Writes header and chunk; user data stands behind them already, up to `end`. */
export function encodeSctp(packet: Packet, bytes: Uint8Array, at: number, end: number): void {
  const { chunk, payload } = packet;
  write16(bytes, at + SRC_PORT, packet.sport);
  write16(bytes, at + DST_PORT, packet.dport);
  write32(bytes, at + TAG, packet.ack);
  write32(bytes, at + CHECKSUM, 0);
  const head = at + SCTP_HEADER;
  bytes[head] = chunk;
  bytes[head + FLAGS] = chunkFlags(packet);
  write16(bytes, head + LENGTH, chunkLength(chunk) + payload);
  const value = head + VALUE;
  switch (chunk) {
    case SCTP_DATA:
      write32(bytes, value, packet.seq);
      bytes.fill(0, value + 4, value + 12);
      break;
    case SCTP_INIT:
    case SCTP_INIT_ACK:
      encodeInit(packet, bytes, value);
      break;
    case SCTP_SACK:
      write32(bytes, value, packet.seq);
      write32(bytes, value + 4, RECEIVER_WINDOW);
      write32(bytes, value + 8, 0);
      break;
    case SCTP_SHUTDOWN:
      write32(bytes, value, packet.seq);
      break;
  }
  // What fills the last word up is zero.
  const data = head + chunkLength(chunk) + payload;
  if (payload > 0 && data < end) bytes.fill(0, data, end);
  // Its bytes go the other way round than all other numbers (RFC 9260 6.8).
  const sum = crc32c(bytes, at, end);
  for (let i = 0; i < 4; i++) bytes[at + CHECKSUM + i] = (sum >>> (8 * i)) & 0xff;
}

function encodeInit({ chunk, seq }: Packet, bytes: Uint8Array, at: number): void {
  write32(bytes, at, seq);
  write32(bytes, at + 4, RECEIVER_WINDOW);
  write16(bytes, at + 8, STREAMS_OUT);
  write16(bytes, at + 10, STREAMS_IN);
  write32(bytes, at + 12, INITIAL_TSN);
  const parameters = at + 16;
  if (chunk === SCTP_INIT) {
    bytes.set([...ADDRESS_TYPES, ...ABILITIES], parameters);
    return;
  }
  const cookie = chunkLength(SCTP_INIT_ACK) - VALUE - 16 - ABILITIES.length;
  write16(bytes, parameters, COOKIE);
  write16(bytes, parameters + 2, cookie);
  bytes.set(ABILITIES, parameters + cookie);
}

/** @param room bytes from here to the packet's end */
export function decodeSctp(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  room: number,
  extent: Extent,
): WireFault | null {
  const short = tooShort(bytes, at, extent === "quoted" ? CHECKSUM : SCTP_HEADER, "an SCTP header");
  if (short !== null) return short;
  packet.sport = read16(bytes, at + SRC_PORT);
  packet.dport = read16(bytes, at + DST_PORT);
  packet.ack = read32(bytes, at + TAG);
  const head = at + SCTP_HEADER;
  if (head + VALUE > bytes.length || room < SCTP_HEADER + VALUE) return null;
  packet.chunk = bytes[head] as number;
  const length = read16(bytes, head + LENGTH);
  if (length < VALUE) return fault(head + LENGTH, `an SCTP chunk of ${length} bytes is none`);
  if (HAS_NUMBER.has(packet.chunk) && head + VALUE + 4 <= bytes.length)
    packet.seq = read32(bytes, head + VALUE);
  if (packet.chunk === SCTP_DATA) packet.payload = Math.max(0, length - chunkLength(SCTP_DATA));
  return null;
}

/** Chunks that begin with a tag or a number of what is sent. */
const HAS_NUMBER: ReadonlySet<number> = new Set([
  SCTP_DATA,
  SCTP_INIT,
  SCTP_INIT_ACK,
  SCTP_SACK,
  SCTP_SHUTDOWN,
]);
