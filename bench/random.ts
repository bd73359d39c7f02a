/** Numbers that look random and follow from a seed (mulberry32): the same rule sets and packets on every machine. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** 32 bits. */
  word(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** 0 … below 1. */
  unit(): number {
    return this.word() / 2 ** 32;
  }

  /** 0 … below `end`. */
  below(end: number): number {
    return Math.floor(this.unit() * end);
  }

  /** 0 … below `end`, but none of those taken before; it is taken then. */
  fresh(end: number, taken: Set<number>): number {
    if (taken.size >= end) throw new RangeError(`all ${end} numbers are taken`);
    for (;;) {
      const value = this.below(end);
      if (taken.has(value)) continue;
      taken.add(value);
      return value;
    }
  }
}
