import { Cells, type Journal } from "./journal.ts";

/** Nothing found: no value of a `PairMap` may be this. */
export const ABSENT = -0x80000000;

/** Words of a slot: the two keys, the value, and what the slot is. */
const WORDS = 4;
const STATE = 3;
const EMPTY = 0;
const LIVE = 1;
/** Deleted: a search goes on behind it. */
const TOMB = 2;

/**
 * A hash map from two integers to one, by open addressing in journaled cells. This is code that runs per packet.
 */
export class PairMap {
  private readonly cells: Cells;
  /** cell 0: live entries, cell 1: slots in use, tombs included */
  private readonly counts: Cells;
  private mask: number;
  private readonly journal: Journal;

  constructor(journal: Journal, capacity = 8) {
    this.journal = journal;
    this.cells = new Cells(journal, capacity * WORDS);
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
      const at = slot * WORDS;
      const state = data[at + STATE];
      if (state === EMPTY) return ABSENT;
      if (state === LIVE && data[at] === a && data[at + 1] === b) return data[at + 2] as number;
      slot = (slot + 1) & mask;
    }
  }

  set(a: number, b: number, value: number): void {
    const cells = this.cells;
    let slot = hash(a, b) & this.mask;
    let tomb = -1;
    for (;;) {
      const at = slot * WORDS;
      const state = cells.data[at + STATE];
      if (state === EMPTY) break;
      if (state === TOMB) {
        if (tomb < 0) tomb = slot;
      } else if (cells.data[at] === a && cells.data[at + 1] === b) {
        cells.set(at + 2, value);
        return;
      }
      slot = (slot + 1) & this.mask;
    }
    const at = (tomb < 0 ? slot : tomb) * WORDS;
    cells.set(at, a);
    cells.set(at + 1, b);
    cells.set(at + 2, value);
    cells.set(at + STATE, LIVE);
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
      const at = slot * WORDS;
      const state = data[at + STATE];
      if (state === EMPTY) return;
      if (state === LIVE && data[at] === a && data[at + 1] === b) {
        this.cells.set(at + STATE, TOMB);
        this.counts.set(0, this.size - 1);
        return;
      }
      slot = (slot + 1) & this.mask;
    }
  }

  /** Every entry, in no particular order. */
  forEach(visit: (a: number, b: number, value: number) => void): void {
    const data = this.cells.data;
    for (let at = 0; at < data.length; at += WORDS) {
      if (data[at + STATE] === LIVE)
        visit(data[at] as number, data[at + 1] as number, data[at + 2] as number);
    }
  }

  clear(): void {
    this.cells.replace(new Int32Array(this.cells.data.length));
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
    const fresh = new Int32Array(capacity * WORDS);
    this.cells.replace(fresh);
    this.mask = capacity - 1;
    for (let from = 0; from < old.length; from += WORDS) {
      if (old[from + STATE] !== LIVE) continue;
      let slot = hash(old[from] as number, old[from + 1] as number) & this.mask;
      while (fresh[slot * WORDS + STATE] !== EMPTY) slot = (slot + 1) & this.mask;
      const to = slot * WORDS;
      for (let word = 0; word < WORDS; word++) fresh[to + word] = old[from + word] as number;
    }
    this.counts.set(1, this.size);
  }
}

function hash(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  // Signed: an unsigned result may need a heap number.
  return h ^ (h >>> 13);
}
