import { maskOf } from "../../address/prefix.ts";
import type { Packet } from "../../packet/packet.ts";
import type { RuleContext } from "../netfilter/rule-context.ts";
import { asNetOnly, type CompiledSet, compileSet, HUNDREDTHS, KEY_WORDS, LENGTHS } from "./compiled-set.ts";
import {
  ELEMENT_DELETED,
  ELEMENT_FILLED,
  ELEMENT_NOMATCH,
  ELEMENT_PRESENT,
  type ElementTable,
  IFACE_WILDCARD,
} from "./element-table.ts";
import type { Ipset, IpsetEntry } from "./ipset.ts";
import { type IpsetState, jiffiesOf } from "./ipset-state.ts";
import { MAX_TIMEOUT } from "./line-words.ts";
import { macElement, readElement } from "./set-element.ts";
import type { SetLayer } from "./set-layer.ts";
import {
  type CounterTest,
  SET_NO,
  SET_UNKNOWN,
  SET_YES,
  type SetAnswer,
  type SetMembership,
  type SetQuery,
} from "./set-query.ts";

/** What `ip_set_add` is told. */
export interface SetChange {
  readonly query: SetQuery;
  /** Seconds; null: the set's own. */
  readonly timeout: number | null;
  /** Renew what is there already. */
  readonly exist: boolean;
}

/**
 * The sets of one host and what packets did to them (net/netfilter/ipset/ip_set_core.c, ip_set_hash_gen.h). This is code
 * that runs per packet, but for the making of it and of layers.
 */
export class HostSets implements SetMembership {
  private readonly state: IpsetState;
  private readonly sets: readonly CompiledSet[];
  private readonly layers: (SetLayer | null)[];
  /** By id of a set's name: its place, from 1. */
  private readonly places: Int32Array;
  private readonly key = new Int32Array(KEY_WORDS);

  /** Did an element's timeout or counters say no? */
  private passedOver = false;

  // what `locate` found
  private foundSet: CompiledSet | null = null;
  private foundTable: ElementTable | null = null;
  private foundSlot = -1;

  constructor(plain: readonly Ipset[], state: IpsetState, now: number) {
    this.state = state;
    this.sets = plain.map(compileSet);
    state.bind(this.sets, now);
    this.layers = this.sets.map((set) => state.layers.get(set.id) ?? null);
    this.places = new Int32Array(this.sets.reduce((most, set) => Math.max(most, set.id + 1), 0));
    this.sets.forEach((set, place) => {
      this.places[set.id] = place + 1;
    });
  }

  /** Is there a set of this name? */
  has(id: number): boolean {
    return this.placeOf(id) >= 0;
  }

  test(query: SetQuery, packet: Packet, context: RuleContext): SetAnswer {
    const place = this.placeOf(query.set);
    if (place < 0) return SET_UNKNOWN;
    const asksCounters = query.packets !== null || query.bytes !== null;
    return this.testSet(place, query, packet, context, asksCounters, query.updateCounters) ? SET_YES : SET_NO;
  }

  /** `ip_set_test`. */
  private testSet(
    place: number,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): boolean {
    const set = this.sets[place] as CompiledSet;
    if (set.isList) return this.testList(place, set, query, packet, context, asksCounters, counts);
    if (query.dimensions < set.dimensions.length || set.family !== packet.family) return false;
    if (!readElement(set, query.sources, packet, context, this.key)) return false;
    const filled = set.layout.mac < 0 ? UNDECIDED : this.testMac(place, set, query, packet, context);
    if (filled !== UNDECIDED) return filled === MATCH;
    const result = set.hasNets
      ? this.testLengths(place, set, query, packet, context, asksCounters, counts)
      : this.testKey(place, set, query, packet, context, asksCounters, counts);
    // --return-nomatch turns the answer of a set that can have exceptions.
    return query.returnNomatch && set.hasNets ? result === EXCEPTION : result === MATCH;
  }

  /** `list_set_ktest`: members in order; the list's own counters and timeouts decide as well. */
  private testList(
    place: number,
    set: CompiledSet,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): boolean {
    const members = set.members;
    for (let i = 0; i < members.length; i++) {
      const id = members[i] as number;
      const member = this.placeOf(id);
      if (member < 0) continue;
      if (!this.testSet(member, query, packet, context, false, counts && query.updateSubcounters)) continue;
      this.key[set.layout.second] = id;
      if (this.testKey(place, set, query, packet, context, asksCounters, counts) === MATCH) return true;
    }
    return false;
  }

  /** `mtype_test_cidrs`: every prefix length the set holds, the longest first. */
  private testLengths(
    place: number,
    set: CompiledSet,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): ElementAnswer {
    const { layout } = set;
    const key = this.key;
    const lengths = this.layers[place]?.lengthCounts.data ?? set.lengthCounts;
    const firstIsNet = set.dimensions[0] === 1;
    const at = firstIsNet ? layout.address : layout.second;
    const two = firstIsNet && set.dimensions.at(-1) === 1 && set.dimensions.length > 1;
    const whole = key[at] as number;
    const wholeSecond = two ? (key[layout.second] as number) : 0;
    const iface = set.hasIface ? (key[layout.second] as number) : 0;
    for (let first = 32; first >= 0; first--) {
      if (lengths[first] === 0) continue;
      key[at] = whole & maskOf(first);
      if (!two) {
        key[layout.lengths] = first;
        if (set.hasIface) {
          key[layout.second] = iface;
          this.passedOver = false;
          const result = this.testIface(place, set, query, packet, context, asksCounters, counts);
          if (result !== NO_MATCH) return result;
          asNetOnly(layout, key);
          // Where only other interfaces are listed with this net, shorter prefixes are not looked at (`multi`).
          if (!this.passedOver && this.locate(place, set)) return NO_MATCH;
          continue;
        }
        const result = this.testKey(place, set, query, packet, context, asksCounters, counts);
        if (result !== NO_MATCH) return result;
        continue;
      }
      for (let second = 32; second >= 0; second--) {
        if (lengths[LENGTHS + second] === 0) continue;
        key[layout.second] = wholeSecond & maskOf(second);
        key[layout.lengths] = first | (second << 8);
        const result = this.testKey(place, set, query, packet, context, asksCounters, counts);
        if (result !== NO_MATCH) return result;
      }
    }
    return NO_MATCH;
  }

  /** One net with the packet's interface, by its name and by each beginning listed. */
  private testIface(
    place: number,
    set: CompiledSet,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): ElementAnswer {
    const { layout, wildcards } = set;
    const key = this.key;
    const iface = key[layout.second] as number;
    const length = key[layout.lengths] as number;
    const result = this.testKey(place, set, query, packet, context, asksCounters, counts);
    if (result !== NO_MATCH) return result;
    for (let i = 0; i < wildcards.length; i++) {
      const wildcard = wildcards[i] as (typeof wildcards)[number];
      if (!wildcard.pattern.matches(iface)) continue;
      key[layout.second] = wildcard.id;
      key[layout.lengths] = length | IFACE_WILDCARD;
      const answer = this.testKey(place, set, query, packet, context, asksCounters, counts);
      if (answer !== NO_MATCH) return answer;
    }
    key[layout.second] = iface;
    key[layout.lengths] = length;
    return NO_MATCH;
  }

  /** The element of the key, with its timeout and counters (`ip_set_match_extensions`). */
  private testKey(
    place: number,
    set: CompiledSet,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): ElementAnswer {
    if (!this.locate(place, set)) return NO_MATCH;
    const { layout } = set;
    const table = this.foundTable as ElementTable;
    const slot = this.foundSlot;
    if (this.isExpired(set, table, slot, context.now)) {
      this.passedOver = true;
      return NO_MATCH;
    }
    const nomatch = (table.get(slot, layout.state) & ELEMENT_NOMATCH) !== 0;
    if (layout.packets >= 0) {
      if (counts) this.countPacket(place, set, packet);
      const counted = this.foundTable as ElementTable;
      if (asksCounters && !countersMatch(counted, this.foundSlot, query)) {
        this.passedOver = true;
        return NO_MATCH;
      }
    }
    return nomatch ? EXCEPTION : MATCH;
  }

  private countPacket(place: number, set: CompiledSet, packet: Packet): void {
    const { packets, bytes } = set.layout;
    const { table } = this.layerAt(place, set);
    const slot = this.layerAt(place, set).own(this.key);
    table.setWide(slot, packets, table.getWide(slot, packets) + 1);
    table.setWide(slot, bytes, table.getWide(slot, bytes) + packet.length);
    this.foundTable = table;
    this.foundSlot = slot;
  }

  /** bitmap:ip,mac: an address listed without its MAC takes that of the first packet (`bitmap_ipmac_do_test`). */
  private testMac(
    place: number,
    set: CompiledSet,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
  ): ElementAnswer {
    if (!this.locate(place, set)) return NO_MATCH;
    const { layout } = set;
    const table = this.foundTable as ElementTable;
    const mac = macElement(packet, (query.sources & 2) !== 0);
    const state = table.get(this.foundSlot, layout.state);
    if ((state & ELEMENT_FILLED) !== 0) {
      return table.get(this.foundSlot, layout.mac) === mac ? UNDECIDED : NO_MATCH;
    }
    const layer = this.layerAt(place, set);
    const slot = layer.own(this.key);
    layer.table.set(slot, layout.mac, mac);
    layer.table.set(slot, layout.state, state | ELEMENT_FILLED);
    if (layout.expires >= 0) {
      const stored = layer.table.get(slot, layout.expires);
      if (stored !== 0) layer.table.set(slot, layout.expires, jiffiesOf(context.now) + stored);
    }
    return MATCH;
  }

  /** `ip_set_add`: false where nothing was put in. */
  add(change: SetChange, packet: Packet, context: RuleContext): boolean {
    const place = this.placeOf(change.query.set);
    return place >= 0 && this.addTo(place, change, packet, context);
  }

  private addTo(place: number, change: SetChange, packet: Packet, context: RuleContext): boolean {
    const set = this.sets[place] as CompiledSet;
    if (set.isList) {
      // The first member that takes it (`list_set_kadd`).
      for (const id of set.members) {
        const member = this.placeOf(id);
        if (member >= 0 && !this.isMemberExpired(place, set, id, context.now)) {
          if (this.addTo(member, change, packet, context)) return true;
        }
      }
      return false;
    }
    const { layout } = set;
    const key = this.key;
    if (!this.elementToChange(place, set, change.query, packet, context)) return false;
    if (set.isBitmap && !inRange(set, key)) return false;
    const there = this.locateLive(place, set, context.now);
    if (there && !change.exist && !this.isUnfilled(set)) return false;
    if (!there && !this.hasRoom(place, set, context.now)) return false;
    const layer = this.layerAt(place, set);
    let state = ELEMENT_PRESENT;
    if (layout.mac >= 0) state |= ELEMENT_FILLED;
    const slot = layer.write(key, state);
    const { table } = layer;
    if (layout.mac >= 0) {
      table.set(slot, layout.mac, macElement(packet, (change.query.sources & 2) !== 0));
    }
    if (layout.entry >= 0) table.set(slot, layout.entry, 0);
    if (layout.packets >= 0) {
      table.setWide(slot, layout.packets, 1);
      table.setWide(slot, layout.bytes, packet.length);
    }
    if (layout.expires >= 0) {
      const seconds = Math.min(change.timeout ?? set.plain.timeout ?? 0, MAX_TIMEOUT);
      const expires = seconds === 0 ? 0 : jiffiesOf(context.now) + seconds * HUNDREDTHS;
      table.set(slot, layout.expires, expires);
    }
    return true;
  }

  /** `ip_set_del`. */
  delete(query: SetQuery, packet: Packet, context: RuleContext): boolean {
    const place = this.placeOf(query.set);
    return place >= 0 && this.deleteFrom(place, query, packet, context);
  }

  private deleteFrom(place: number, query: SetQuery, packet: Packet, context: RuleContext): boolean {
    const set = this.sets[place] as CompiledSet;
    if (set.isList) {
      for (const id of set.members) {
        const member = this.placeOf(id);
        if (member >= 0 && !this.isMemberExpired(place, set, id, context.now)) {
          if (this.deleteFrom(member, query, packet, context)) return true;
        }
      }
      return false;
    }
    if (!this.elementToChange(place, set, query, packet, context)) return false;
    if (!this.locateLive(place, set, context.now)) return false;
    this.layerAt(place, set).write(this.key, ELEMENT_DELETED);
    return true;
  }

  /** The entry that `test` matched last, as it was listed, for the marks it carries; null where a packet put it in. */
  entryMatched(): IpsetEntry | null {
    const set = this.foundSet;
    if (set === null || set.layout.entry < 0) return null;
    const place = (this.foundTable as ElementTable).get(this.foundSlot, set.layout.entry);
    return set.plain.entries[place - 1] ?? null;
  }

  /**
   * The key that adding and deleting work on: a net of the longest prefix that the set holds, a whole address in a set
   * without any (`INIT_CIDR`).
   */
  private elementToChange(
    place: number,
    set: CompiledSet,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
  ): boolean {
    const { layout } = set;
    const key = this.key;
    if (query.dimensions < set.dimensions.length || set.family !== packet.family) return false;
    if (!readElement(set, query.sources, packet, context, key)) return false;
    if (!set.hasNets) return true;
    const lengths = this.layers[place]?.lengthCounts.data ?? set.lengthCounts;
    const last = set.dimensions.length - 1;
    const firstIsNet = set.dimensions[0] === 1;
    const first = longestOf(lengths, 0);
    const at = firstIsNet ? layout.address : layout.second;
    key[at] = (key[at] as number) & maskOf(first);
    key[layout.lengths] = first;
    if (firstIsNet && last > 0 && set.dimensions[last] === 1) {
      const second = longestOf(lengths, LENGTHS);
      key[layout.second] = (key[layout.second] as number) & maskOf(second);
      key[layout.lengths] = first | (second << 8);
    }
    return true;
  }

  /** Is there room for one more? What has run out makes some. */
  private hasRoom(place: number, set: CompiledSet, now: number): boolean {
    const { storage } = set.plain;
    if (storage.kind !== "hash") return true;
    const layer = this.layerAt(place, set);
    if (layer.size < storage.maxelem) return true;
    if (set.layout.expires >= 0) this.collect(place, set, now);
    return layer.size < storage.maxelem;
  }

  /** `mtype_gc`: take out what has run out. */
  private collect(place: number, set: CompiledSet, now: number): void {
    const layer = this.layerAt(place, set);
    const key = new Int32Array(KEY_WORDS);
    const kept = Int32Array.from(this.key);
    for (const table of [set.table, layer.table]) {
      for (const slot of [...table.slots()]) {
        table.readKey(slot, key);
        this.key.set(key);
        if (!this.locate(place, set)) continue;
        const isNet = set.layout.count >= 0 && table.get(slot, set.layout.count) > 0;
        const found = this.foundTable as ElementTable;
        if (!isNet && this.isExpired(set, found, this.foundSlot, now)) layer.write(key, ELEMENT_DELETED);
      }
    }
    this.key.set(kept);
  }

  private isMemberExpired(place: number, set: CompiledSet, id: number, now: number): boolean {
    this.key[set.layout.second] = id;
    return (
      this.locate(place, set) && this.isExpired(set, this.foundTable as ElementTable, this.foundSlot, now)
    );
  }

  private isUnfilled(set: CompiledSet): boolean {
    if (set.layout.mac < 0) return false;
    return ((this.foundTable as ElementTable).get(this.foundSlot, set.layout.state) & ELEMENT_FILLED) === 0;
  }

  private isExpired(set: CompiledSet, table: ElementTable, slot: number, now: number): boolean {
    const { layout } = set;
    if (layout.expires < 0) return false;
    const expires = table.get(slot, layout.expires);
    if (expires === 0 || jiffiesOf(now) <= expires) return false;
    // The time of an address without a MAC has not begun.
    return layout.mac < 0 || (table.get(slot, layout.state) & ELEMENT_FILLED) !== 0;
  }

  /** Find the element of the key, in the layer or below it. */
  private locate(place: number, set: CompiledSet): boolean {
    this.foundSet = set;
    const layer = this.layers[place] as SetLayer | null;
    if (layer !== null) {
      const slot = layer.table.find(this.key);
      if (slot >= 0) {
        this.foundTable = layer.table;
        this.foundSlot = slot;
        return (layer.table.get(slot, set.layout.state) & ELEMENT_PRESENT) !== 0;
      }
    }
    this.foundTable = set.table;
    this.foundSlot = set.table.find(this.key);
    return this.foundSlot >= 0;
  }

  /** An interface is listed already where a beginning of its name is; then the key becomes that element's. */
  private locateLive(place: number, set: CompiledSet, now: number): boolean {
    if (this.locateKey(place, set, now)) return true;
    const { wildcards, layout } = set;
    if (wildcards.length === 0) return false;
    const key = this.key;
    const iface = key[layout.second] as number;
    const lengths = key[layout.lengths] as number;
    for (let i = 0; i < wildcards.length; i++) {
      const wildcard = wildcards[i] as (typeof wildcards)[number];
      if (!wildcard.pattern.matches(iface)) continue;
      key[layout.second] = wildcard.id;
      key[layout.lengths] = lengths | IFACE_WILDCARD;
      if (this.locateKey(place, set, now)) return true;
    }
    key[layout.second] = iface;
    key[layout.lengths] = lengths;
    return false;
  }

  private locateKey(place: number, set: CompiledSet, now: number): boolean {
    return (
      this.locate(place, set) && !this.isExpired(set, this.foundTable as ElementTable, this.foundSlot, now)
    );
  }

  private layerAt(place: number, set: CompiledSet): SetLayer {
    let layer = this.layers[place] as SetLayer | null;
    if (layer === null) {
      layer = this.state.layer(set);
      this.layers[place] = layer;
    }
    return layer;
  }

  private placeOf(id: number): number {
    return id < this.places.length ? (this.places[id] as number) - 1 : -1;
  }
}

/** What one element says of a packet. */
type ElementAnswer = typeof NO_MATCH | typeof MATCH | typeof EXCEPTION | typeof UNDECIDED;
const NO_MATCH = 0;
const MATCH = 1;
/** `-ENOTEMPTY`: an element marked nomatch. */
const EXCEPTION = 2;
const UNDECIDED = 3;

function longestOf(lengths: Int32Array, from: number): number {
  for (let length = 32; length >= 0; length--) {
    if ((lengths[from + length] as number) > 0) return length;
  }
  return 32;
}

function inRange(set: CompiledSet, key: Int32Array): boolean {
  const { storage } = set.plain;
  if (storage.kind === "bitmap-port") {
    const port = key[set.layout.port] as number;
    return port >= storage.from && port <= storage.to;
  }
  if (storage.kind !== "bitmap-ip") return true;
  const address = (key[set.layout.address] as number) >>> 0;
  return address >= storage.from >>> 0 && address <= storage.to >>> 0;
}

function countersMatch(table: ElementTable, slot: number, query: SetQuery): boolean {
  return (
    counterMatches(table.getWide(slot, table.layout.packets), query.packets) &&
    counterMatches(table.getWide(slot, table.layout.bytes), query.bytes)
  );
}

function counterMatches(counter: number, test: CounterTest | null): boolean {
  if (test === null) return true;
  switch (test.mode) {
    case "eq":
      return counter === test.value;
    case "ne":
      return counter !== test.value;
    case "lt":
      return counter < test.value;
    case "gt":
      return counter > test.value;
  }
}
