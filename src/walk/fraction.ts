import type { Fraction } from "./trace.ts";

/** Exact odds: a reduced fraction of whole numbers. */
export class Odds {
  readonly num: bigint;
  readonly den: bigint;

  constructor(num: bigint, den: bigint, isReduced = false) {
    const divisor = isReduced ? 1n : gcd(num < 0n ? -num : num, den);
    this.num = divisor <= 1n ? num : num / divisor;
    this.den = divisor <= 1n ? den : den / divisor;
  }

  static readonly ONE = new Odds(1n, 1n);
  static readonly ZERO = new Odds(0n, 1n);

  static of(num: number, den: number): Odds {
    return new Odds(BigInt(num), BigInt(den));
  }

  times({ num, den }: Odds): Odds {
    if (num === 0n || this.num === 0n) return Odds.ZERO;
    // Both are reduced: only one's numerator and the other's denominator can share anything, which of a long product and a
    // short factor is soon known.
    const mine = gcd(this.num < 0n ? -this.num : this.num, den);
    const its = gcd(this.den, num < 0n ? -num : num);
    return new Odds((this.num / mine) * (num / its), (this.den / its) * (den / mine), true);
  }

  plus(other: Odds): Odds {
    return new Odds(this.num * other.den + other.num * this.den, this.den * other.den);
  }

  minus(other: Odds): Odds {
    return new Odds(this.num * other.den - other.num * this.den, this.den * other.den);
  }

  /** For ordering only. */
  toNumber(): number {
    if (this.den < LONG) return Number(this.num) / Number(this.den);
    // Both fit a double's range after shifting the common size away.
    const shift = BigInt(this.den.toString(16).length * 4 - 900);
    return Number(this.num >> shift) / Number(this.den >> shift);
  }

  toFraction(): Fraction {
    return { num: small(this.num), den: small(this.den) };
  }
}

/** What a double's range is sure to hold. */
const LONG = 2n ** 900n;

function small(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

function gcd(a: bigint, b: bigint): bigint {
  let x = a;
  let y = b;
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

const WHOLE = 2 ** 31;

/**
 * The odds a `statistic` threshold t stands for: 1/n where t is what 1/n rounds to for a whole n ≤ 65,536, as rule
 * generators mean it, else t/2³¹.
 */
export function thresholdOdds(threshold: number): Odds {
  if (threshold <= 0) return Odds.ZERO;
  if (threshold >= WHOLE) return Odds.ONE;
  const n = Math.round(WHOLE / threshold);
  // Printed with ten or eleven digits, a probability comes back within one part of what 1/n gives.
  if (n <= 65536 && Math.abs(Math.round(WHOLE / n) - threshold) <= 1) return Odds.of(1, n);
  return Odds.of(threshold, WHOLE);
}
