import { ELEMENT_DELETED, ELEMENT_PRESENT } from "../ipset/element-table.ts";
import type { MatchCells } from "../netfilter/rule-context.ts";
import type { ElementIndex } from "./compile/element-index.ts";
import type { NftRun } from "./compile/nft-run.ts";
import type { CompiledNft } from "./compile/nft-table.ts";
import type { Memory } from "./compile/stateful.ts";
import { NFT_CONTINUE } from "./compile/verdict.ts";
import type { NftSetLayer, NftSetState } from "./nft-set-state.ts";
import type { NftSet } from "./ruleset.ts";

/** A set as one host has it: what was configured, and what packets made of it. */
export class LiveSet {
  readonly index: ElementIndex;
  /** null: an anonymous one, which packets cannot change. */
  readonly plain: NftSet | null;
  /** `family table name`. */
  readonly name: string;
  /** When its elements' time began, milliseconds. */
  readonly metAt: number;
  layer: NftSetLayer | null;

  constructor(
    index: ElementIndex,
    plain: NftSet | null,
    name: string,
    metAt: number,
    layer: NftSetLayer | null,
  ) {
    this.index = index;
    this.plain = plain;
    this.name = name;
    this.metAt = metAt;
    this.layer = layer;
  }
}

/**
 * The nftables sets of one host and what packets did to them (net/netfilter/nft_set_hash.c, nft_dynset.c, nft_lookup.c).
 * This is code that runs per packet, but for the making of it and of layers.
 */
export class HostNftSets {
  private readonly state: NftSetState;
  private readonly live: readonly (readonly LiveSet[])[];
  // what `find` found
  private foundIndex: ElementIndex | null = null;
  private foundElement = -1;
  private foundLayer: NftSetLayer | null = null;
  private foundSlot = -1;
  private readonly cells = new SlotCells();

  constructor(compiled: CompiledNft | null, state: NftSetState, now: number) {
    this.state = state;
    this.live = (compiled?.tables ?? []).map(({ plain, sets }) =>
      plain.sets.map((set, place) => {
        const name = `${plain.family} ${plain.name} ${set.name}`;
        const index = sets[place] as ElementIndex;
        return new LiveSet(index, set, name, state.met(index, now), state.layer(name));
      }),
    );
  }

  /** A table's set by its place. */
  at(table: number, place: number): LiveSet {
    return (this.live[table] as readonly LiveSet[])[place] as LiveSet;
  }

  /** Is there an element of the key in registers? What it holds is then read by the functions behind. */
  find(set: LiveSet, regs: Int32Array, at: number, now: number): boolean {
    const { layer, index } = set;
    if (layer !== null) {
      const { table, layout } = layer;
      const slot = table.find(regs, at);
      if (slot >= 0) {
        const expires = table.get(slot, layout.expires);
        const there = table.get(slot, layout.state) === ELEMENT_PRESENT && (expires === 0 || expires > now);
        this.foundIndex = index;
        this.foundElement = index.elements.length === 0 ? -1 : index.find(regs, at);
        this.foundLayer = layer;
        this.foundSlot = slot;
        return there;
      }
    }
    const element = index.find(regs, at);
    if (element < 0 || isOver(set, element, now)) return false;
    this.foundIndex = index;
    this.foundElement = element;
    this.foundLayer = null;
    return true;
  }

  /** The verdict of the element found: one that was configured, since packets put none in. */
  foundVerdict(): number {
    return this.foundIndex?.verdicts[this.foundElement] ?? 0;
  }

  /** Symbol of the chain that its verdict goes to. */
  foundTarget(): number {
    return this.foundIndex?.targets[this.foundElement] ?? -1;
  }

  /** Words of the values that the set found holds. */
  foundDataWords(): number {
    return this.foundIndex?.dataWords ?? 0;
  }

  /** Put the value of the element found into registers; a range's end behind its beginning. */
  readData(regs: Int32Array, to: number): void {
    const index = this.foundIndex;
    const layer = this.foundLayer;
    if (layer === null && index !== null) {
      const words = index.dataWords * 2;
      const from = this.foundElement * words;
      for (let i = 0; i < words; i++) regs[to + i] = index.data[from + i] as number;
      return;
    }
    if (layer === null) return;
    const { table, layout } = layer;
    const words = layout.dataWords;
    for (let i = 0; i < words; i++) {
      const word = table.get(this.foundSlot, layout.data + i);
      regs[to + i] = word;
      regs[to + words + i] = word;
    }
  }

  /**
   * `nft_set_elem_update_expr`: ask what the element found remembers.
   *
   * @param at where its key stands in registers
   * @returns NFT_CONTINUE, or NFT_BREAK where its limit or quota says no
   */
  askFound(set: LiveSet, run: NftRun, at: number): number {
    if (this.foundLayer === null) {
      if ((set.index.memories?.[this.foundElement] ?? null) === null) return NFT_CONTINUE;
      this.moveToLayer(set, run.regs, at);
    }
    const layer = this.foundLayer as NftSetLayer;
    const memory = layer.memoryOf(this.foundSlot);
    return memory === null ? NFT_CONTINUE : memory(this.cells.of(layer, this.foundSlot), 0, run);
  }

  /** A configured element that begins to remember has a slot of its own. */
  private moveToLayer(set: LiveSet, regs: Int32Array, at: number): void {
    const layer = this.layerOf(set);
    const { table, layout } = layer;
    const slot = table.place(regs, at);
    table.set(slot, layout.state, ELEMENT_PRESENT);
    table.set(slot, layout.expires, expiryOf(set, this.foundElement));
    this.copyData(layer, slot);
    layer.setMemory(slot, set.index.memories?.[this.foundElement] ?? null);
    this.foundLayer = layer;
    this.foundSlot = slot;
  }

  /**
   * `nft_dynset_eval` for `add` and `update`: put the key in, or renew it; it is then the element found.
   *
   * @param dataAt where the value stands in registers, -1 for a set
   * @param timeoutMs null: the set's own
   * @param memory what a new element remembers by
   * @returns false where the set is full
   */
  put(
    set: LiveSet,
    regs: Int32Array,
    at: number,
    dataAt: number,
    timeoutMs: number | null,
    memory: Memory | null,
    renew: boolean,
    now: number,
  ): boolean {
    const there = this.find(set, regs, at, now);
    const timeout = timeoutMs ?? set.plain?.timeoutMs ?? 0;
    const expires = timeout === 0 ? 0 : now + timeout;
    if (there) {
      // An element that was configured keeps its own time unless it is renewed.
      if (!renew || timeout === 0) return true;
      if (this.foundLayer === null) this.moveToLayer(set, regs, at);
      this.foundLayer?.table.set(this.foundSlot, this.foundLayer.layout.expires, expires);
      return true;
    }
    const size = set.plain?.size ?? null;
    if (size !== null && this.count(set, now) >= size) return false;
    const layer = this.layerOf(set);
    const { table, layout } = layer;
    const slot = table.place(regs, at);
    table.set(slot, layout.state, ELEMENT_PRESENT);
    table.set(slot, layout.expires, expires);
    if (dataAt >= 0) {
      for (let i = 0; i < layout.dataWords; i++) table.set(slot, layout.data + i, regs[dataAt + i] as number);
    }
    layer.setMemory(slot, memory);
    this.foundIndex = set.index;
    this.foundElement = -1;
    this.foundLayer = layer;
    this.foundSlot = slot;
    return true;
  }

  /** `delete @set { key }`. */
  remove(set: LiveSet, regs: Int32Array, at: number, now: number): void {
    if (!this.find(set, regs, at, now)) return;
    const { table, layout } = this.layerOf(set);
    const slot = this.foundLayer === null ? table.place(regs, at) : this.foundSlot;
    table.set(slot, layout.state, ELEMENT_DELETED);
    // `nft_rhash_delete` marks it dead; the sweep takes it out (`nft_rhash_gc`).
    const before = table.get(slot, layout.deadUntil) > now ? table.get(slot, layout.dead) : 0;
    table.set(slot, layout.dead, before + 1);
    table.set(slot, layout.deadUntil, now + sweepInterval(set));
  }

  private copyData(layer: NftSetLayer, slot: number): void {
    const index = this.foundIndex;
    if (index === null) return;
    const { table, layout } = layer;
    const from = this.foundElement * index.dataWords * 2;
    for (let i = 0; i < layout.dataWords; i++) {
      table.set(slot, layout.data + i, index.data[from + i] as number);
    }
  }

  private layerOf(set: LiveSet): NftSetLayer {
    set.layer ??= this.state.makeLayer(set.name, set.index.keyWords, set.index.dataWords);
    return set.layer;
  }

  /** Elements that take room: those there now, and those gone since the last sweep. */
  private count(set: LiveSet, now: number): number {
    let count = 0;
    const { layer, index } = set;
    for (let element = 0; element < index.elements.length; element++) {
      if (!isOver(set, element, now)) count++;
    }
    if (layer === null) return count;
    const { table, layout } = layer;
    const key = new Int32Array(layout.keyWords);
    for (const slot of table.slots()) {
      const expires = table.get(slot, layout.expires);
      const there = table.get(slot, layout.state) === ELEMENT_PRESENT && (expires === 0 || expires > now);
      table.readKey(slot, key);
      const element = index.find(key, 0);
      const wasThere = element >= 0 && !isOver(set, element, now);
      if (there && !wasThere) count++;
      if (!there && wasThere) count--;
      if (table.get(slot, layout.deadUntil) > now) count += table.get(slot, layout.dead);
    }
    return count;
  }
}

/** The memory of one element of a layer. */
class SlotCells implements MatchCells {
  private layer: NftSetLayer | null = null;
  private slot = 0;

  of(layer: NftSetLayer, slot: number): this {
    this.layer = layer;
    this.slot = slot;
    return this;
  }

  get(index: number): number {
    const layer = this.layer as NftSetLayer;
    return layer.table.get(this.slot, layer.layout.memory + index);
  }

  set(index: number, value: number): void {
    const layer = this.layer as NftSetLayer;
    layer.table.set(this.slot, layer.layout.memory + index, value);
  }
}

/** How often the kernel sweeps a set (`nft_set_gc_interval`): every second, unless the set says otherwise. */
function sweepInterval({ plain }: LiveSet): number {
  return plain?.gcIntervalMs ?? 1000;
}

/** When a configured element runs out, 0 never. */
function expiryOf(set: LiveSet, element: number): number {
  const after = set.index.expires?.[element] ?? 0;
  return after === 0 ? 0 : set.metAt + after;
}

function isOver(set: LiveSet, element: number, now: number): boolean {
  const { expires } = set.index;
  if (expires === null) return false;
  const after = expires[element] as number;
  return after !== 0 && set.metAt + after <= now;
}
