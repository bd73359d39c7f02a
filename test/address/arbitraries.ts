import fc from "fast-check";
import type { Ipv6Words } from "../../src/address/ipv6.ts";
import type { Prefix4 } from "../../src/address/prefix.ts";
import type { Prefix6 } from "../../src/address/prefix6.ts";

/** Any 32 bits, with the ends of ranges made likely. */
export const ipv4 = (): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.constantFrom(0, -1, 1, -2, 2 ** 31 - 1, -(2 ** 31), 10 << 24, 127 << 24),
  );

export const prefix4 = (): fc.Arbitrary<Prefix4> =>
  fc.record({ address: ipv4(), length: fc.integer({ min: 0, max: 32 }) });

const word = () => fc.oneof(fc.constant(0), fc.nat(0xffff), fc.integer({ min: 0, max: 0xffff_ffff }));

/** Any four words, with runs of zeros made likely. */
export const ipv6 = (): fc.Arbitrary<Ipv6Words> =>
  fc.oneof(
    fc.tuple(word(), word(), word(), word()),
    fc.tuple(fc.constant(0), fc.constant(0), fc.constantFrom(0, 0xffff), word()),
  );

export const prefix6 = (): fc.Arbitrary<Prefix6> =>
  fc.record({ address: ipv6(), length: fc.integer({ min: 0, max: 128 }) });

/** The 128 bits as the oracles count them. */
export function bigintOf(words: Ipv6Words): bigint {
  return words.reduce((value, word) => (value << 32n) | BigInt(word), 0n);
}
