import type { Fraction } from "../walk/trace.ts";

/** Beyond this a fraction says less than its percentage. */
const READABLE_DENOMINATOR = 100n;

/** `1/3`, or `22.4 %` where nobody would read the fraction. */
export function oddsText(odds: Fraction): string {
  const num = BigInt(odds.num);
  const den = BigInt(odds.den);
  if (den === 1n) return num === 1n ? "always" : String(num);
  return den <= READABLE_DENOMINATOR ? `${num}/${den}` : percent(num, den);
}

/** Three digits that count, never rounded to 0 % or 100 %. */
function percent(num: bigint, den: bigint): string {
  const share = Number((num * 10n ** 15n) / den) / 1e13;
  if (share < 0.0001) return "< 0.0001 %";
  if (share > 99.99) return "> 99.99 %";
  return `${Number(share.toPrecision(3))} %`;
}

export function sumOdds(parts: readonly Fraction[]): Fraction {
  let num = 0n;
  let den = 1n;
  for (const part of parts) {
    num = num * BigInt(part.den) + BigInt(part.num) * den;
    den *= BigInt(part.den);
    const divisor = gcd(num, den);
    if (divisor > 1n) {
      num /= divisor;
      den /= divisor;
    }
  }
  return { num: String(num), den: String(den) };
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
