import fc from "fast-check";
import { expect, it } from "vitest";
import { hsiphash } from "../../../src/kernel/ipvs/scheduler/hsiphash.ts";

const MASK = (1n << 64n) - 1n;
const rol = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & MASK;

/** SipHash-1-3 as its authors write it, on 64-bit numbers. */
function sipHash13(word: number, key: bigint): number {
  let v0 = 0x736f6d6570736575n ^ key;
  let v1 = 0x646f72616e646f6dn ^ key;
  let v2 = 0x6c7967656e657261n ^ key;
  let v3 = 0x7465646279746573n ^ key;
  const round = (): void => {
    v0 = (v0 + v1) & MASK;
    v1 = rol(v1, 13n) ^ v0;
    v0 = rol(v0, 32n);
    v2 = (v2 + v3) & MASK;
    v3 = rol(v3, 16n) ^ v2;
    v0 = (v0 + v3) & MASK;
    v3 = rol(v3, 21n) ^ v0;
    v2 = (v2 + v1) & MASK;
    v1 = rol(v1, 17n) ^ v2;
    v2 = rol(v2, 32n);
  };
  const block = (4n << 56n) | BigInt(word >>> 0);
  v3 ^= block;
  round();
  v0 ^= block;
  v2 ^= 0xffn;
  for (let i = 0; i < 3; i++) round();
  return Number((v0 ^ v1 ^ v2 ^ v3) & 0xffffffffn);
}

it("two halves give what 64 bits give", () => {
  fc.assert(
    fc.property(fc.integer({ min: -0x80000000, max: 0x7fffffff }), fc.nat(0xffffffff), (word, key) => {
      expect(hsiphash(word, key)).toBe(sipHash13(word, BigInt(key)));
    }),
    { numRuns: 300 },
  );
});
