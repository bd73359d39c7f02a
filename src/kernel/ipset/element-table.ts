import { Cells, type Journal } from "../session/journal.ts";
import { dimensionsOf, familyOf, type Ipset } from "./ipset.ts";

/**
 * Where the words of an element lie in its slot: first its key, then what is kept with it. A column that a set does not
 * have is -1. The key of `10.0.0.0/8,tcp:80,1.2.3.4` is the two addresses, `protocol << 16 | port`, and the two lengths.
 */
export class ElementLayout {
  /** Words of an address: 1, or 4 in a set of IPv6. */
  readonly addressWords: 1 | 4;
  readonly address: number;
  /** The second address, or the mark, MAC, interface or member's name. */
  readonly second: number;
  readonly port: number;
  /** Lengths of both prefixes, eight bits each, and `IFACE_*`. */
  readonly lengths: number;
  readonly keyWords: number;
  /** 0 in an empty slot, else `ELEMENT_*`. */
  readonly state: number;
  /** Hundredths of a second of the session's clock, 0 never. */
  readonly expires: number;
  /** Low word; the high one is next to it. */
  readonly packets: number;
  readonly bytes: number;
  /** bitmap:ip,mac: the MAC of an element that has one. */
  readonly mac: number;
  /** hash:net,iface: of a net's own slot, how many interfaces are listed with it. */
  readonly count: number;
  /** Place in the plain set's entries, from 1; 0: put in by a packet. */
  readonly entry: number;
  readonly stride: number;

  constructor(set: Ipset) {
    const dimensions: readonly string[] = dimensionsOf(set.type);
    let at = 0;
    const take = (words: number): number => {
      const start = words === 0 ? -1 : at;
      at += words;
      return start;
    };
    const addresses = dimensions.filter((dimension) => dimension === "ip" || dimension === "net").length;
    const isBitmapMac = set.type === "bitmap:ip,mac";
    const isNamed = dimensions.some((each) => ["mark", "iface", "mac", "set"].includes(each));
    this.addressWords = familyOf(set) === 6 ? 4 : 1;
    this.address = take(addresses === 0 ? 0 : this.addressWords);
    this.second = take(addresses === 2 ? this.addressWords : isNamed && !isBitmapMac ? 1 : 0);
    this.port = take(dimensions.includes("port") ? 1 : 0);
    this.lengths = take(dimensions.includes("net") ? 1 : 0);
    this.keyWords = at;
    this.state = take(1);
    this.expires = take(set.timeout === null ? 0 : 1);
    this.packets = take(set.counters ? 2 : 0);
    this.bytes = take(set.counters ? 2 : 0);
    this.mac = take(isBitmapMac ? 1 : 0);
    this.count = take(dimensions.includes("iface") ? 1 : 0);
    this.entry = take(set.skbinfo ? 1 : 0);
    this.stride = at;
  }
}

export const ELEMENT_PRESENT = 1;
/** In a layer: taken out of the set below. */
export const ELEMENT_DELETED = 2;
export const ELEMENT_NOMATCH = 4;
/** bitmap:ip,mac: its MAC is known. */
export const ELEMENT_FILLED = 8;

export const IFACE_WILDCARD = 1 << 16;
export const IFACE_PHYSDEV = 1 << 17;
/** In the place of an interface: the net's own slot. */
export const IFACE_ANY = -1;

/** What a table of elements must know of its slots. */
export interface SlotLayout {
  readonly keyWords: number;
  readonly state: number;
  readonly stride: number;
}

/** Elements by open addressing in journaled cells; none is ever removed. This is code that runs per packet. */
export class ElementTable<L extends SlotLayout = ElementLayout> {
  readonly layout: L;
  private readonly journal: Journal;
  private readonly cells: Cells;
  /** cell 0: elements */
  private readonly used: Cells;
  private mask: number;

  constructor(layout: L, journal: Journal, elements: number) {
    this.layout = layout;
    this.journal = journal;
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(4, elements * 1.5)));
    this.cells = new Cells(journal, capacity * layout.stride);
    this.used = new Cells(journal, 1);
    this.mask = capacity - 1;
  }

  get size(): number {
    return this.used.data[0] as number;
  }

  /** Where an element's slot begins, -1 where it has none; `from`: where in the words given its key begins. */
  find(key: Int32Array, from = 0): number {
    const data = this.cells.data;
    const { stride, state, keyWords } = this.layout;
    const mask = this.mask;
    let slot = hashKey(key, from, keyWords) & mask;
    for (;;) {
      const at = slot * stride;
      if (data[at + state] === 0) return -1;
      let word = 0;
      while (word < keyWords && data[at + word] === key[from + word]) word++;
      if (word === keyWords) return at;
      slot = (slot + 1) & mask;
    }
  }

  /** The slot of an element, made if need be; a new one is `ELEMENT_DELETED` until the caller says more. */
  place(key: Int32Array, from = 0): number {
    const found = this.find(key, from);
    if (found >= 0) return found;
    if ((this.size + 1) * 4 > (this.mask + 1) * 3) this.rebuild();
    const { stride, state, keyWords } = this.layout;
    const at = this.freeSlot(this.cells.data, key, from, this.mask) * stride;
    for (let word = 0; word < stride; word++) {
      this.cells.set(at + word, word < keyWords ? (key[from + word] as number) : 0);
    }
    this.cells.set(at + state, ELEMENT_DELETED);
    this.used.set(0, this.size + 1);
    return at;
  }

  get(slot: number, column: number): number {
    return this.cells.data[slot + column] as number;
  }

  set(slot: number, column: number, value: number): void {
    this.cells.set(slot + column, value);
  }

  /** A count kept in two words. */
  getWide(slot: number, column: number): number {
    const data = this.cells.data;
    return (data[slot + column + 1] as number) * WORD + ((data[slot + column] as number) >>> 0);
  }

  setWide(slot: number, column: number, value: number): void {
    this.cells.set(slot + column, value | 0);
    this.cells.set(slot + column + 1, Math.floor(value / WORD));
  }

  /** Every slot in use, in no particular order. */
  *slots(): IterableIterator<number> {
    const { stride, state } = this.layout;
    for (let at = 0; at <= this.mask * stride; at += stride) {
      if (this.cells.data[at + state] !== 0) yield at;
    }
  }

  readKey(slot: number, key: Int32Array): void {
    for (let word = 0; word < this.layout.keyWords; word++) key[word] = this.get(slot, word);
  }

  private freeSlot(data: Int32Array, key: Int32Array, from: number, mask: number): number {
    const { stride, state, keyWords } = this.layout;
    let slot = hashKey(key, from, keyWords) & mask;
    while (data[slot * stride + state] !== 0) slot = (slot + 1) & mask;
    return slot;
  }

  private rebuild(): void {
    const old = this.cells.data;
    const oldMask = this.mask;
    this.journal.undo(() => {
      this.mask = oldMask;
    });
    const { stride, state } = this.layout;
    const mask = oldMask * 2 + 1;
    const fresh = new Int32Array((mask + 1) * stride);
    for (let at = 0; at < old.length; at += stride) {
      if (old[at + state] === 0) continue;
      const element = old.subarray(at, at + stride);
      fresh.set(element, this.freeSlot(fresh, element, 0, mask) * stride);
    }
    this.cells.replace(fresh);
    this.mask = mask;
  }
}

const WORD = 0x1_0000_0000;

export function hashKey(key: Int32Array, from: number, words: number): number {
  let h = 0x9e3779b9;
  for (let word = 0; word < words; word++) {
    h = Math.imul(h ^ (key[from + word] as number), 0x85ebca6b);
    h ^= h >>> 15;
  }
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}
