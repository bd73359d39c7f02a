import type { Packet } from "../../packet/packet.ts";
import * as NARROW from "./narrow.ts";
import { narrow, type Places, type SlottedChains } from "./narrow.ts";
import type { MatchTest } from "./rule-context.ts";
import type { TargetAction } from "./target-action.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { BY_DESTINATION, BY_PORT } = NARROW;

const BY_BOTH = BY_DESTINATION | BY_PORT;

/** Words of a key before the code that is its own: destination, the rest of it (`partOf`), what is known. */
const HEAD = 3;
const H_REST = 1;
const H_KNOWN = 2;

/** The walk has to be taken: there is no code. */
export const NO_CODE = -1;

/** What is known of a key beside where its code begins: one packet had it; it cannot be narrowed. */
const MET = NO_CODE;
const WALKED = -2;

const FIRST_SLOTS = 16;
/** More than this is forgotten and begun anew: slots, words of code. */
const SLOTS_AT_MOST = 1 << 19;
const CODE_AT_MOST = 1 << 23;

/**
 * What was narrowed of a table from one built-in chain on, by the destination, protocol and destination port of the packets that
 * came (`narrow.ts`). A key is narrowed when it is met again, and stands for all packets whose difference no rule asked about. Keys
 * whose packets are treated alike share their code.
 */
export class NarrowedEntry implements Places {
  code = new Int32Array(0);
  tests: MatchTest[] = [];
  actions: TargetAction[] = [];
  private readonly table: SlottedChains;
  private readonly entry: number;
  /** Words written; the first stands for nothing. */
  private used = 1;
  /** Where the code begins that stands for all packets (`Narrowed.by` 0), `NO_CODE` without one. */
  private always = NO_CODE;
  /** What codes depend on (`Narrowed.by`), each once. */
  private kinds: number[] = [];
  /** Where among the code a key stands; 0: empty. A key and its code lie side by side in memory. */
  private slots = new Int32Array(FIRST_SLOTS);
  private mask = FIRST_SLOTS - 1;
  private count = 0;
  private testPlaces = new Map<MatchTest, number>();
  private actionPlaces = new Map<TargetAction, number>();
  /** By a hash of its words where a code begins, and its length. */
  private kept = new Map<number, { readonly start: number; readonly length: number }>();

  private readonly told: boolean;

  /** @param told its packets' walks are told to a tape */
  constructor(table: SlottedChains, entry: number, told: boolean) {
    this.table = table;
    this.entry = entry;
    this.told = told;
  }

  /** Where the code for a packet begins, `NO_CODE` without any. The packet is no later fragment. Runs per packet. */
  find(packet: Packet): number {
    const { kinds, always } = this;
    if (always !== NO_CODE) return always;
    const dst = packet.dst;
    const key = keyOf(packet);
    for (let i = 0; i < kinds.length; i++) {
      const by = kinds[i] as number;
      const found = this.slots[this.slotOf(by & BY_DESTINATION ? dst : 0, partOf(key, by))] as number;
      if (found === 0) continue;
      const known = this.code[found + H_KNOWN] as number;
      if (known >= 0) return known;
    }
    return this.meet(packet, dst, key);
  }

  private meet(packet: Packet, dst: number, key: number): number {
    const full = partOf(key, BY_BOTH);
    const slot = this.slotOf(dst, full);
    const at = this.slots[slot] as number;
    if (at === 0) {
      if (this.mask >= SLOTS_AT_MOST || this.used > CODE_AT_MOST) this.forget();
      this.put(dst, full, MET);
      return NO_CODE;
    }
    if (this.code[at + H_KNOWN] === WALKED) return NO_CODE;
    const narrowed = narrow(this.table, this.entry, packet, this, this.told);
    if (narrowed === null) {
      this.code[at + H_KNOWN] = WALKED;
      return NO_CODE;
    }
    const { by, code } = narrowed;
    const start = this.known(code);
    if (by === 0) {
      this.always = start === NO_CODE ? this.keep(code) : start;
      return this.always;
    }
    if (!this.kinds.includes(by)) this.kinds.push(by);
    const head = this.put(by & BY_DESTINATION ? dst : 0, partOf(key, by), start);
    if (start !== NO_CODE) return start;
    const own = this.keep(code);
    this.code[head + H_KNOWN] = own;
    return own;
  }

  test(test: MatchTest): number {
    return placeIn(this.tests, this.testPlaces, test);
  }

  action(action: TargetAction): number {
    return placeIn(this.actions, this.actionPlaces, action);
  }

  /** The slot of a key: its own, or the empty one that it would have. */
  private slotOf(dst: number, rest: number): number {
    const { slots, mask, code } = this;
    let slot = hashOf(dst, rest) & mask;
    for (;;) {
      const at = slots[slot] as number;
      if (at === 0 || (code[at] === dst && code[at + H_REST] === rest)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** Write a key behind the last word; returns where. Where it stood before it is no longer found. */
  private put(dst: number, rest: number, known: number): number {
    if (this.count * 2 > this.mask) this.grow();
    const slot = this.slotOf(dst, rest);
    if (this.slots[slot] === 0) this.count++;
    const at = this.take(HEAD);
    this.slots[slot] = at;
    this.code[at] = dst;
    this.code[at + H_REST] = rest;
    this.code[at + H_KNOWN] = known;
    return at;
  }

  private grow(): void {
    const old = this.slots;
    this.mask = (this.mask + 1) * 2 - 1;
    this.slots = new Int32Array(this.mask + 1);
    for (const at of old) {
      if (at === 0) continue;
      this.slots[this.slotOf(this.code[at] as number, this.code[at + H_REST] as number)] = at;
    }
  }

  /** Begin anew. Who runs the old code goes on with it. */
  private forget(): void {
    this.code = new Int32Array(0);
    this.tests = [];
    this.actions = [];
    this.used = 1;
    this.always = NO_CODE;
    this.kinds = [];
    this.slots = new Int32Array(FIRST_SLOTS);
    this.mask = FIRST_SLOTS - 1;
    this.count = 0;
    this.testPlaces = new Map();
    this.actionPlaces = new Map();
    this.kept = new Map();
  }

  /** Where the same code stands already, `NO_CODE` nowhere. */
  private known(words: Int32Array): number {
    const found = this.kept.get(hashOfWords(words));
    if (found === undefined || found.length !== words.length) return NO_CODE;
    const { code } = this;
    return words.every((word, i) => code[found.start + i] === word) ? found.start : NO_CODE;
  }

  /** Write a code behind the last word; returns where. */
  private keep(words: Int32Array): number {
    const start = this.take(words.length);
    this.code.set(words, start);
    this.kept.set(hashOfWords(words), { start, length: words.length });
    return start;
  }

  /** Room behind the last word. */
  private take(words: number): number {
    const start = this.used;
    if (start + words > this.code.length) {
      const larger = new Int32Array(Math.max(this.code.length * 2, start + words));
      larger.set(this.code);
      this.code = larger;
    }
    this.used = start + words;
    return start;
  }
}

function hashOfWords(words: Int32Array): number {
  let hash = words.length;
  for (const word of words) hash = Math.imul(hash ^ word, 0x9e3779b1) ^ (hash >>> 15);
  return hash;
}

/** Protocol and destination port; never 0 with a kind (`partOf`). */
function keyOf(packet: Packet): number {
  return packet.protocol | (packet.dport << 8);
}

/** What of a key a code depends on, and that it does. */
function partOf(key: number, by: number): number {
  return (by & BY_PORT ? key : 0) | ((by + 1) << 24);
}

function placeIn<T>(list: T[], places: Map<T, number>, value: T): number {
  let place = places.get(value);
  if (place === undefined) {
    place = list.push(value) - 1;
    places.set(value, place);
  }
  return place;
}

function hashOf(dst: number, key: number): number {
  let h = Math.imul(dst, 0x9e3779b1) ^ Math.imul(key, 0x85ebca77);
  h ^= h >>> 16;
  h = Math.imul(h, 0x2c1b3c6d);
  // Signed: an unsigned result may need a heap number.
  return h ^ (h >>> 13);
}
