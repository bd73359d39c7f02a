/**
 * `hsiphash_1u32` of a 64-bit kernel (lib/siphash.c): SipHash-1-3 of four bytes, the low 32 bits of the result. 64-bit words
 * are held as two halves, so that nothing is allocated.
 *
 * @param key both 64-bit halves of the key, alike, below 2³²
 */
export function hsiphash(word: number, key: number): number {
  // v0 = "somepseu", v1 = "dorandom", v2 = "lygenera", v3 = "tedbytes", each with its half of the key
  v0h = 0x736f6d65;
  v0l = 0x70736575 ^ key;
  v1h = 0x646f7261;
  v1l = 0x6e646f6d ^ key;
  v2h = 0x6c796765;
  v2l = 0x6e657261 ^ key;
  v3h = 0x74656462;
  v3l = 0x79746573 ^ key;
  const bh = 4 << 24;
  const bl = word | 0;
  v3h ^= bh;
  v3l ^= bl;
  round();
  v0h ^= bh;
  v0l ^= bl;
  v2l ^= 0xff;
  round();
  round();
  round();
  return (v0l ^ v1l ^ v2l ^ v3l) >>> 0;
}

let v0h = 0;
let v0l = 0;
let v1h = 0;
let v1l = 0;
let v2h = 0;
let v2l = 0;
let v3h = 0;
let v3l = 0;

/** SIPROUND, its additions with carry written out. */
function round(): void {
  let low: number;
  let half: number;
  // v0 += v1; v1 = rol(v1, 13) ^ v0; v0 = rol(v0, 32)
  low = (v0l >>> 0) + (v1l >>> 0);
  v0h = (v0h + v1h + (low > 0xffffffff ? 1 : 0)) | 0;
  v0l = low | 0;
  half = (v1h << 13) | (v1l >>> 19);
  v1l = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
  v1h = half ^ v0h;
  half = v0h;
  v0h = v0l;
  v0l = half;
  // v2 += v3; v3 = rol(v3, 16) ^ v2
  low = (v2l >>> 0) + (v3l >>> 0);
  v2h = (v2h + v3h + (low > 0xffffffff ? 1 : 0)) | 0;
  v2l = low | 0;
  half = (v3h << 16) | (v3l >>> 16);
  v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
  v3h = half ^ v2h;
  // v0 += v3; v3 = rol(v3, 21) ^ v0
  low = (v0l >>> 0) + (v3l >>> 0);
  v0h = (v0h + v3h + (low > 0xffffffff ? 1 : 0)) | 0;
  v0l = low | 0;
  half = (v3h << 21) | (v3l >>> 11);
  v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
  v3h = half ^ v0h;
  // v2 += v1; v1 = rol(v1, 17) ^ v2; v2 = rol(v2, 32)
  low = (v2l >>> 0) + (v1l >>> 0);
  v2h = (v2h + v1h + (low > 0xffffffff ? 1 : 0)) | 0;
  v2l = low | 0;
  half = (v1h << 17) | (v1l >>> 15);
  v1l = ((v1l << 17) | (v1h >>> 15)) ^ v2l;
  v1h = half ^ v2h;
  half = v2h;
  v2h = v2l;
  v2l = half;
}
