import { type Ip6, word6 } from "./ip6-handle.ts";

/** A prefix of IPv6; `address` with host bits cleared. */
interface Prefix6OnPath {
  readonly address: Ip6;
  /** 0–128. */
  readonly length: number;
}

/**
 * Longest-prefix match for IPv6: of all prefixes that contain an address, the first of the longest. Prefixes nest or lie apart,
 * so that their bounds cut the addresses into at most 2n + 1 ranges, each with one answer: look-up is a binary search
 * among the bounds. Runs per packet: integers only, nothing allocated.
 */
export class PrefixMap6 {
  /** By range: the four words of its first address, the sign bit flipped so that signed comparison is unsigned. */
  private readonly bounds: Int32Array;
  /** By range: the index of its prefix, -1 for none. */
  private readonly values: Int32Array;

  /** Values are the places of the prefixes in the list. */
  constructor(prefixes: readonly Prefix6OnPath[]) {
    const order = prefixes.map((_, i) => i);
    const startOf = (i: number): Words => wordsOf((prefixes[i] as Prefix6OnPath).address);
    const lengthOf = (i: number): number => (prefixes[i] as Prefix6OnPath).length;
    // Outer before inner; of equal prefixes the first of the list comes first, and the others are skipped.
    order.sort((a, b) => compare(startOf(a), startOf(b)) || lengthOf(a) - lengthOf(b) || a - b);
    const bounds: Words[] = [[MIN, MIN, MIN, MIN]];
    const values = [-1];
    const begin = (at: Words, value: number): void => {
      if (compare(bounds[bounds.length - 1] as Words, at) === 0) values[values.length - 1] = value;
      else {
        bounds.push(at);
        values.push(value);
      }
    };
    const open: { readonly index: number; readonly after: Words | null }[] = [];
    const closeUpTo = (at: Words | null): void => {
      for (let last = open[open.length - 1]; last !== undefined; last = open[open.length - 1]) {
        if (last.after === null || (at !== null && compare(last.after, at) > 0)) return;
        open.pop();
        begin(last.after, open[open.length - 1]?.index ?? -1);
      }
    };
    let before = -1;
    for (const index of order) {
      const start = startOf(index);
      const length = lengthOf(index);
      if (before >= 0 && compare(startOf(before), start) === 0 && lengthOf(before) === length) continue;
      before = index;
      closeUpTo(start);
      begin(start, index);
      open.push({ index, after: endOf(start, length) });
    }
    closeUpTo(null);
    this.bounds = Int32Array.from(bounds.flat());
    this.values = Int32Array.from(values);
  }

  /** The place of the longest prefix that contains the address, -1 if none does. */
  lookup(address: Ip6): number {
    const { bounds } = this;
    const a = word6(address, 0) ^ MIN;
    const b = word6(address, 1) ^ MIN;
    const c = word6(address, 2) ^ MIN;
    const d = word6(address, 3) ^ MIN;
    let low = 0;
    let high = this.values.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const at = middle * 4;
      const differing =
        (bounds[at] as number) !== a
          ? (bounds[at] as number) < a
          : (bounds[at + 1] as number) !== b
            ? (bounds[at + 1] as number) < b
            : (bounds[at + 2] as number) !== c
              ? (bounds[at + 2] as number) < c
              : (bounds[at + 3] as number) <= d;
      if (differing) low = middle;
      else high = middle;
    }
    return this.values[low] as number;
  }
}

type Words = readonly [number, number, number, number];

const MIN = -0x8000_0000;

function wordsOf(address: Ip6): Words {
  return [word6(address, 0) ^ MIN, word6(address, 1) ^ MIN, word6(address, 2) ^ MIN, word6(address, 3) ^ MIN];
}

function compare(one: Words, other: Words): number {
  for (let i = 0; i < 4; i++) {
    const differing = (one[i] as number) - (other[i] as number);
    if (differing !== 0) return differing;
  }
  return 0;
}

/** The first address behind a prefix, null where it reaches the last of all. */
function endOf(start: Words, length: number): Words | null {
  const words = [...start];
  for (let i = length === 0 ? -1 : (length - 1) >>> 5; i >= 0; i--) {
    const step = i === (length - 1) >>> 5 ? 2 ** (31 - ((length - 1) & 31)) : 1;
    const sum = ((words[i] as number) ^ MIN) >>> 0;
    const next = sum + step;
    words[i] = (next | 0) ^ MIN;
    if (next < 2 ** 32) return words as unknown as Words;
  }
  return null;
}
