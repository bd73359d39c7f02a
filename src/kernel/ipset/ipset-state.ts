import type { Journal } from "../session/journal.ts";
import { type CompiledSet, HUNDREDTHS } from "./compiled-set.ts";
import type { Ipset } from "./ipset.ts";
import { SetLayer } from "./set-layer.ts";

/** What packets changed in the sets of one host, by set. It outlives a change of the host's configuration. */
export class IpsetState {
  readonly journal: Journal;
  readonly layers = new Map<number, SetLayer>();
  /** The sets that the session saw last, by id; null before it saw any. */
  bound: ReadonlyMap<number, CompiledSet> | null = null;

  constructor(journal: Journal) {
    this.journal = journal;
  }

  /** Put the layers above these sets. */
  bind(sets: readonly CompiledSet[], now: number): void {
    const known = new Map(sets.map((set) => [set.id, set]));
    for (const [id, layer] of this.layers) {
      const set = known.get(id);
      if (set === undefined || !sameShape(set.plain, layer.base.plain)) this.layers.delete(id);
      else if (set !== layer.base) this.layers.set(id, layer.moveTo(set, this.journal));
    }
    if (this.bound !== null) {
      for (const set of sets) {
        const before = this.bound.get(set.id) ?? null;
        if (set.plain.timeout === null || set === before) continue;
        const same = before !== null && sameShape(set.plain, before.plain);
        this.layer(set).startTimeouts(same ? before : null, jiffiesOf(now));
      }
    }
    this.bound = known;
  }

  /** The layer above a set, made if need be. It stays, empty, if what made it is taken back: an empty one changes nothing. */
  layer(set: CompiledSet): SetLayer {
    let layer = this.layers.get(set.id);
    if (layer === undefined) {
      layer = new SetLayer(set, this.journal);
      this.layers.set(set.id, layer);
    }
    return layer;
  }
}

function sameShape(a: Ipset, b: Ipset): boolean {
  return (
    a.type === b.type &&
    a.timeout === b.timeout &&
    a.counters === b.counters &&
    a.skbinfo === b.skbinfo &&
    JSON.stringify(a.storage) === JSON.stringify(b.storage)
  );
}

/** The session's milliseconds in the unit of timeouts. */
export function jiffiesOf(now: number): number {
  return Math.floor((now * HUNDREDTHS) / 1000);
}
