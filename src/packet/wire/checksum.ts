import { word6 } from "../../address/ip6-handle.ts";
import type { Packet } from "../packet.ts";
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

/** What the pseudo-header adds (RFC 9293 3.1, RFC 768, RFC 8200 8.1): addresses, protocol, length of header and payload. */
export function pseudoHeader(
  { family, src, dst }: Pick<Packet, "family" | "src" | "dst">,
  protocol: number,
  length: number,
): number {
  if (family !== 6) return halves(src) + halves(dst) + protocol + length;
  let sum = protocol + length;
  for (let i = 0; i < 4; i++) sum += halves(word6(src, i)) + halves(word6(dst, i));
  return sum;
}

function halves(word: number): number {
  return (word >>> 16) + (word & 0xffff);
}
