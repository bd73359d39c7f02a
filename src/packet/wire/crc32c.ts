/** CRC32c (RFC 9260 appendix A): Castagnoli's polynomial, bits in reverse. */
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ ((value & 1) === 0 ? 0 : 0x82f63b78);
  return value;
});

/** Unsigned. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let value = -1;
  for (let at = from; at < to; at++)
    value = (TABLE[(value ^ (bytes[at] as number)) & 0xff] as number) ^ (value >>> 8);
  return ~value >>> 0;
}
