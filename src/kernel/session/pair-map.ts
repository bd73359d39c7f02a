import { Cells, type Journal } from "./journal.ts";

/** Nothing found: no value of a `PairMap` may be this. */
export const ABSENT = -0x80000000;

const EMPTY = -0x80000000;
const TOMB = -0x7fffffff;

/**
 * A hash map from two integers to one, by open addressing in journaled cells. This is code that runs per packet.
 * The third cell of a slot holds the value, or EMPTY, or TOMB.
 */
export class PairMap {
  private readonly cells: Cells;
  /** cell 0: live entries, cell 1: slots in use, tombs included */
  private readonly counts: Cells;
  private mask: number;
  private readonly journal: Journal;

  constructor(journal: Journal, capacity = 8) {
    this.journal = journal;
    this.cells = new Cells(journal, capacity * 3);
    this.cells.data.fill(EMPTY);
    this.counts = new Cells(journal, 2);
    this.mask = capacity - 1;
  }

  get size(): number {
    return this.counts.data[0] as number;
  }

  get(a: number, b: number): number {
    const data = this.cells.data;
    const mask = this.mask;
    let slot = hash(a, b) & mask;
    for (;;) {
      const at = slot * 3;
      const value = data[at + 2] as number;
      if (value === EMPTY) return ABSENT;
      if (value !== TOMB && data[at] === a && data[at + 1] === b) return value;
      slot = (slot + 1) & mask;
    }
  }

  set(a: number, b: number, value: number): void {
    const cells = this.cells;
    let slot = hash(a, b) & this.mask;
    let tomb = -1;
    for (;;) {
      const at = slot * 3;
      const held = cells.data[at + 2] as number;
      if (held === EMPTY) break;
      if (held === TOMB) {
        if (tomb < 0) tomb = slot;
      } else if (cells.data[at] === a && cells.data[at + 1] === b) {
        cells.set(at + 2, value);
        return;
      }
      slot = (slot + 1) & this.mask;
    }
    const at = (tomb < 0 ? slot : tomb) * 3;
    cells.set(at, a);
    cells.set(at + 1, b);
    cells.set(at + 2, value);
    this.counts.set(0, this.size + 1);
    if (tomb < 0) {
      this.counts.set(1, (this.counts.data[1] as number) + 1);
      if ((this.counts.data[1] as number) * 4 > (this.mask + 1) * 3) this.rebuild();
    }
  }

  delete(a: number, b: number): void {
    const data = this.cells.data;
    let slot = hash(a, b) & this.mask;
    for (;;) {
      const at = slot * 3;
      const held = data[at + 2] as number;
      if (held === EMPTY) return;
      if (held !== TOMB && data[at] === a && data[at + 1] === b) {
        this.cells.set(at + 2, TOMB);
        this.counts.set(0, this.size - 1);
        return;
      }
      slot = (slot + 1) & this.mask;
    }
  }

  /** Every entry, in no particular order. */
  forEach(visit: (a: number, b: number, value: number) => void): void {
    const data = this.cells.data;
    for (let at = 0; at < data.length; at += 3) {
      const value = data[at + 2] as number;
      if (value !== EMPTY && value !== TOMB) visit(data[at] as number, data[at + 1] as number, value);
    }
  }

  clear(): void {
    const fresh = new Int32Array(this.cells.data.length).fill(EMPTY);
    this.cells.replace(fresh);
    this.counts.set(0, 0);
    this.counts.set(1, 0);
  }

  private rebuild(): void {
    const old = this.cells.data;
    const oldMask = this.mask;
    this.journal.undo(() => {
      this.mask = oldMask;
    });
    const capacity = (oldMask + 1) * (this.size * 2 > oldMask ? 2 : 1);
    const fresh = new Int32Array(capacity * 3).fill(EMPTY);
    this.cells.replace(fresh);
    this.mask = capacity - 1;
    for (let at = 0; at < old.length; at += 3) {
      const value = old[at + 2] as number;
      if (value === EMPTY || value === TOMB) continue;
      let slot = hash(old[at] as number, old[at + 1] as number) & this.mask;
      while (fresh[slot * 3 + 2] !== EMPTY) slot = (slot + 1) & this.mask;
      fresh[slot * 3] = old[at] as number;
      fresh[slot * 3 + 1] = old[at + 1] as number;
      fresh[slot * 3 + 2] = value;
    }
    this.counts.set(1, this.size);
  }
}

function hash(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}
