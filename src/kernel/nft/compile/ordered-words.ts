/** Values of several words held in the order of their unsigned values: signed words with the sign flipped. */

export const FLIP = 0x80000000 | 0;

/** For sorting. */
export function compareWords(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number) ? -1 : 1;
  }
  return 0;
}

/** A key in registers against flipped words. Runs per packet. */
export function comparedTo(
  regs: Int32Array,
  at: number,
  words: Int32Array,
  place: number,
  count: number,
): number {
  for (let i = 0; i < count; i++) {
    const value = (regs[at + i] as number) ^ FLIP;
    const other = words[place + i] as number;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

/** The last of some rising numbers that is not above a value. Runs per packet. */
export function lastAtMost(numbers: Int32Array, value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
