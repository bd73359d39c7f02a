/** Jenkins' hash as the kernel uses it to pick an address of a range (include/linux/jhash.h). */

const JHASH_INITVAL = 0xdeadbeef | 0;

function rol(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

const inetAddress = new Int32Array(4);

/** `jhash2` of an IPv4 address in a `union nf_inet_addr`: the word and three zeros. Runs per packet. */
export function jhashAddress(word: number, initval: number): number {
  return jhashAddress6(word, 0, 0, 0, initval);
}

/** The same of an IPv6 address. Runs per packet. */
export function jhashAddress6(a: number, b: number, c: number, d: number, initval: number): number {
  inetAddress[0] = a;
  inetAddress[1] = b;
  inetAddress[2] = c;
  inetAddress[3] = d;
  return jhashWords(inetAddress, 0, inetAddress.byteLength, initval);
}

/**
 * `jhash` of bytes that stand in words as a little-endian machine reads them, from `at` on. Runs per packet.
 *
 * @param length bytes
 * @returns unsigned
 */
export function jhashWords(words: Int32Array, at: number, length: number, initval: number): number {
  let a = (JHASH_INITVAL + length + initval) | 0;
  let b = a;
  let c = a;
  let place = at;
  let left = length;
  while (left > 12) {
    a = (a + (words[place] as number)) | 0;
    b = (b + (words[place + 1] as number)) | 0;
    c = (c + (words[place + 2] as number)) | 0;
    // __jhash_mix
    a = (a - c) ^ rol(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rol(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rol(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rol(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rol(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rol(b, 4);
    b = (b + a) | 0;
    place += 3;
    left -= 12;
  }
  if (left <= 0) return c >>> 0;
  a = (a + (words[place] as number)) | 0;
  if (left > 4) b = (b + (words[place + 1] as number)) | 0;
  if (left > 8) c = (c + (words[place + 2] as number)) | 0;
  // __jhash_final
  c = (c ^ b) - rol(b, 14);
  a = (a ^ c) - rol(c, 11);
  b = (b ^ a) - rol(a, 25);
  c = (c ^ b) - rol(b, 16);
  a = (a ^ c) - rol(c, 4);
  b = (b ^ a) - rol(a, 14);
  c = (c ^ b) - rol(b, 24);
  return c >>> 0;
}

/** The word as a little-endian machine reads an address in network order. */
export function swap32(word: number): number {
  return (word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24) | 0;
}

/** `reciprocal_scale`: a 32-bit hash to a number below `size`, by multiplication. */
export function reciprocalScale(hash: number, size: number): number {
  // Exact as long as the product stays below 2⁵³.
  if (size <= 0x100000) return Math.floor((hash * size) / 0x100000000);
  return Number((BigInt(hash) * BigInt(size)) >> 32n);
}
