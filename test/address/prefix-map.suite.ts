import fc from "fast-check";
import { Netmask } from "netmask";
import { describe, expect, it } from "vitest";
import { formatIpv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { formatPrefix4, parsePrefix4 } from "../../src/address/prefix.ts";
import type { PrefixEntry4, PrefixMap4 } from "../../src/address/prefix-map.ts";
import { ipv4, prefix4 } from "./arbitraries.ts";

/** Prefixes that nest and touch: few networks, all lengths. */
export const entries = (maxLength = 40): fc.Arbitrary<PrefixEntry4[]> =>
  fc
    .array(
      fc.oneof(
        prefix4(),
        fc.record({
          address: fc.constantFrom(0x0a000000, 0x0a010203, 0x0a0102ff, 0xc0a80000 | 0, -1),
          length: fc.integer({ min: 0, max: 32 }),
        }),
      ),
      { maxLength },
    )
    .map((prefixes) => prefixes.map((prefix, value) => ({ prefix, value })));

/** Addresses at and around the given prefixes, and one from anywhere. */
export function probesOf(list: readonly PrefixEntry4[], anywhere: number): number[] {
  return [
    anywhere,
    ...list.flatMap(({ prefix: { address } }) => [address, (address - 1) | 0, (address + 1) | 0]),
  ];
}

/** What every PrefixMap4 promises. */
export function prefixMapSuite(name: string, create: () => PrefixMap4): void {
  const build = (list: readonly PrefixEntry4[]) => {
    const map = create();
    for (const { prefix, value } of list) map.insert(prefix, value);
    return map;
  };
  const ip = (text: string) => parseIpv4(text) as number;
  const of = (...texts: string[]) =>
    build(texts.map((text, value) => ({ prefix: parsePrefix4(text) as PrefixEntry4["prefix"], value })));

  describe(name, () => {
    it.each([
      ["nothing", [], "10.0.0.1", -1],
      ["only other prefixes", ["10.0.0.0/8"], "11.0.0.0", -1],
      ["the default route", ["0.0.0.0/0"], "203.0.113.9", 0],
      ["the default route behind a longer one", ["0.0.0.0/0", "10.0.0.0/8"], "10.255.255.255", 1],
      ["a longer prefix given first", ["10.1.0.0/16", "10.0.0.0/8"], "10.1.2.3", 0],
      ["a longer prefix given last", ["10.0.0.0/8", "10.1.0.0/16"], "10.1.2.3", 1],
      ["two lengths in one step of eight", ["10.0.0.0/9", "10.0.0.0/12"], "10.15.255.255", 1],
      ["just past the longer of them", ["10.0.0.0/9", "10.0.0.0/12"], "10.16.0.0", 0],
      ["a host route", ["10.0.0.0/24", "10.0.0.7/32"], "10.0.0.7", 1],
      ["a neighbour of a host route", ["10.0.0.0/24", "10.0.0.7/32"], "10.0.0.8", 0],
      ["a deep prefix that does not match, over a short one", ["10.0.0.0/8", "10.1.1.0/24"], "10.1.2.1", 0],
      ["the same prefix twice: the later", ["10.0.0.0/8", "10.0.0.0/8"], "10.0.0.0", 1],
      ["the same prefix with other host bits", ["10.0.0.0/8", "10.9.9.9/8"], "10.0.0.0", 1],
      ["the upper half of the address space", ["128.0.0.0/1", "255.255.255.255/32"], "255.255.255.255", 1],
    ])("%s", (_, prefixes, address, value) => {
      expect(of(...prefixes).lookup(ip(address))).toBe(value);
    });

    it("counts a prefix once", () => {
      expect(of("10.0.0.0/8", "10.0.0.0/16", "10.1.1.1/8", "0.0.0.0/0").size).toBe(3);
    });

    it.each([-1, 1.5, Number.NaN])("a value of %s is a mistake", (value) => {
      expect(() => create().insert({ address: 0, length: 0 }, value)).toThrow(RangeError);
    });

    it("a longer prefix wins, as netmask sees containment", () => {
      fc.assert(
        fc.property(entries(12), ipv4(), (list, anywhere) => {
          const map = build(list);
          const blocks = list.map(({ prefix, value }) => ({
            value,
            length: prefix.length,
            block: new Netmask(formatPrefix4(prefix)),
          }));
          for (const address of probesOf(list, anywhere)) {
            const expected = blocks
              .filter(({ block }) => block.contains(formatIpv4(address)))
              .reduce((best, entry) => (entry.length >= best.length ? entry : best), {
                value: -1,
                length: -1,
              });
            expect(map.lookup(address)).toBe(expected.value);
          }
        }),
      );
    });

    it("the order of different prefixes does not matter", () => {
      fc.assert(
        fc.property(entries(), ipv4(), (list, anywhere) => {
          const last = new Map(
            list.map((entry) => [new Netmask(formatPrefix4(entry.prefix)).toString(), entry]),
          );
          const forwards = build([...last.values()]);
          const backwards = build([...last.values()].reverse());
          for (const address of probesOf(list, anywhere)) {
            expect(backwards.lookup(address)).toBe(forwards.lookup(address));
          }
        }),
      );
    });
  });
}
