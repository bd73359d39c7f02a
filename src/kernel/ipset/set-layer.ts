import { Cells, type Journal } from "../session/journal.ts";
import { asNetOnly, type CompiledSet, HUNDREDTHS, KEY_WORDS, LENGTHS, listsDevice } from "./compiled-set.ts";
import {
  ELEMENT_DELETED,
  ELEMENT_FILLED,
  ELEMENT_NOMATCH,
  ELEMENT_PRESENT,
  ElementTable,
} from "./element-table.ts";

/**
 * What packets did to one set of a host: elements added, taken out, counted or renewed, journaled, above the elements of
 * the World's set. A slot here hides the one below.
 */
export class SetLayer {
  readonly base: CompiledSet;
  readonly table: ElementTable;
  /** As `CompiledSet.lengthCounts`, with what the layer changes. */
  readonly lengthCounts: Cells;
  /** cell 0: elements in all, those below included */
  private readonly count: Cells;
  private readonly key = new Int32Array(KEY_WORDS);

  constructor(base: CompiledSet, journal: Journal) {
    this.base = base;
    this.table = new ElementTable(base.layout, journal, 4);
    this.lengthCounts = new Cells(journal, 2 * LENGTHS);
    this.lengthCounts.data.set(base.lengthCounts);
    this.count = new Cells(journal, 1);
    this.count.data[0] = base.plain.entries.length;
  }

  get size(): number {
    return this.count.data[0] as number;
  }

  /** An element's slot in the layer, begun with what the set below keeps with it. */
  own(key: Int32Array): number {
    const { layout } = this.base;
    const known = this.table.find(key);
    if (known >= 0) return known;
    const slot = this.table.place(key);
    const below = this.base.table.find(key);
    if (below >= 0) {
      for (let column = layout.keyWords; column < layout.stride; column++) {
        this.table.set(slot, column, this.base.table.get(below, column));
      }
    }
    return slot;
  }

  /** Put an element in, or take it out, and keep the counts. Its timeout and counters are the caller's to set. */
  write(key: Int32Array, state: number): number {
    const { base, table } = this;
    const { layout } = base;
    const slot = this.own(key);
    const was = (table.get(slot, layout.state) & ELEMENT_PRESENT) !== 0;
    const is = (state & ELEMENT_PRESENT) !== 0;
    table.set(slot, layout.state, state);
    if (was !== is) {
      const by = is ? 1 : -1;
      this.count.set(0, this.size + by);
      this.countLengths(key, by);
      if (base.hasIface && listsDevice(layout, key)) this.countNet(key, by);
    }
    // A net's own slot may have made the table grow.
    return base.hasIface ? table.find(key) : slot;
  }

  private countLengths(key: Int32Array, by: number): void {
    if (!this.base.hasNets) return;
    const lengths = key[this.base.layout.lengths] as number;
    for (const at of [lengths & 0xff, LENGTHS + ((lengths >> 8) & 0xff)]) {
      this.lengthCounts.set(at, (this.lengthCounts.data[at] as number) + by);
    }
  }

  private countNet(key: Int32Array, by: number): void {
    const { layout } = this.base;
    this.key.set(key);
    asNetOnly(layout, this.key);
    const slot = this.own(this.key);
    const count = this.table.get(slot, layout.count) + by;
    this.table.set(slot, layout.count, count);
    this.table.set(slot, layout.state, count > 0 ? ELEMENT_PRESENT : ELEMENT_DELETED);
  }

  /** The same layer above a changed set: what the change put in or took out is no longer the layer's. */
  moveTo(base: CompiledSet, journal: Journal): SetLayer {
    const moved = new SetLayer(base, journal);
    const { layout } = this.base;
    const key = this.key;
    for (const slot of this.table.slots()) {
      this.table.readKey(slot, key);
      if (layout.count >= 0 && this.table.get(slot, layout.count) > 0) continue;
      if (stateBelow(this.base, key) !== stateBelow(base, key)) continue;
      const state = this.table.get(slot, layout.state);
      const to = moved.write(key, state);
      for (let column = layout.keyWords; column < layout.stride; column++) {
        moved.table.set(to, column, this.table.get(slot, column));
      }
    }
    return moved;
  }

  /** Entries that came with a change of the set run out so long after it, not after the session's begin. */
  startTimeouts(before: CompiledSet | null, jiffies: number): void {
    const { base, key } = this;
    for (const entry of base.plain.entries) {
      if (entry.timeout === null || entry.timeout === 0) continue;
      base.keyOf(entry, key);
      if (before !== null && before.table.find(key) >= 0) continue;
      const slot = this.own(key);
      this.table.set(slot, base.layout.expires, jiffies + entry.timeout * HUNDREDTHS);
    }
  }
}

function stateBelow(set: CompiledSet, key: Int32Array): number {
  const slot = set.table.find(key);
  if (slot < 0) return 0;
  return set.table.get(slot, set.layout.state) & (ELEMENT_PRESENT | ELEMENT_NOMATCH | ELEMENT_FILLED);
}
