import { maskWord } from "../../address/prefix6.ts";
import type { Packet } from "../../packet/packet.ts";
import type { RuleContext } from "../netfilter/rule-context.ts";
import { asNetOnly, type CompiledSet, DIM_NET, HUNDREDTHS, KEY_WORDS, LENGTHS } from "./compiled-set.ts";
import { countersMatch } from "./counter-test.ts";
import {
  ELEMENT_DELETED,
  ELEMENT_FILLED,
  ELEMENT_NOMATCH,
  ELEMENT_PRESENT,
  IFACE_WILDCARD,
} from "./element-table.ts";
import { elementToChange } from "./element-to-change.ts";
import { jiffiesOf } from "./ipset-state.ts";
import { LayeredElements } from "./layered-elements.ts";
import { MAX_TIMEOUT } from "./line-words.ts";
import { macElement, readElement } from "./set-element.ts";
import type { SetChange, SetQuery } from "./set-query.ts";

/** The key of the element in question: read from a packet, cut to a prefix length, turned into another interface's. */
const key = new Int32Array(KEY_WORDS);
/** The same before it was cut. */
const whole = new Int32Array(KEY_WORDS);

/**
 * One set as one host has it: what was configured, and what packets made of it (net/netfilter/ipset/ip_set_hash_gen.h,
 * ip_set_bitmap_gen.h). This is code that runs per packet.
 */
export class LiveIpset extends LayeredElements {
  /** Did an element's timeout or counters say no? */
  private passedOver = false;

  /**
   * `mtype_kadt` with IPSET_TEST: is the packet's element in the set? Whether its counters are asked for and counted is for
   * the caller to say, since a member of a list is asked otherwise than a set by itself.
   */
  test(
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): boolean {
    const { set } = this;
    if (!isFor(set, query, packet) || !readElement(set, query.sources, packet, context, key)) return false;
    const filled = set.layout.mac < 0 ? UNDECIDED : this.testMac(query, packet, context);
    if (filled !== UNDECIDED) return filled === MATCH;
    const result = set.hasNets
      ? this.testLengths(query, packet, context, asksCounters, counts)
      : this.testKey(query, packet, context, asksCounters, counts);
    // --return-nomatch turns the answer of a set that can have exceptions.
    return query.returnNomatch && set.hasNets ? result === EXCEPTION : result === MATCH;
  }

  /** list:set: do its own timeout and counters for a member let the member's answer stand? */
  testMember(
    member: number,
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): boolean {
    key[this.set.layout.second] = member;
    return this.testKey(query, packet, context, asksCounters, counts) === MATCH;
  }

  isMemberExpired(member: number, now: number): boolean {
    key[this.set.layout.second] = member;
    return this.locate(key) && this.isExpired(now);
  }

  /** `mtype_test_cidrs`: every prefix length the set holds, the longest first. */
  private testLengths(
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): ElementAnswer {
    const { layout, dimensions, hasIface, addressBits } = this.set;
    const lengths = this.lengths();
    const firstIsNet = dimensions[0] === DIM_NET;
    const at = firstIsNet ? layout.address : layout.second;
    const two = firstIsNet && dimensions.at(-1) === DIM_NET && dimensions.length > 1;
    whole.set(key);
    for (let first = addressBits; first >= 0; first--) {
      if (lengths[first] === 0) continue;
      this.cut(at, first);
      if (!two) {
        key[layout.lengths] = first;
        if (hasIface) {
          key[layout.second] = whole[layout.second] as number;
          this.passedOver = false;
          const result = this.testIface(query, packet, context, asksCounters, counts);
          if (result !== NO_MATCH) return result;
          asNetOnly(layout, key);
          // Where only other interfaces are listed with this net, shorter prefixes are not looked at (`multi`).
          if (!this.passedOver && this.locate(key)) return NO_MATCH;
          continue;
        }
        const result = this.testKey(query, packet, context, asksCounters, counts);
        if (result !== NO_MATCH) return result;
        continue;
      }
      for (let second = addressBits; second >= 0; second--) {
        if (lengths[LENGTHS + second] === 0) continue;
        this.cut(layout.second, second);
        key[layout.lengths] = first | (second << 8);
        const result = this.testKey(query, packet, context, asksCounters, counts);
        if (result !== NO_MATCH) return result;
      }
    }
    return NO_MATCH;
  }

  /** Put the first bits of the whole address at a place of the key there. */
  private cut(at: number, length: number): void {
    const words = this.set.layout.addressWords;
    for (let i = 0; i < words; i++) key[at + i] = (whole[at + i] as number) & maskWord(length, i);
  }

  /** One net with the packet's interface, by its name and by each beginning listed. */
  private testIface(
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): ElementAnswer {
    const { layout, wildcards } = this.set;
    const iface = key[layout.second] as number;
    const length = key[layout.lengths] as number;
    const result = this.testKey(query, packet, context, asksCounters, counts);
    if (result !== NO_MATCH) return result;
    for (let i = 0; i < wildcards.length; i++) {
      const wildcard = wildcards[i] as (typeof wildcards)[number];
      if (!wildcard.pattern.matches(iface)) continue;
      key[layout.second] = wildcard.id;
      key[layout.lengths] = length | IFACE_WILDCARD;
      const answer = this.testKey(query, packet, context, asksCounters, counts);
      if (answer !== NO_MATCH) return answer;
    }
    key[layout.second] = iface;
    key[layout.lengths] = length;
    return NO_MATCH;
  }

  /** The element of the key, with its timeout and counters (`ip_set_match_extensions`). */
  private testKey(
    query: SetQuery,
    packet: Packet,
    context: RuleContext,
    asksCounters: boolean,
    counts: boolean,
  ): ElementAnswer {
    if (!this.locate(key)) return NO_MATCH;
    const { layout } = this.set;
    if (this.isExpired(context.now)) {
      this.passedOver = true;
      return NO_MATCH;
    }
    const nomatch = (this.foundTable.get(this.foundSlot, layout.state) & ELEMENT_NOMATCH) !== 0;
    if (layout.packets >= 0) {
      if (counts) this.countPacket(packet);
      if (asksCounters && !countersMatch(this.foundTable, this.foundSlot, query)) {
        this.passedOver = true;
        return NO_MATCH;
      }
    }
    return nomatch ? EXCEPTION : MATCH;
  }

  private countPacket(packet: Packet): void {
    const { packets, bytes } = this.set.layout;
    const layer = this.ownLayer();
    const slot = layer.own(key);
    const { table } = layer;
    table.setWide(slot, packets, table.getWide(slot, packets) + 1);
    table.setWide(slot, bytes, table.getWide(slot, bytes) + packet.length);
    this.foundTable = table;
    this.foundSlot = slot;
  }

  /** bitmap:ip,mac: an address listed without its MAC takes that of the first packet (`bitmap_ipmac_do_test`). */
  private testMac(query: SetQuery, packet: Packet, context: RuleContext): ElementAnswer {
    if (!this.locate(key)) return NO_MATCH;
    const { layout } = this.set;
    const mac = macElement(packet, (query.sources & 2) !== 0);
    const state = this.foundTable.get(this.foundSlot, layout.state);
    if ((state & ELEMENT_FILLED) !== 0) {
      return this.foundTable.get(this.foundSlot, layout.mac) === mac ? UNDECIDED : NO_MATCH;
    }
    const layer = this.ownLayer();
    const slot = layer.own(key);
    layer.table.set(slot, layout.mac, mac);
    layer.table.set(slot, layout.state, state | ELEMENT_FILLED);
    if (layout.expires >= 0) {
      const stored = layer.table.get(slot, layout.expires);
      if (stored !== 0) layer.table.set(slot, layout.expires, jiffiesOf(context.now) + stored);
    }
    return MATCH;
  }

  /** `mtype_add`: false where nothing was put in. */
  add(change: SetChange, packet: Packet, context: RuleContext): boolean {
    const { set } = this;
    const { layout } = set;
    const { query } = change;
    if (!isFor(set, query, packet)) return false;
    if (!elementToChange(set, this.lengths(), query.sources, packet, context, key)) return false;
    if (set.isBitmap && !inRange(set)) return false;
    const there = this.locateLive(context.now);
    if (there && !change.exist && !this.isUnfilled()) return false;
    if (!there && !this.hasRoom(key, context.now)) return false;
    const layer = this.ownLayer();
    let state = ELEMENT_PRESENT;
    if (layout.mac >= 0) state |= ELEMENT_FILLED;
    const slot = layer.write(key, state);
    const { table } = layer;
    if (layout.mac >= 0) table.set(slot, layout.mac, macElement(packet, (query.sources & 2) !== 0));
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

  /** `mtype_del`. */
  delete({ query }: SetChange, packet: Packet, context: RuleContext): boolean {
    if (!isFor(this.set, query, packet)) return false;
    if (!elementToChange(this.set, this.lengths(), query.sources, packet, context, key)) return false;
    if (!this.locateLive(context.now)) return false;
    this.ownLayer().write(key, ELEMENT_DELETED);
    return true;
  }

  /** An interface is listed already where a beginning of its name is; then the key becomes that element's. */
  private locateLive(now: number): boolean {
    if (this.locate(key) && !this.isExpired(now)) return true;
    const { wildcards, layout } = this.set;
    if (wildcards.length === 0) return false;
    const iface = key[layout.second] as number;
    const lengths = key[layout.lengths] as number;
    for (let i = 0; i < wildcards.length; i++) {
      const wildcard = wildcards[i] as (typeof wildcards)[number];
      if (!wildcard.pattern.matches(iface)) continue;
      key[layout.second] = wildcard.id;
      key[layout.lengths] = lengths | IFACE_WILDCARD;
      if (this.locate(key) && !this.isExpired(now)) return true;
    }
    key[layout.second] = iface;
    key[layout.lengths] = lengths;
    return false;
  }
}

/** What one element says of a packet. */
type ElementAnswer = typeof NO_MATCH | typeof MATCH | typeof EXCEPTION | typeof UNDECIDED;
const NO_MATCH = 0;
const MATCH = 1;
/** `-ENOTEMPTY`: an element marked nomatch. */
const EXCEPTION = 2;
const UNDECIDED = 3;

/** `ip_set_test`: does the rule name enough dimensions, and is the packet of the set's family? */
function isFor(set: CompiledSet, query: SetQuery, packet: Packet): boolean {
  return query.dimensions >= set.dimensions.length && (set.family === 0 || set.family === packet.family);
}

function inRange(set: CompiledSet): boolean {
  const { storage } = set.plain;
  if (storage.kind === "bitmap-port") {
    const port = key[set.layout.port] as number;
    return port >= storage.from && port <= storage.to;
  }
  if (storage.kind !== "bitmap-ip") return true;
  const address = (key[set.layout.address] as number) >>> 0;
  return address >= storage.from >>> 0 && address <= storage.to >>> 0;
}
