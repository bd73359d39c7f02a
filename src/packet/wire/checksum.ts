import { read16 } from "./big-endian.ts";

/**
 * The Internet checksum (RFC 1071): the one's complement of the one's complement sum of all 16-bit words, an odd last byte
 * being the upper half of a word. Over bytes that hold their own right checksum it is zero.
 */
export function checksum(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  let total = sum;
  let at = from;
  for (; at + 1 < to; at += 2) total += read16(bytes, at);
  if (at < to) total += (bytes[at] as number) << 8;
  // Folded at the end: a frame's words do not add up beyond what a number holds exactly.
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return ~total & 0xffff;
}

/** What the pseudo-header adds (RFC 9293 3.1, RFC 768): addresses, protocol, length of header and payload. */
export function pseudoHeader(src: number, dst: number, protocol: number, length: number): number {
  return (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + protocol + length;
}
