import type { Family, IpAddress } from "../../address/ip.ts";
import { type Ip6, masked6, plainAddress, word6 } from "../../address/ip6-handle.ts";
import { NameIds } from "../name-ids.ts";
import { Cells, type Journal } from "../session/journal.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import { PairMap } from "../session/pair-map.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ABSENT } = PAIR_MAP;

/**
 * The lists of `-m recent`: per list, addresses with the times they were last seen (net/netfilter/xt_recent.c). They belong
 * to the host, under a name, and rules of any table share them. A list holds 100 addresses (`ip_list_tot`); a new one puts
 * out the one longest unseen.
 *
 * Everything is journaled cells, so nothing is allocated per packet but when a list grows.
 */
export class RecentLists {
  private readonly journal: Journal;
  /** (list id, complemented for IPv6; address) to the slot of its entry. */
  private readonly slots: PairMap;
  private readonly lists = new Map<number, RecentList>();
  /** Masks and sizes as rules declared them; what no rule declared is taken from the first rule that asks. */
  private readonly declared = new Map<number, RecentShape>();

  constructor(journal: Journal) {
    this.journal = journal;
    this.slots = new PairMap(journal);
  }

  /**
   * Make a list as loading a rule does: the first rule to name it decides the mask, the one with the highest hit count how
   * many times are kept (`recent_mt_check`).
   */
  declare(id: number, mask: Ip6, hitCount: number): void {
    const stamps = stampsFor(hitCount);
    const known = this.declared.get(id);
    this.declared.set(id, { mask: known?.mask ?? mask, stamps: Math.max(known?.stamps ?? 0, stamps) });
  }

  /** Take over the lists that the rules of a host declare. */
  adopt(rules: RecentLists): void {
    for (const [id, shape] of rules.declared) this.declared.set(id, shape);
  }

  /** One evaluation of a rule (`recent_mt`), but for its `!`. Runs per packet. */
  evaluate(query: RecentQuery, family: number, packetAddress: number, ttl: number, now: number): boolean {
    const shape = this.declared.get(query.list);
    const mask = shape === undefined ? query.mask : shape.mask;
    const address = family === 6 ? masked6(packetAddress, mask) : packetAddress & word6(mask, 0);
    const key = family === 6 ? ~query.list : query.list;
    let slot = this.slots.get(key, address);
    let list = this.lists.get(query.list);
    if (slot !== ABSENT && query.ttl) {
      const known = (list as RecentList).ttlOf(slot);
      if (known !== ttl && known !== 0 && ttl !== 0) slot = ABSENT;
    }
    if (slot === ABSENT) {
      if (query.action !== RECENT_SET) return false;
      list ??= this.open(query, shape);
      slot = list.add(key, address, ttl, now, this.slots);
      this.slots.set(key, address, slot);
      return true;
    }
    list = list as RecentList;
    if (query.action === RECENT_SET) {
      list.touch(slot, ttl, now);
      return true;
    }
    if (query.action === RECENT_REMOVE) {
      list.remove(slot, this.slots);
      return true;
    }
    // jiffies wrap, and so does this clock: only differences are compared.
    const since = (now - query.seconds * 1000) | 0;
    const hit = list.hits(slot, query.seconds > 0, since, query.hitCount);
    // The kernel's `ret` has the rule's ! in it, so `! --update` renews what it does not match.
    const renews = query.action === RECENT_UPDATE && hit !== query.invert;
    if (query.reap) list.reap(since, renews ? slot : -1, this.slots);
    if (renews) list.touch(slot, ttl, now);
    return hit;
  }

  /** Every list and its addresses, longest unseen first; lists in the order they came into being. */
  dump(): ReadonlyMap<string, readonly IpAddress[]> {
    const result = new Map<string, readonly IpAddress[]>();
    for (const [id, list] of this.lists) {
      const addresses = list.addresses();
      if (addresses.length > 0) result.set(lists.name(id), addresses);
    }
    return result;
  }

  /** A list stays once it was opened, empty if what opened it is rolled back: an empty list answers as none does. */
  private open(query: RecentQuery, shape: RecentShape | undefined): RecentList {
    const list = new RecentList(this.journal, shape?.stamps ?? stampsFor(query.hitCount));
    this.lists.set(query.list, list);
    return list;
  }
}

export const RECENT_SET = 0;
export const RECENT_CHECK = 1;
export const RECENT_UPDATE = 2;
export const RECENT_REMOVE = 3;

/** A rule's question, compiled. */
export interface RecentQuery {
  /** As `internRecentList` gave it. */
  readonly list: number;
  readonly action: typeof RECENT_SET | typeof RECENT_CHECK | typeof RECENT_UPDATE | typeof RECENT_REMOVE;
  readonly invert: boolean;
  /** 0: any time. */
  readonly seconds: number;
  /** 0: any number. */
  readonly hitCount: number;
  readonly reap: boolean;
  readonly ttl: boolean;
  /** Four words; IPv4 looks at the first. */
  readonly mask: Ip6;
}

interface RecentShape {
  readonly mask: Ip6;
  readonly stamps: number;
}

const lists = new NameIds();

/** A list's name as a number. */
export function internRecentList(name: string): number {
  return lists.of(name);
}

const DEFAULT_STAMPS = 32;

/** How many times an entry keeps: a power of two, enough for the hit count asked. */
function stampsFor(hitCount: number): number {
  if (hitCount === 0) return DEFAULT_STAMPS;
  return 2 ** Math.ceil(Math.log2(hitCount));
}

/** `ip_list_tot`. */
const MAX_ENTRIES = 100;

// Cells of a list, then of each entry. Entries are chained from the longest unseen to the last seen, free ones by NEXT.
const HEAD = 0;
const TAIL = 1;
const COUNT = 2;
const FREE = 3;
const MADE = 4;
const LIST_CELLS = 5;

const ADDRESS = 0;
const TTL = 1;
/** Where the next time goes, 1 … stamps; behind the last one. */
const INDEX = 2;
/** How many times are held. */
const STAMPS = 3;
const PREVIOUS = 4;
const NEXT = 5;
/** The list's id, complemented for IPv6: what the entry is found by. */
const KEY = 6;
const TIMES = 7;

const NONE = 0;

class RecentList {
  private readonly stamps: number;
  private readonly stride: number;
  private readonly cells: Cells;

  constructor(journal: Journal, stamps: number) {
    this.stamps = stamps;
    this.stride = TIMES + stamps;
    this.cells = new Cells(journal, LIST_CELLS + 2 * this.stride);
  }

  ttlOf(slot: number): number {
    return this.cells.data[slot + TTL] as number;
  }

  /** `recent_entry_init`. A slot is the place of its entry's first cell. */
  add(key: number, address: number, ttl: number, now: number, index: PairMap): number {
    const cells = this.cells;
    if ((cells.data[COUNT] as number) >= MAX_ENTRIES) this.remove(cells.data[HEAD] as number, index);
    let slot = cells.data[FREE] as number;
    if (slot === NONE) {
      const made = cells.data[MADE] as number;
      slot = LIST_CELLS + made * this.stride;
      cells.grow(slot + this.stride);
      cells.set(MADE, made + 1);
    } else {
      cells.set(FREE, cells.data[slot + NEXT] as number);
    }
    cells.set(COUNT, (cells.data[COUNT] as number) + 1);
    cells.set(slot + KEY, key);
    cells.set(slot + ADDRESS, address);
    cells.set(slot + TTL, ttl);
    cells.set(slot + TIMES, now | 0);
    cells.set(slot + STAMPS, 1);
    cells.set(slot + INDEX, 1);
    this.append(slot);
    return slot;
  }

  /** `recent_entry_update`. */
  touch(slot: number, ttl: number, now: number): void {
    const cells = this.cells;
    const at = (cells.data[slot + INDEX] as number) & (this.stamps - 1);
    cells.set(slot + TIMES + at, now | 0);
    cells.set(slot + INDEX, at + 1);
    if (at + 1 > (cells.data[slot + STAMPS] as number)) cells.set(slot + STAMPS, at + 1);
    cells.set(slot + TTL, ttl);
    this.unchain(slot);
    this.append(slot);
  }

  /** `recent_entry_remove`. */
  remove(slot: number, index: PairMap): void {
    const cells = this.cells;
    index.delete(cells.data[slot + KEY] as number, cells.data[slot + ADDRESS] as number);
    this.unchain(slot);
    cells.set(slot + NEXT, cells.data[FREE] as number);
    cells.set(FREE, slot);
    cells.set(COUNT, (cells.data[COUNT] as number) - 1);
  }

  /** Was it seen often enough since then? */
  hits(slot: number, timed: boolean, since: number, hitCount: number): boolean {
    const data = this.cells.data;
    const held = data[slot + STAMPS] as number;
    let hits = 0;
    for (let i = 0; i < held; i++) {
      if (timed && isAfter(since, data[slot + TIMES + i] as number)) continue;
      if (hitCount === 0 || ++hits >= hitCount) return true;
    }
    return false;
  }

  /** `recent_entry_reap`: put out the longest unseen, if it is older than `since` and not about to be renewed. */
  reap(since: number, renewed: number, index: PairMap): void {
    const data = this.cells.data;
    const oldest = data[HEAD] as number;
    if (oldest === NONE || oldest === renewed) return;
    const last = data[oldest + TIMES + (data[oldest + INDEX] as number) - 1] as number;
    if (isAfter(since, last)) this.remove(oldest, index);
  }

  addresses(): IpAddress[] {
    const data = this.cells.data;
    const found: IpAddress[] = [];
    for (let slot = data[HEAD] as number; slot !== NONE; slot = data[slot + NEXT] as number) {
      const family: Family = (data[slot + KEY] as number) < 0 ? 6 : 4;
      found.push(plainAddress(family, data[slot + ADDRESS] as number));
    }
    return found;
  }

  private append(slot: number): void {
    const cells = this.cells;
    const tail = cells.data[TAIL] as number;
    cells.set(slot + PREVIOUS, tail);
    cells.set(slot + NEXT, NONE);
    if (tail === NONE) cells.set(HEAD, slot);
    else cells.set(tail + NEXT, slot);
    cells.set(TAIL, slot);
  }

  private unchain(slot: number): void {
    const cells = this.cells;
    const previous = cells.data[slot + PREVIOUS] as number;
    const next = cells.data[slot + NEXT] as number;
    if (previous === NONE) cells.set(HEAD, next);
    else cells.set(previous + NEXT, next);
    if (next === NONE) cells.set(TAIL, previous);
    else cells.set(next + PREVIOUS, previous);
  }
}

/** `time_after(a, b)`. */
function isAfter(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}
