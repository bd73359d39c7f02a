import { IPPROTO_TCP, isIcmp, type Packet, protocolKey } from "../../packet/packet.ts";
import { ELEMENT_DELETED, ELEMENT_PRESENT, ElementTable } from "../ipset/element-table.ts";
import { Cells, type Journal } from "../session/journal.ts";
import { ABSENT, PairMap } from "../session/pair-map.ts";
import { IPS_ASSURED, IPS_CONFIRMED } from "./status.ts";
import type { ConntrackTable } from "./table.ts";
import { TCP_CONNTRACK_CLOSE, TCP_CONNTRACK_TIME_WAIT } from "./tcp.ts";

/** A key is its list's number, what the list keeps apart, and the connection's original tuple with its zone. */
const KEY_WORDS = 8;
const LIST = 0;
const GROUP = 6;
const ZONE = 7;
/** Behind it: how often it is on the list, and how many were put on lists before it. */
const LAYOUT = {
  keyWords: KEY_WORDS,
  state: KEY_WORDS,
  times: KEY_WORDS + 1,
  order: KEY_WORDS + 2,
  stride: KEY_WORDS + 3,
};

/** A list that was looked through is not again in the same jiffy (CONFIG_HZ is 250 where kernels are not told otherwise). */
const JIFFY_MS = 4;

/**
 * Lists of connections that rules keep to say how many there are (net/netfilter/nf_conncount.c): one that has ended is struck
 * off when its list is looked through. Runs per packet.
 */
export class ConnectionCounts {
  private readonly table: ElementTable<typeof LAYOUT>;
  /** (list, group) to the jiffy in which it was looked through last. */
  private readonly lookedThrough: PairMap;
  /** cell 0: lists made; 1: jiffies that no clock showed; 2: connections put on lists */
  private readonly cells: Cells;
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly other = new Int32Array(KEY_WORDS);
  /** Every packet has a jiffy of its own: how long one takes is the machine's affair. */
  slow = false;

  constructor(journal: Journal) {
    this.table = new ElementTable(LAYOUT, journal, 8);
    this.lookedThrough = new PairMap(journal);
    this.cells = new Cells(journal, 3);
  }

  /** The number of a new list, from 1. */
  newList(): number {
    const number = (this.cells.data[0] as number) + 1;
    this.cells.set(0, number);
    return number;
  }

  /** What comes now comes in another jiffy than what came before. */
  later(): void {
    this.cells.set(1, (this.cells.data[1] as number) + 1);
  }

  /**
   * `nf_conncount_count_skb`: put a packet's connection on the list of those of an address.
   *
   * @returns how many are on it, 0 where the last has just ended
   */
  addByGroup(list: number, packet: Packet, conntrack: ConntrackTable, group: number): number {
    const zone = packet.ct < 0 ? 0 : conntrack.zone(packet.ct);
    // Zones are kept apart too.
    const own = (list << 16) | zone;
    if (this.lookedThrough.get(own, group) !== ABSENT) return this.add(own, packet, conntrack, group, true);
    // `insert_tree`: a list of its own, whatever is known of the connection.
    fill(this.key, own, packet, conntrack, group);
    this.lookedThrough.set(own, group, this.jiffy(packet, conntrack));
    return this.put(this.sweep(own, group, conntrack));
  }

  /**
   * `nf_conncount_add_skb`: put a packet's connection on a list, where it is not there and may be new.
   *
   * @param group what the list's connections have in common, 0 nothing
   * @param inTree it is one of a rule of iptables: nftables looks the whole list through again for who is there already
   *   (`nft_connlimit_do_eval`, on -EEXIST)
   * @returns how many are on it
   */
  add(list: number, packet: Packet, conntrack: ConntrackTable, group = 0, inTree = false): number {
    const { key, lookedThrough } = this;
    fill(key, list, packet, conntrack, group);
    const jiffy = this.jiffy(packet, conntrack);
    const isDue = lookedThrough.get(list, group) !== jiffy;
    const ct = packet.ct < 0 ? connectionOf(key, conntrack) : packet.ct;
    const status = ct < 0 ? 0 : conntrack.status(ct);
    // One that is assured is not put there at all.
    if ((status & IPS_ASSURED) !== 0) {
      if (!isDue) return this.count(list, group);
      lookedThrough.set(list, group, jiffy);
      return this.sweep(list, group, conntrack);
    }
    // A connection's first packets are put there unseen, whether they are there or not.
    if ((status & IPS_CONFIRMED) === 0 && !isDue) return this.put(this.count(list, group));
    // Who is on the list already is found before what comes behind it is looked at.
    const listed = this.listedOpen(conntrack);
    const count = this.sweep(list, group, conntrack, inTree ? listed : -1);
    if (listed >= 0) return count;
    lookedThrough.set(list, group, jiffy);
    return this.put(count);
  }

  /** Where the key is on its list and goes on, -1 where not. */
  private listedOpen(conntrack: ConntrackTable): number {
    const slot = this.table.find(this.key);
    const isThere = slot >= 0 && this.table.get(slot, LAYOUT.state) === ELEMENT_PRESENT;
    return isThere && isOpen(this.key, conntrack) ? slot : -1;
  }

  private jiffy({ number }: Packet, { now }: ConntrackTable): number {
    const skipped = this.cells.data[1] as number;
    return this.slow ? (skipped << 16) ^ number : Math.floor(now / JIFFY_MS) + skipped;
  }

  /** How many are on a list. */
  private count(list: number, group: number): number {
    let count = 0;
    for (const slot of this.members(list, group)) count += this.table.get(slot, LAYOUT.times);
    return count;
  }

  /**
   * `nf_conncount_gc_list`: strike off what has ended; how many are left.
   *
   * @param upTo the slot behind which nothing is looked at (`__nf_conncount_add` ends at its own), -1 all
   */
  private sweep(list: number, group: number, conntrack: ConntrackTable, upTo = -1): number {
    const { table, other } = this;
    let count = 0;
    let isBehind = false;
    for (const slot of this.members(list, group)) {
      table.readKey(slot, other);
      isBehind ||= slot === upTo;
      if (isBehind || isOpen(other, conntrack)) count += table.get(slot, LAYOUT.times);
      else table.set(slot, LAYOUT.state, ELEMENT_DELETED);
    }
    return count;
  }

  /** Who is on a list, the first that was put there first. */
  private members(list: number, group: number): number[] {
    const { table } = this;
    const found: number[] = [];
    for (const slot of table.slots()) {
      const isThere = table.get(slot, LAYOUT.state) === ELEMENT_PRESENT;
      if (isThere && table.get(slot, LIST) === list && table.get(slot, GROUP) === group) found.push(slot);
    }
    return found.sort((a, b) => table.get(a, LAYOUT.order) - table.get(b, LAYOUT.order));
  }

  /** Put the key on its list, once more if it is there; `count` others and itself are on it. */
  private put(count: number): number {
    const { table } = this;
    const slot = table.place(this.key);
    const isThere = table.get(slot, LAYOUT.state) === ELEMENT_PRESENT;
    table.set(slot, LAYOUT.times, isThere ? table.get(slot, LAYOUT.times) + 1 : 1);
    if (!isThere) {
      const order = this.cells.data[2] as number;
      table.set(slot, LAYOUT.order, order);
      this.cells.set(2, order + 1);
    }
    table.set(slot, LAYOUT.state, ELEMENT_PRESENT);
    return count + 1;
  }
}

function fill(key: Int32Array, list: number, packet: Packet, conntrack: ConntrackTable, group: number): void {
  const { ct } = packet;
  const icmp = isIcmp(packet);
  key[LIST] = list;
  key[1] = ct < 0 ? packet.src : conntrack.origSrc(ct);
  key[2] = ct < 0 ? packet.dst : conntrack.origDst(ct);
  key[3] = ct < 0 ? (icmp ? packet.icmpId : packet.sport) : conntrack.origSport(ct);
  key[4] =
    ct < 0 ? (icmp ? (packet.icmpType << 8) | packet.icmpCode : packet.dport) : conntrack.origDport(ct);
  key[5] = ct < 0 ? protocolKey(packet) : conntrack.protoKey(ct);
  key[GROUP] = group;
  key[ZONE] = ct < 0 ? 0 : conntrack.zone(ct);
}

/** The connection of a packet that has not been tracked yet, by its own addresses; -1 none (`get_ct_or_tuple_from_skb`). */
function connectionOf(key: Int32Array, conntrack: ConntrackTable): number {
  const [, src = 0, dst = 0, sport = 0, dport = 0, proto = 0, , zone = 0] = key;
  return conntrack.find(src, dst, sport, dport, proto, zone) >> 1;
}

/** `find_or_evict`, `already_closed`. */
function isOpen(key: Int32Array, conntrack: ConntrackTable): boolean {
  const [, src = 0, dst = 0, sport = 0, dport = 0, proto = 0, , zone = 0] = key;
  const node = conntrack.find(src, dst, sport, dport, proto, zone);
  if (node < 0) return false;
  if ((proto & 0xff) !== IPPROTO_TCP) return true;
  const state = conntrack.tcpState(node >> 1);
  return state !== TCP_CONNTRACK_TIME_WAIT && state !== TCP_CONNTRACK_CLOSE;
}
