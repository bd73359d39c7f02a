import { headerLength, IPPROTO_SCTP, type Packet } from "./packet.ts";

/**
 * SCTP's chunks (RFC 9260 3.2). A packet here carries one; Linux too bundles nothing into a handshake whose client has
 * nothing to say yet.
 */

export const SCTP_DATA = 0;
export const SCTP_INIT = 1;
export const SCTP_INIT_ACK = 2;
export const SCTP_SACK = 3;
export const SCTP_HEARTBEAT = 4;
export const SCTP_HEARTBEAT_ACK = 5;
export const SCTP_ABORT = 6;
export const SCTP_SHUTDOWN = 7;
export const SCTP_SHUTDOWN_ACK = 8;
export const SCTP_ERROR = 9;
export const SCTP_COOKIE_ECHO = 10;
export const SCTP_COOKIE_ACK = 11;
export const SCTP_SHUTDOWN_COMPLETE = 14;

/** By number, as `-m sctp --chunk-types` writes them; those of RFC 9260 and its extensions. */
export const CHUNK_NAMES: ReadonlyMap<number, string> = new Map([
  [SCTP_DATA, "DATA"],
  [SCTP_INIT, "INIT"],
  [SCTP_INIT_ACK, "INIT_ACK"],
  [SCTP_SACK, "SACK"],
  [SCTP_HEARTBEAT, "HEARTBEAT"],
  [SCTP_HEARTBEAT_ACK, "HEARTBEAT_ACK"],
  [SCTP_ABORT, "ABORT"],
  [SCTP_SHUTDOWN, "SHUTDOWN"],
  [SCTP_SHUTDOWN_ACK, "SHUTDOWN_ACK"],
  [SCTP_ERROR, "ERROR"],
  [SCTP_COOKIE_ECHO, "COOKIE_ECHO"],
  [SCTP_COOKIE_ACK, "COOKIE_ACK"],
  [12, "ECN_ECNE"],
  [13, "ECN_CWR"],
  [SCTP_SHUTDOWN_COMPLETE, "SHUTDOWN_COMPLETE"],
  [64, "I_DATA"],
  [128, "ASCONF_ACK"],
  [130, "RE_CONFIG"],
  [132, "PAD"],
  [192, "FORWARD_TSN"],
  [193, "ASCONF"],
  [194, "I_FORWARD_TSN"],
]);

/** First and last of a message: the flags of a DATA chunk that holds one whole. */
const WHOLE_MESSAGE = 3;

/** The common header: ports, verification tag, checksum. */
export const SCTP_HEADER = 12;

/** Bytes of the cookie that Linux packs into its INIT_ACK, as captures show it. */
const COOKIE_BYTES = 228;

/**
 * Bytes of a chunk before its user data. An INIT is as Linux sends it from one address: supported address types, ECN, and
 * FORWARD_TSN; an INIT_ACK holds the cookie instead of the first.
 */
const CHUNK_BYTES: ReadonlyMap<number, number> = new Map([
  [SCTP_DATA, 16],
  [SCTP_INIT, 36],
  [SCTP_INIT_ACK, 28 + 4 + COOKIE_BYTES],
  [SCTP_SACK, 16],
  [SCTP_SHUTDOWN, 8],
  [SCTP_COOKIE_ECHO, 4 + COOKIE_BYTES],
]);

export function chunkLength(chunk: number): number {
  return CHUNK_BYTES.get(chunk) ?? 4;
}

export function chunkFlags({ chunk }: Pick<Packet, "chunk">): number {
  return chunk === SCTP_DATA ? WHOLE_MESSAGE : 0;
}

/** Make a packet one of SCTP with one chunk; user data is filled up to whole words. */
export function fillChunk(packet: Packet, chunk: number, payload: number): void {
  packet.protocol = IPPROTO_SCTP;
  packet.chunk = chunk;
  packet.payload = payload;
  packet.df = true;
  packet.length = headerLength(packet) + SCTP_HEADER + chunkLength(chunk) + ((payload + 3) & ~3);
}

/** The tag that an end asks to be called by. The kernel draws it at random; this is one representative, never zero. */
export function initiateTag(port: number, peerPort: number): number {
  return (Math.imul(port + 1, 0x9e3779b1) ^ Math.imul(peerPort + 1, 0x85ebca77)) | 1;
}
