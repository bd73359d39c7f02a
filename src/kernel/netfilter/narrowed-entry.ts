import type { Packet } from "../../packet/packet.ts";
import * as NARROW from "./narrow.ts";
import { narrow, type Places, type SlottedChains } from "./narrow.ts";
import type { MatchTest } from "./rule-context.ts";
import type { TargetAction } from "./target-action.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { BY_DESTINATION, BY_PORT } = NARROW;

const BY_BOTH = BY_DESTINATION | BY_PORT;

/** Words of a slot: destination, key (`partOf`; 0: empty), what is known, and one to spare: slots lie in one line of memory. */
const WORDS = 4;
/** What is known of a key before its code is there: one packet had it; it cannot be narrowed. */
const MET = -1;
const WALKED = -2;

/** The walk has to be taken: there is no code. */
export const NO_CODE = -1;

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
  private used = 0;
  /** Where the code begins that stands for all packets (`Narrowed.by` 0), `NO_CODE` without one. */
  private always = NO_CODE;
  /** What codes depend on (`Narrowed.by`), each once. */
  private kinds: number[] = [];
  private slots = new Int32Array(WORDS * FIRST_SLOTS);
  private mask = FIRST_SLOTS - 1;
  private count = 0;
  private testPlaces = new Map<MatchTest, number>();
  private actionPlaces = new Map<TargetAction, number>();
  /** By a hash of its words where a code begins, and its length. */
  private known = new Map<number, { readonly start: number; readonly length: number }>();

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
      const found = this.slots[this.slotOf(by & BY_DESTINATION ? dst : 0, partOf(key, by)) + 2] as number;
      if (found > 0) return found - 1;
    }
    return this.meet(packet, dst, key);
  }

  private meet(packet: Packet, dst: number, key: number): number {
    const full = partOf(key, BY_BOTH);
    const at = this.slotOf(dst, full);
    const before = this.slots[at + 2];
    if (before === WALKED) return NO_CODE;
    if (before !== MET) {
      if (this.mask >= SLOTS_AT_MOST || this.used > CODE_AT_MOST) this.forget();
      this.put(dst, full, MET);
      return NO_CODE;
    }
    const narrowed = narrow(this.table, this.entry, packet, this, this.told);
    if (narrowed === null) {
      this.put(dst, full, WALKED);
      return NO_CODE;
    }
    const { by, code } = narrowed;
    const start = this.keep(code);
    if (by === 0) {
      this.always = start;
      return start;
    }
    if (!this.kinds.includes(by)) this.kinds.push(by);
    this.put(by & BY_DESTINATION ? dst : 0, partOf(key, by), start + 1);
    return start;
  }

  test(test: MatchTest): number {
    return placeIn(this.tests, this.testPlaces, test);
  }

  action(action: TargetAction): number {
    return placeIn(this.actions, this.actionPlaces, action);
  }

  /** The slot of a key: its own, or the empty one that it would have. */
  private slotOf(dst: number, key: number): number {
    const { slots, mask } = this;
    let slot = hashOf(dst, key) & mask;
    for (;;) {
      const at = slot * WORDS;
      const there = slots[at + 1];
      if ((there === key && slots[at] === dst) || there === 0) return at;
      slot = (slot + 1) & mask;
    }
  }

  private put(dst: number, key: number, value: number): void {
    if (this.count * 2 > this.mask) this.grow();
    const at = this.slotOf(dst, key);
    const { slots } = this;
    if (slots[at + 1] === 0) this.count++;
    slots[at] = dst;
    slots[at + 1] = key;
    slots[at + 2] = value;
  }

  private grow(): void {
    const old = this.slots;
    this.mask = (this.mask + 1) * 2 - 1;
    this.slots = new Int32Array((this.mask + 1) * WORDS);
    for (let from = 0; from < old.length; from += WORDS) {
      if (old[from + 1] === 0) continue;
      const at = this.slotOf(old[from] as number, old[from + 1] as number);
      for (let word = 0; word < 3; word++) this.slots[at + word] = old[from + word] as number;
    }
  }

  /** Begin anew. Who runs the old code goes on with it. */
  private forget(): void {
    this.code = new Int32Array(0);
    this.tests = [];
    this.actions = [];
    this.used = 0;
    this.always = NO_CODE;
    this.kinds = [];
    this.slots = new Int32Array(WORDS * FIRST_SLOTS);
    this.mask = FIRST_SLOTS - 1;
    this.count = 0;
    this.testPlaces = new Map();
    this.actionPlaces = new Map();
    this.known = new Map();
  }

  /** Where a code stands: where the same one does already, or behind the last. */
  private keep(words: Int32Array): number {
    let hash = words.length;
    for (const word of words) hash = Math.imul(hash ^ word, 0x9e3779b1) ^ (hash >>> 15);
    const known = this.known.get(hash);
    if (known !== undefined && known.length === words.length) {
      const { code } = this;
      if (words.every((word, i) => code[known.start + i] === word)) return known.start;
    }
    const start = this.used;
    if (start + words.length > this.code.length) {
      const larger = new Int32Array(Math.max(this.code.length * 2, start + words.length));
      larger.set(this.code);
      this.code = larger;
    }
    this.code.set(words, start);
    this.used = start + words.length;
    this.known.set(hash, { start, length: words.length });
    return start;
  }
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
