import { IPPROTO_TCP, isIcmp, type Packet, protocolKey } from "../../packet/packet.ts";
import { ELEMENT_DELETED, ELEMENT_PRESENT, ElementTable } from "../ipset/element-table.ts";
import { Cells, type Journal } from "../session/journal.ts";
import { IPS_ASSURED, IPS_CONFIRMED } from "./status.ts";
import type { ConntrackTable } from "./table.ts";
import { TCP_CONNTRACK_CLOSE, TCP_CONNTRACK_TIME_WAIT } from "./tcp.ts";

/** A key is its list's number, a connection's tuple, and what one list keeps apart: a group and a zone. */
const KEY_WORDS = 8;
const TUPLE = 1;
const GROUP = 6;
const ZONE = 7;
/** In a tuple's place (its protocol's): the group itself, which stays when its last connection has gone. */
const OF_GROUP = -1;
/** Behind it: how often a connection is on the list; of a group, when it was looked through last. */
const LAYOUT = { keyWords: KEY_WORDS, state: KEY_WORDS, times: KEY_WORDS + 1, stride: KEY_WORDS + 2 };

/** What a packet that is counted is asked for besides its own tuple. */
export interface CountedAt {
  readonly conntrack: ConntrackTable;
  /** Number of the moment it is now: a list is not looked through twice in one (`jiffies`). */
  readonly moment: number;
}

/** Of nftables a list is there from its rule on, and keeps nothing apart. */
const ONE_GROUP = 0;

/**
 * Lists of connections that rules keep to say how many there are (net/netfilter/nf_conncount.c): one that has ended is struck
 * off when its list is looked through. Runs per packet.
 */
export class ConnectionCounts {
  private readonly table: ElementTable<typeof LAYOUT>;
  /** cell 0: lists made */
  private readonly made: Cells;
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly other = new Int32Array(KEY_WORDS);

  constructor(journal: Journal) {
    this.table = new ElementTable(LAYOUT, journal, 8);
    this.made = new Cells(journal, 1);
  }

  /** The number of a new list, from 1. */
  newList(): number {
    const number = (this.made.data[0] as number) + 1;
    this.made.set(0, number);
    return number;
  }

  /**
   * `nf_conncount_add_skb`, then `nf_conncount_gc_list` where the connection is no new one: one that is assured is not put on a
   * list.
   *
   * @returns how many are on it
   */
  add(list: number, packet: Packet, at: CountedAt): number {
    return this.addTo(list, ONE_GROUP, 0, packet, at);
  }

  /**
   * `nf_conncount_count_skb`: the same in a tree of lists, where the first packet of a group makes its list and is on it whatever
   * connection it is of.
   *
   * @param group what the tree keeps apart besides zones: an address
   * @returns how many are on its list; 0 drops the packet
   */
  addGrouped(list: number, packet: Packet, group: number, at: CountedAt): number {
    const { conntrack, moment } = at;
    const zone = zoneOf(packet, conntrack);
    const known = this.groupSlot(list, group, zone);
    if (this.table.get(known, LAYOUT.state) === ELEMENT_PRESENT)
      return this.addTo(list, group, zone, packet, at);
    this.table.set(known, LAYOUT.state, ELEMENT_PRESENT);
    this.table.set(known, LAYOUT.times, moment);
    fill(this.key, list, packet, conntrack);
    this.key[GROUP] = group;
    this.key[ZONE] = zone;
    this.listOnceMore();
    return 1;
  }

  private addTo(list: number, group: number, zone: number, packet: Packet, at: CountedAt): number {
    const { conntrack, moment } = at;
    const { key, table } = this;
    const known = this.groupSlot(list, group, zone);
    const wasLookedThrough = table.get(known, LAYOUT.times) === moment;
    fill(key, list, packet, conntrack);
    key[GROUP] = group;
    key[ZONE] = zone;
    const ct = connectionOf(packet, key, conntrack, zone);
    const status = ct < 0 ? 0 : conntrack.status(ct);
    if ((status & IPS_ASSURED) !== 0) {
      if (!wasLookedThrough) table.set(known, LAYOUT.times, moment);
      return this.count(conntrack, !wasLookedThrough);
    }
    if ((status & IPS_CONFIRMED) !== 0 || !wasLookedThrough) {
      const count = this.count(conntrack, true);
      if (this.isListed()) return count;
    }
    this.listOnceMore();
    table.set(known, LAYOUT.times, moment);
    return this.count(conntrack, false);
  }

  private groupSlot(list: number, group: number, zone: number): number {
    const { key } = this;
    key.fill(0);
    key[0] = list;
    key[TUPLE + 4] = OF_GROUP;
    key[GROUP] = group;
    key[ZONE] = zone;
    return this.table.place(key);
  }

  private isListed(): boolean {
    const slot = this.table.find(this.key);
    return slot >= 0 && this.table.get(slot, LAYOUT.state) === ELEMENT_PRESENT;
  }

  private listOnceMore(): void {
    const { table, key } = this;
    const times = this.isListed() ? table.get(table.find(key), LAYOUT.times) : 0;
    const slot = table.place(key);
    table.set(slot, LAYOUT.state, ELEMENT_PRESENT);
    table.set(slot, LAYOUT.times, times + 1);
  }

  /** How many are on the list that the key's connection belongs on, once those that have ended are struck off, if they are. */
  private count(conntrack: ConntrackTable, strikes: boolean): number {
    const { key, other, table } = this;
    let count = 0;
    for (const slot of table.slots()) {
      if (table.get(slot, LAYOUT.state) !== ELEMENT_PRESENT || table.get(slot, 0) !== key[0]) continue;
      table.readKey(slot, other);
      if (other[TUPLE + 4] === OF_GROUP || other[GROUP] !== key[GROUP] || other[ZONE] !== key[ZONE]) continue;
      if (!strikes || isOpen(other, conntrack)) count += table.get(slot, LAYOUT.times);
      else table.set(slot, LAYOUT.state, ELEMENT_DELETED);
    }
    return count;
  }
}

/** `get_ct_or_tuple_from_skb`: its connection's original tuple, or its own where it has not been tracked yet or never is. */
function fill(key: Int32Array, list: number, packet: Packet, conntrack: ConntrackTable): void {
  const { ct } = packet;
  const icmp = isIcmp(packet);
  key[0] = list;
  key[TUPLE] = ct < 0 ? packet.src : conntrack.origSrc(ct);
  key[TUPLE + 1] = ct < 0 ? packet.dst : conntrack.origDst(ct);
  key[TUPLE + 2] = ct < 0 ? (icmp ? packet.icmpId : packet.sport) : conntrack.origSport(ct);
  key[TUPLE + 3] =
    ct < 0 ? (icmp ? (packet.icmpType << 8) | packet.icmpCode : packet.dport) : conntrack.origDport(ct);
  key[TUPLE + 4] = ct < 0 ? protocolKey(packet) : conntrack.protoKey(ct);
}

function zoneOf({ ct, ctTemplate }: Packet, conntrack: ConntrackTable): number {
  return ct < 0 ? Math.max(0, ctTemplate) : conntrack.zone(ct);
}

/** The connection of a packet, or the one that its tuple is of. */
function connectionOf(packet: Packet, key: Int32Array, conntrack: ConntrackTable, zone: number): number {
  if (packet.ct >= 0) return packet.ct;
  const [, src = 0, dst = 0, sport = 0, dport = 0, proto = 0] = key;
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
