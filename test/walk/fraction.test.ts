import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Odds, thresholdOdds } from "../../src/walk/fraction.ts";

const odds = () =>
  fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** 80n }), fc.bigInt({ min: 1n, max: 2n ** 80n }))
    .map(([a, b]) => new Odds(a, b));

/** Two fractions are one number: their cross products are equal. */
function same(a: Odds, b: Odds): boolean {
  return a.num * b.den === b.num * a.den;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

describe("odds are exact", () => {
  it("and always reduced", () => {
    fc.assert(
      fc.property(odds(), odds(), (a, b) => {
        for (const one of [a, a.plus(b), a.times(b)]) expect(gcd(one.num, one.den)).toBe(1n);
      }),
    );
  });

  it("sums and products keep the laws of arithmetic", () => {
    fc.assert(
      fc.property(odds(), odds(), odds(), (a, b, c) => {
        expect(same(a.plus(b), b.plus(a))).toBe(true);
        expect(same(a.plus(b).plus(c), a.plus(b.plus(c)))).toBe(true);
        expect(same(a.times(b), b.times(a))).toBe(true);
        expect(same(a.times(b.plus(c)), a.times(b).plus(a.times(c)))).toBe(true);
        expect(same(a.plus(b).minus(b), a)).toBe(true);
        expect(same(a.times(Odds.ONE), a)).toBe(true);
        expect(a.minus(a).num).toBe(0n);
      }),
    );
  });

  it("a sum over many small parts is one, whatever the order", () => {
    const third = Odds.of(1, 3);
    let whole = Odds.ZERO;
    for (let i = 0; i < 81; i++) whole = whole.plus(third.times(third).times(third).times(third));
    expect([whole.num, whole.den]).toEqual([1n, 1n]);
  });

  it("and are ordered as the numbers they are, even beyond what a double holds", () => {
    fc.assert(
      fc.property(odds(), odds(), (a, b) => {
        const exact = a.num * b.den - b.num * a.den;
        const shown = a.toNumber() - b.toNumber();
        if (Math.abs(shown) > 1e-9 * Math.max(a.toNumber(), b.toNumber())) expect(shown > 0).toBe(exact > 0n);
      }),
    );
    let small = Odds.ONE;
    for (let i = 0; i < 40; i++) small = small.times(new Odds(1n, 2n ** 31n));
    expect(small.toNumber()).toBeGreaterThanOrEqual(0);
    expect(small.plus(Odds.of(1, 2)).toNumber()).toBeCloseTo(0.5, 12);
  });

  it.each([
    [1n, 3n, { num: 1, den: 3 }],
    [2n, 4n, { num: 1, den: 2 }],
    [0n, 7n, { num: 0, den: 1 }],
    [1n, 2n ** 53n - 1n, { num: 1, den: 2 ** 53 - 1 }],
    [1n, 2n ** 53n, { num: 1, den: "9007199254740992" }],
    [2n ** 62n + 1n, 2n ** 62n + 3n, { num: "4611686018427387905", den: "4611686018427387907" }],
  ])("%s/%s is written %j: decimal text beyond 2⁵³", (num, den, expected) => {
    expect(new Odds(num, den).toFraction()).toEqual(expected);
  });
});

const WHOLE = 2 ** 31;

describe("the odds of a statistic threshold", () => {
  it("are 1/n for what 1/n rounds to, for every n to which that is a threshold of its own", () => {
    // Above √2³¹ neighbours round to the same threshold.
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 46_340 }), (n) => {
        const { num, den } = thresholdOdds(Math.round(WHOLE / n));
        expect([num, den]).toEqual([1n, BigInt(n)]);
      }),
      { numRuns: 2000 },
    );
  });

  it("are 1/m with the same threshold for n up to 65536", () => {
    fc.assert(
      fc.property(fc.integer({ min: 46_341, max: 65_536 }), (n) => {
        const threshold = Math.round(WHOLE / n);
        const { num, den } = thresholdOdds(threshold);
        expect(num).toBe(1n);
        expect(Math.round(WHOLE / Number(den))).toBe(threshold);
      }),
      { numRuns: 2000 },
    );
  });

  it("are 1/n for 1/n as rule generators print it, with ten digits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), (n) => {
        const { num, den } = thresholdOdds(Math.round(WHOLE * Number((1 / n).toFixed(10))));
        expect([num, den]).toEqual([1n, BigInt(n)]);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    [0, 0n, 1n],
    [-1, 0n, 1n],
    [WHOLE, 1n, 1n],
    [WHOLE + 5, 1n, 1n],
    [2 ** 30, 1n, 2n],
    [715_827_883, 1n, 3n],
    [1_610_612_736, 3n, 4n],
    [644_245_094, 322122547n, 1073741824n],
    [32_768, 1n, 65_536n],
    [1000, 125n, 268435456n],
    [1, 1n, 2147483648n],
  ])("%d is %s/%s", (threshold, num, den) => {
    const found = thresholdOdds(threshold);
    expect([found.num, found.den]).toEqual([num, den]);
  });
});
