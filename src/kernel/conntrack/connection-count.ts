import { IPPROTO_TCP, type Packet, protocolKey } from "../../packet/packet.ts";
import { ELEMENT_DELETED, ELEMENT_PRESENT, ElementTable } from "../ipset/element-table.ts";
import { Cells, type Journal } from "../session/journal.ts";
import { IPS_CONFIRMED } from "./status.ts";
import type { ConntrackTable } from "./table.ts";
import { TCP_CONNTRACK_CLOSE, TCP_CONNTRACK_TIME_WAIT } from "./tcp.ts";

/** A key is its list's number, whose connections are counted together, their zone, and the connection's original tuple. */
const KEY_WORDS = 8;
/** Behind it: how often it is on the list, and which of the table's connections it was when it was put there. */
const LAYOUT = {
  keyWords: KEY_WORDS,
  state: KEY_WORDS,
  times: KEY_WORDS + 1,
  serial: KEY_WORDS + 2,
  stride: KEY_WORDS + 3,
};

/**
 * Lists of connections that rules keep to say how many there are (net/netfilter/nf_conncount.c): one that has ended is struck
 * off when its list is asked again. Runs per packet.
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
   * `nf_conncount_add`, `nf_conncount_count`: put a packet's connection on a list.
   *
   * @param group what a list keeps apart: an address
   * @param byZone does it keep zones apart, too?
   * @returns how many are on it
   */
  add(list: number, packet: Packet, conntrack: ConntrackTable, group = 0, byZone = false): number {
    const { key, other, table } = this;
    fill(key, list, packet, conntrack);
    key[6] = group;

    let count = 1;
    for (const slot of table.slots()) {
      if (table.get(slot, LAYOUT.state) !== ELEMENT_PRESENT || table.get(slot, 0) !== list) continue;
      table.readKey(slot, other);
      if (other[6] !== group || (byZone && other[7] !== key[7])) continue;
      if (other.every((word, i) => word === key[i])) continue;
      if (isOpen(other, conntrack)) count += table.get(slot, LAYOUT.times);
      else table.set(slot, LAYOUT.state, ELEMENT_DELETED);
    }
    const slot = table.place(key);
    const isThere = table.get(slot, LAYOUT.state) === ELEMENT_PRESENT;
    // A list that was just looked through is not again: a new connection's first packet, asked about twice, is on it twice.
    const isNew = packet.ct < 0 || (conntrack.status(packet.ct) & IPS_CONFIRMED) === 0;
    const isSame = isThere && table.get(slot, LAYOUT.serial) === conntrack.created;
    const times = isNew
      ? isSame
        ? table.get(slot, LAYOUT.times) + 1
        : 1
      : isThere
        ? table.get(slot, LAYOUT.times)
        : 1;
    table.set(slot, LAYOUT.state, ELEMENT_PRESENT);
    table.set(slot, LAYOUT.times, times);
    table.set(slot, LAYOUT.serial, conntrack.created);
    return count + times - 1;
  }
}

function fill(key: Int32Array, list: number, packet: Packet, conntrack: ConntrackTable): void {
  const { ct } = packet;
  key[0] = list;
  key[1] = ct < 0 ? packet.src : conntrack.origSrc(ct);
  key[2] = ct < 0 ? packet.dst : conntrack.origDst(ct);
  key[3] = ct < 0 ? packet.sport : conntrack.origSport(ct);
  key[4] = ct < 0 ? packet.dport : conntrack.origDport(ct);
  key[5] = ct < 0 ? protocolKey(packet) : conntrack.protoKey(ct);
  key[7] = ct < 0 ? 0 : conntrack.zone(ct);
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
