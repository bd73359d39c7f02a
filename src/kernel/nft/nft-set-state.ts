import { ElementTable } from "../ipset/element-table.ts";
import type { Journal } from "../session/journal.ts";
import type { Memory } from "./compile/stateful.ts";

/** What packets did to one set: elements put in, renewed and taken out, by the words of their keys. */
export class NftSetLayer {
  readonly table: ElementTable<LayerLayout>;
  readonly layout: LayerLayout;
  /** What elements remember by: a slot names one by its place here, from 1. */
  private readonly memories: Memory[] = [];

  constructor(layout: LayerLayout, journal: Journal) {
    this.layout = layout;
    this.table = new ElementTable(layout, journal, 8);
  }

  /** Give a slot what it is to remember by, from the beginning. One that was taken back leaves its name, which says nothing. */
  setMemory(slot: number, memory: Memory | null): void {
    const { layout, table } = this;
    let place = memory === null ? 0 : this.memories.indexOf(memory) + 1;
    if (memory !== null && place === 0) place = this.memories.push(memory);
    table.set(slot, layout.kind, place);
    for (let i = layout.memory; i < layout.dead; i++) table.set(slot, i, 0);
  }

  /** null: the element remembers nothing. */
  memoryOf(slot: number): Memory | null {
    return this.memories[this.table.get(slot, this.layout.kind) - 1] ?? null;
  }
}

/** Which word of a layer's slot is which. */
class LayerLayout {
  readonly keyWords: number;
  /** `ELEMENT_*`, 0 in an empty slot. */
  readonly state: number;
  /** Milliseconds of the session's clock, 0 never. */
  readonly expires: number;
  readonly data: number;
  readonly dataWords: number;
  /** Which limit or quota the element has, if any, and what that remembers. */
  readonly kind: number;
  readonly memory: number;
  /** How many deleted elements of this key still take room, and until when: they do until the set is swept. */
  readonly dead: number;
  readonly deadUntil: number;
  readonly stride: number;

  constructor(keyWords: number, dataWords: number) {
    this.keyWords = keyWords;
    this.state = keyWords;
    this.expires = keyWords + 1;
    this.data = keyWords + 2;
    this.dataWords = dataWords;
    this.kind = this.data + dataWords;
    this.memory = this.kind + 1;
    this.dead = this.memory + MEMORY_WORDS;
    this.deadUntil = this.dead + 1;
    this.stride = this.deadUntil + 1;
  }
}

/** Words that a limit or a quota remembers by. */
export const MEMORY_WORDS = 5;

/** The sets of one host as packets changed them: it outlives a change of the configuration, by the sets' names. */
export class NftSetState {
  private readonly journal: Journal;
  private readonly layers = new Map<string, NftSetLayer>();
  /** When a version of a set was first met, in milliseconds: its elements' time runs from there. */
  private readonly metAt = new WeakMap<object, number>();

  constructor(journal: Journal) {
    this.journal = journal;
  }

  /** null: no packet changed the set. */
  layer(name: string): NftSetLayer | null {
    return this.layers.get(name) ?? null;
  }

  /** The layer of a set, made if need be: an empty one says nothing, so that it need not be taken back. */
  makeLayer(name: string, keyWords: number, dataWords: number): NftSetLayer {
    const known = this.layers.get(name);
    if (known !== undefined && known.layout.keyWords === keyWords && known.layout.dataWords === dataWords) {
      return known;
    }
    const layer = new NftSetLayer(new LayerLayout(keyWords, dataWords), this.journal);
    this.layers.set(name, layer);
    this.journal.undo(() => {
      if (known === undefined) this.layers.delete(name);
      else this.layers.set(name, known);
    });
    return layer;
  }

  met(version: object, now: number): number {
    const at = this.metAt.get(version);
    if (at !== undefined) return at;
    this.metAt.set(version, now);
    return now;
  }
}
