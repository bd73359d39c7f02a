import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../../src/address/ipv4.ts";
import { jhashAddress, jhashWords } from "../../../src/kernel/nat/jhash.ts";
import { ElementIndex } from "../../../src/kernel/nft/compile/element-index.ts";
import type { NftExpression, SetElements } from "../../../src/kernel/nft/expression.ts";
import { plainElement } from "../../../src/kernel/nft/expression.ts";

/** Finding an element, against asking one after the other. */

interface Bounds {
  readonly from: number;
  readonly to: number;
}

const word = fc.oneof(
  fc.integer({ min: 0, max: 12 }),
  fc.constantFrom(0x7fffffff, 0x80000000, 0xffffffff),
  fc.nat(0xffffffff),
);
const bounds: fc.Arbitrary<Bounds> = fc
  .tuple(word, word, fc.boolean())
  .map(([a, b, single]) => (single ? { from: a, to: a } : { from: Math.min(a, b), to: Math.max(a, b) }));

function part({ from, to }: Bounds): NftExpression {
  const constant = (value: number) => ({ kind: "constant", type: "mark", value }) as const;
  return from === to ? constant(from) : { kind: "range", from: constant(from), to: constant(to) };
}

function elementsOf(keys: readonly (readonly Bounds[])[]): SetElements {
  return keys.map((parts) =>
    plainElement(parts.length === 1 ? part(parts[0] as Bounds) : { kind: "concat", parts: parts.map(part) }),
  );
}

function matches(key: readonly Bounds[], words: readonly number[]): boolean {
  return key.every(({ from, to }, i) => (words[i] as number) >= from && (words[i] as number) <= to);
}

function find(index: ElementIndex, words: readonly number[]): number {
  return index.find(Int32Array.from([9, 9, ...words.map((each) => each | 0)]), 2);
}

describe("a set's elements", () => {
  it("single keys are found where they are", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(word, word), { selector: (pair) => pair.join(), maxLength: 30 }),
        fc.tuple(word, word),
        (keys, asked) => {
          const index = new ElementIndex(
            elementsOf(keys.map((pair) => pair.map((value) => ({ from: value, to: value })))),
            ["mark", "mark"],
            null,
          );
          const expected = keys.findIndex((key) => key.join() === asked.join());
          expect(find(index, asked)).toBe(expected);
          for (const [i, key] of keys.entries()) expect(find(index, key)).toBe(i);
        },
      ),
    );
  });

  it("intervals that do not meet are found by any value in them", () => {
    fc.assert(
      fc.property(fc.array(bounds, { maxLength: 12 }), fc.array(word, { minLength: 1 }), (all, asked) => {
        const apart: Bounds[] = [];
        for (const each of all) {
          if (apart.every((other) => each.to < other.from || each.from > other.to)) apart.push(each);
        }
        const index = new ElementIndex(elementsOf(apart.map((each) => [each])), ["mark"], null);
        for (const value of [...asked, ...apart.flatMap(({ from, to }) => [from, to])]) {
          expect(find(index, [value])).toBe(apart.findIndex((each) => matches([each], [value])));
        }
      }),
    );
  });

  it("of intervals that overlap, which nft joins, any value in any of them is found", () => {
    fc.assert(
      fc.property(fc.array(bounds, { minLength: 1, maxLength: 12 }), word, (list, asked) => {
        const keys = list.map((each) => [each]);
        const index = new ElementIndex(elementsOf(keys), ["mark"], null);
        expect(find(index, [asked]) >= 0).toBe(keys.some((key) => matches(key, [asked])));
      }),
    );
  });

  it("concatenations with ranges: the first that matches", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(bounds, bounds, bounds), { maxLength: 15 }),
        fc.array(fc.tuple(word, word, word), { minLength: 1 }),
        (keys, asked) => {
          const index = new ElementIndex(elementsOf(keys), ["mark", "mark", "mark"], null);
          const corners = keys.map((key) => key.map(({ to }) => to));
          for (const words of [...asked, ...corners]) {
            expect(find(index, words)).toBe(keys.findIndex((key) => matches(key, words)));
          }
        },
      ),
    );
  });

  it("ranges of IPv6 addresses, alone and in concatenations, go by whole addresses", () => {
    const few = fc.constantFrom(0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff);
    const address = fc.tuple(few, few, few, few);
    const text = (words: readonly number[]): string =>
      words.flatMap((each) => [each >>> 16, each & 0xffff].map((half) => half.toString(16))).join(":");
    const order = (a: readonly number[], b: readonly number[]): number => {
      const at = a.findIndex((each, i) => each !== b[i]);
      return at < 0 ? 0 : (a[at] as number) - (b[at] as number);
    };
    const range = fc
      .tuple(address, address)
      .map(([a, b]): readonly [readonly number[], readonly number[]] => (order(a, b) <= 0 ? [a, b] : [b, a]));
    const constant = (words: readonly number[]) =>
      ({ kind: "constant", type: "ipv6_addr", value: text(words) }) as const;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(range, bounds), { maxLength: 8 }),
        fc.array(fc.tuple(address, word), { minLength: 1 }),
        (keys, asked) => {
          const elements = keys.map(([[from, to], mark]) =>
            plainElement({
              kind: "concat",
              parts: [{ kind: "range", from: constant(from), to: constant(to) }, part(mark)],
            }),
          );
          const index = new ElementIndex(elements, ["ipv6_addr", "mark"], null);
          const corners = keys.map(([[, to], mark]) => [to, mark.from] as const);
          for (const [words, mark] of [...asked, ...corners]) {
            const expected = keys.findIndex(
              ([[from, to], { from: low, to: high }]) =>
                order(from, words) <= 0 && order(words, to) <= 0 && mark >= low && mark <= high,
            );
            expect(find(index, [...words, mark])).toBe(expected);
          }
        },
      ),
    );
  });

  it("* is what nothing else is", () => {
    const index = new ElementIndex(
      [...elementsOf([[{ from: 5, to: 9 }]]), plainElement({ kind: "any" })],
      ["mark"],
      null,
    );
    expect([4, 5, 9, 10].map((value) => find(index, [value]))).toEqual([1, 0, 0, 1]);
  });

  it("addresses of both halves of the space are in order", () => {
    const address = (value: number): NftExpression => ({
      kind: "constant",
      type: "ipv4_addr",
      value: value | 0,
    });
    const range: NftExpression = {
      kind: "range",
      from: address(0x7f000000) as never,
      to: address(0xc0000000) as never,
    };
    const index = new ElementIndex([plainElement(range)], ["ipv4_addr"], null);
    for (const [value, found] of [
      [0x7effffff, -1],
      [0x7f000000, 0],
      [0x80000001, 0],
      [0xc0000000, 0],
      [0xc0000001, -1],
    ] as const) {
      expect([formatIpv4(value | 0), find(index, [value])]).toEqual([formatIpv4(value | 0), found]);
    }
  });
});

describe("jhash", () => {
  it("of sixteen bytes is what translation uses of an address", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (value, initval) => {
        expect(jhashWords(Int32Array.from([value, 0, 0, 0]), 0, 16, initval)).toBe(
          jhashAddress(value, initval),
        );
      }),
    );
  });
});
