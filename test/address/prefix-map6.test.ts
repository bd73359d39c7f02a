import fc from "fast-check";
import { expect, it } from "vitest";
import { internIpv6, network6, samePrefix6 } from "../../src/address/ip6-handle.ts";
import { PrefixMap6 } from "../../src/address/prefix-map6.ts";

/** Few different words, so that prefixes nest, touch and repeat; the ends of the range among them. */
const WORD = fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff);
const ADDRESS = fc.tuple(WORD, WORD, WORD, WORD).map((words) => internIpv6(words));
const PREFIX = fc
  .tuple(ADDRESS, fc.oneof(fc.integer({ min: 0, max: 128 }), fc.constantFrom(0, 1, 31, 32, 33, 64, 127, 128)))
  .map(([address, length]) => ({ address: network6(address, length), length }));

it("finds the first of the longest prefixes, as a scan does", () => {
  fc.assert(
    fc.property(
      fc.array(PREFIX, { maxLength: 30 }),
      fc.array(ADDRESS, { maxLength: 30 }),
      (prefixes, more) => {
        const map = new PrefixMap6(prefixes);
        for (const address of [...more, ...prefixes.map((prefix) => prefix.address)]) {
          let longest = -1;
          for (const [i, prefix] of prefixes.entries()) {
            if (!samePrefix6(address, prefix.address, prefix.length)) continue;
            if (longest < 0 || prefix.length > (prefixes[longest]?.length ?? 0)) longest = i;
          }
          expect(map.lookup(address)).toBe(longest);
        }
      },
    ),
  );
});
