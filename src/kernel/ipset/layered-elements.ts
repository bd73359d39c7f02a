import type { CompiledSet } from "./compiled-set.ts";
import { ELEMENT_DELETED, ELEMENT_FILLED, ELEMENT_PRESENT, type ElementTable } from "./element-table.ts";
import type { IpsetEntry } from "./ipset.ts";
import { type IpsetState, jiffiesOf } from "./ipset-state.ts";
import type { SetLayer } from "./set-layer.ts";

/**
 * The elements of one set on one host: those configured, and above them the layer of what packets changed, made with the
 * first change. This is code that runs per packet.
 */
export class LayeredElements {
  readonly set: CompiledSet;
  private readonly state: IpsetState;
  private layer: SetLayer | null;
  // what `locate` found
  protected foundTable: ElementTable;
  protected foundSlot = -1;

  constructor(set: CompiledSet, state: IpsetState) {
    this.set = set;
    this.state = state;
    this.layer = state.layers.get(set.id) ?? null;
    this.foundTable = set.table;
  }

  /** The entry that was found last, as it was listed, for the marks it carries; null where a packet put it in. */
  entryFound(): IpsetEntry | null {
    const { layout, plain } = this.set;
    if (layout.entry < 0) return null;
    return plain.entries[this.foundTable.get(this.foundSlot, layout.entry) - 1] ?? null;
  }

  /** How many elements have each prefix length. */
  protected lengths(): Int32Array {
    return this.layer?.lengthCounts.data ?? this.set.lengthCounts;
  }

  /** Is there room for one more? What has run out makes some. */
  protected hasRoom(key: Int32Array, now: number): boolean {
    const { storage } = this.set.plain;
    if (storage.kind !== "hash") return true;
    const layer = this.ownLayer();
    if (layer.size < storage.maxelem) return true;
    if (this.set.layout.expires >= 0) this.collect(layer, key, now);
    return layer.size < storage.maxelem;
  }

  /** `mtype_gc`: take out what has run out. */
  private collect(layer: SetLayer, key: Int32Array, now: number): void {
    const { layout } = this.set;
    const kept = Int32Array.from(key);
    for (const table of [this.set.table, layer.table]) {
      for (const slot of [...table.slots()]) {
        table.readKey(slot, key);
        const isNet = layout.count >= 0 && table.get(slot, layout.count) > 0;
        if (!isNet && this.locate(key) && this.isExpired(now)) layer.write(key, ELEMENT_DELETED);
      }
    }
    key.set(kept);
  }

  protected isUnfilled(): boolean {
    const { mac, state } = this.set.layout;
    return mac >= 0 && (this.foundTable.get(this.foundSlot, state) & ELEMENT_FILLED) === 0;
  }

  /** Of the element found. */
  protected isExpired(now: number): boolean {
    const { layout } = this.set;
    if (layout.expires < 0) return false;
    const expires = this.foundTable.get(this.foundSlot, layout.expires);
    if (expires === 0 || jiffiesOf(now) <= expires) return false;
    // The time of an address without a MAC has not begun.
    return layout.mac < 0 || !this.isUnfilled();
  }

  /** Find the element of the key, in the layer or below it. */
  protected locate(key: Int32Array): boolean {
    const { layer, set } = this;
    if (layer !== null) {
      const slot = layer.table.find(key);
      if (slot >= 0) {
        this.foundTable = layer.table;
        this.foundSlot = slot;
        return (layer.table.get(slot, set.layout.state) & ELEMENT_PRESENT) !== 0;
      }
    }
    this.foundTable = set.table;
    this.foundSlot = set.table.find(key);
    return this.foundSlot >= 0;
  }

  protected ownLayer(): SetLayer {
    this.layer ??= this.state.layer(this.set);
    return this.layer;
  }
}
