import type { Family } from "../../address/ip.ts";
import * as PACKET from "../../packet/packet.ts";
import { Cells, type Journal } from "../session/journal.ts";
import { Expectations } from "./expectations.ts";
import { ConntrackExtensions } from "./extensions.ts";
import * as CT_STATUS from "./status.ts";
import { zoneId } from "./zone.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { KEY_IPV6 } = PACKET;
const { IPS_CONFIRMED, IPS_DYING } = CT_STATUS;

/**
 * A host's connection tracking table (`nf_conntrack_core.c`): entries and their two tuples in journaled cells, found by
 * hash. A tuple is (source, destination, source port, destination port, protocol with family: `protocolKey`); for ICMP the "source port" is the id
 * and the "destination port" type << 8 | code.
 *
 * An entry is made unconfirmed and enters the hash at `confirm`, so a packet dropped on the way leaves none.
 * This is code that runs per packet: it allocates only when the table grows.
 */

const STRIDE = 20;
const STATUS = 0;
const PROTO = 1;
const ORIG = 2;
const REPLY = 6;
const TCP_STATE = 10;
const MARK = 11;
const EXPIRES = 12;
const NEXT_ORIG = 13;
const NEXT_REPLY = 14;
const ZONE = 15;
const STREAM_AT = 16;
const USED = 17;
const NEXT_FREE = 18;
/** Bit 0: was a port chosen freely? Above it the device it was masqueraded for. */
const FREE_PORT = 19;

const NONE = -1;

export class ConntrackTable {
  private readonly entries: Cells;
  private heads: Cells;
  private mask: number;
  /** cell 0: entries ever made, 1: head of the free list, 2: entries in the hash, 3: unconfirmed in `pending`, 4: how often one was made */
  private readonly counts: Cells;
  private readonly pending: Cells;
  /** What only some rules ask of an entry. */
  readonly extensions: ConntrackExtensions;
  /** `net.netfilter.nf_conntrack_acct`, set by the owner before use. */
  accounts = false;
  readonly expectations: Expectations;
  private readonly journal: Journal;
  /** Was a connection ever given another source port? Only ever set, and only to spare a look through the table. */
  portsMoved = false;
  /** Virtual time in milliseconds, set by the owner before use. */
  now = 0;
  /**
   * How often a tuple was put into the hash: what was not there is still not there while it stays the same. That it was not is noted
   * while no layer is open, which could be taken back.
   */
  private linked = 0;
  /** Hash of the tuple last sought. */
  private soughtHash = 0;
  /** The entry made last for a tuple that nobody had, its hash, and `linked` then. */
  private fresh = NONE;
  private freshHash = 0;
  private freshAt = 0;
  /** The entry found last to have a reply tuple that nobody else has, its hash, and `linked` then. */
  private freeReply = NONE;
  private freeReplyHash = 0;
  private freeReplyAt = 0;

  constructor(journal: Journal) {
    this.journal = journal;
    this.expectations = new Expectations(journal);
    this.entries = new Cells(journal, STRIDE * 16);
    this.heads = new Cells(journal, 32);
    this.heads.data.fill(NONE);
    this.mask = 31;
    this.counts = new Cells(journal, 5);
    this.counts.data[1] = NONE;
    this.pending = new Cells(journal, 16);
    this.extensions = new ConntrackExtensions(journal);
  }

  /** By entry: when those that were there before the first packet expire. */
  private kept = new Int32Array(0);

  /** What is in the table now was there before the first packet. */
  noteKept(): void {
    const made = this.counts.data[0] as number;
    this.kept = Int32Array.from(
      { length: made },
      (_, ct) => this.entries.data[ct * STRIDE + EXPIRES] as number,
    );
  }

  /** Was it there before the first packet, and has none renewed it since? */
  isUntouched(ct: number): boolean {
    return ct < this.kept.length && this.kept[ct] === this.entries.data[ct * STRIDE + EXPIRES];
  }

  /** How often an entry was made. */
  get created(): number {
    return this.counts.data[4] as number;
  }

  /** Entries in the table. */
  get size(): number {
    return this.counts.data[2] as number;
  }

  /**
   * Find the entry one of whose tuples is this one.
   *
   * @returns `entry * 2 + direction`, or -1
   */
  find(src: number, dst: number, sport: number, dport: number, proto: number, zone: number): number {
    const hash = hashTuple(src, dst, sport, dport, proto);
    this.soughtHash = hash;
    return this.findHashed(hash, src, dst, sport, dport, proto, zone, -1);
  }

  /** The entry was made for the tuple that `find` was asked for last, and did not find. */
  noteFresh(ct: number): void {
    if (this.journal.open) return;
    this.fresh = ct;
    this.freshHash = this.soughtHash;
    this.freshAt = this.linked;
  }

  /**
   * `nf_conntrack_tuple_taken`: has another entry this tuple, which an entry's answers would have? Asked for where the entry's
   * own answers are kept: what a zone of one direction keeps elsewhere is not seen.
   */
  isTakenFor(self: number, src: number, dst: number, sport: number, dport: number, proto: number): boolean {
    const zone = this.zone(self);
    const hash = hashTuple(src, dst, sport, dport, proto);
    const node = this.findHashed(hash, src, dst, sport, dport, proto, zone, zoneId(zone, 1));
    return node >= 0 && node >> 1 !== self;
  }

  /** Has another entry the tuple that this unconfirmed one's answers have? */
  isReplyTaken(ct: number): boolean {
    if (this.freeReply === ct && this.freeReplyAt === this.linked) return false;
    const hash = this.hashOf(ct, REPLY);
    if (this.isTaken(ct, 1, hash)) return true;
    if (this.journal.open) return false;
    this.freeReply = ct;
    this.freeReplyAt = this.linked;
    this.freeReplyHash = hash;
    return false;
  }

  /** @param among the zone's id that the kernel hashes with the tuple, which finds no other's; -1: of either direction */
  private findHashed(
    hash: number,
    src: number,
    dst: number,
    sport: number,
    dport: number,
    proto: number,
    zone: number,
    among: number,
  ): number {
    const e = this.entries.data;
    let node = this.heads.data[hash & this.mask] as number;
    while (node !== NONE) {
      const at = (node >> 1) * STRIDE;
      const tuple = at + ((node & 1) === 0 ? ORIG : REPLY);
      if (
        e[tuple] === src &&
        e[tuple + 1] === dst &&
        e[tuple + 2] === sport &&
        e[tuple + 3] === dport &&
        e[at + PROTO] === proto &&
        zoneId(e[at + ZONE] as number, node & 1) === zoneId(zone, node & 1) &&
        (zone === 0 || among < 0 || zoneId(zone, node & 1) === among)
      ) {
        if ((e[at + EXPIRES] as number) > this.now) return node;
        this.remove(node >> 1);
        return -1;
      }
      node = e[at + ((node & 1) === 0 ? NEXT_ORIG : NEXT_REPLY)] as number;
    }
    return -1;
  }

  /** A new, unconfirmed entry for a tuple and its reply. */
  create(
    src: number,
    dst: number,
    sport: number,
    dport: number,
    rsport: number,
    rdport: number,
    proto: number,
    zone: number,
  ): number {
    let index = this.counts.data[1] as number;
    if (index !== NONE) {
      this.counts.set(1, this.entries.data[index * STRIDE + NEXT_FREE] as number);
    } else {
      index = this.counts.data[0] as number;
      this.entries.grow((index + 1) * STRIDE);
      this.counts.set(0, index + 1);
    }
    const at = index * STRIDE;
    const e = this.entries.rewritten(at, STRIDE);
    e[at + STATUS] = 0;
    e[at + PROTO] = proto;
    e[at + ORIG] = src;
    e[at + ORIG + 1] = dst;
    e[at + ORIG + 2] = sport;
    e[at + ORIG + 3] = dport;
    e[at + REPLY] = dst;
    e[at + REPLY + 1] = src;
    e[at + REPLY + 2] = rsport;
    e[at + REPLY + 3] = rdport;
    e[at + TCP_STATE] = 0;
    e[at + MARK] = 0;
    e[at + EXPIRES] = 0x7fffffff;
    e[at + ZONE] = zone;
    e[at + STREAM_AT] = 0;
    e[at + USED] = 1;
    e[at + FREE_PORT] = 0;
    this.extensions.clear(index);
    this.fresh = NONE;
    if (this.freeReply === index) this.freeReply = NONE;
    this.counts.set(4, this.created + 1);
    const waiting = this.counts.data[3] as number;
    this.pending.grow(waiting + 1);
    this.pending.set(waiting, index);
    this.counts.set(3, waiting + 1);
    return index;
  }

  /** Change the reply tuple of an unconfirmed entry (`nf_conntrack_alter_reply`), as NAT does. */
  alterReply(ct: number, src: number, dst: number, sport: number, dport: number): void {
    if (this.freeReply === ct) this.freeReply = NONE;
    const at = ct * STRIDE + REPLY;
    this.entries.set(at, src);
    this.entries.set(at + 1, dst);
    this.entries.set(at + 2, sport);
    this.entries.set(at + 3, dport);
  }

  /** `__nf_conntrack_confirm`. False: a clash with another entry's tuple; the packet is to be dropped. */
  confirm(ct: number): boolean {
    const { linked } = this;
    const isFresh = this.fresh === ct && this.freshAt === linked;
    const original = isFresh ? this.freshHash : this.hashOf(ct, ORIG);
    if (!isFresh && this.isTaken(ct, 0, original)) return false;
    const isFree = this.freeReply === ct && this.freeReplyAt === linked;
    const reply = isFree ? this.freeReplyHash : this.hashOf(ct, REPLY);
    if (!isFree && this.isTaken(ct, 1, reply)) return false;
    this.linked = linked + 1;
    if (this.size * 2 > this.mask) this.rehash();
    this.link(ct, 0, original);
    this.link(ct, 1, reply);
    const at = ct * STRIDE + STATUS;
    this.entries.set(at, (this.entries.data[at] as number) | IPS_CONFIRMED);
    this.counts.set(2, this.size + 1);
    return true;
  }

  /** Has another entry this tuple of an entry's? */
  private isTaken(ct: number, direction: 0 | 1, hash: number): boolean {
    const e = this.entries.data;
    const at = ct * STRIDE;
    const t = at + (direction === 0 ? ORIG : REPLY);
    const zone = e[at + ZONE] as number;
    return (
      this.findHashed(
        hash,
        e[t] as number,
        e[t + 1] as number,
        e[t + 2] as number,
        e[t + 3] as number,
        e[at + PROTO] as number,
        zone,
        zoneId(zone, direction),
      ) >= 0
    );
  }

  /** Take an entry out of the table (expired, killed, flushed). Packets in flight may still read it. */
  remove(ct: number): void {
    const at = ct * STRIDE;
    const status = this.entries.data[at + STATUS] as number;
    if ((status & IPS_DYING) !== 0) return;
    if (this.expectations.size > 0) this.expectations.forget(ct);
    if ((status & IPS_CONFIRMED) !== 0) {
      this.unlink(ct, 0);
      this.unlink(ct, 1);
      this.counts.set(2, this.size - 1);
    }
    this.entries.set(at + STATUS, status | IPS_DYING);
    const waiting = this.counts.data[3] as number;
    this.pending.grow(waiting + 1);
    this.pending.set(waiting, ct);
    this.counts.set(3, waiting + 1);
  }

  /** Free what no packet holds any more: called when a walk has ended. */
  sweep(): void {
    const waiting = this.counts.data[3] as number;
    for (let i = 0; i < waiting; i++) {
      const ct = this.pending.data[i] as number;
      const at = ct * STRIDE;
      const status = this.entries.data[at + STATUS] as number;
      if (this.entries.data[at + USED] === 0) continue;
      if ((status & IPS_DYING) === 0 && (status & IPS_CONFIRMED) !== 0) continue;
      if (this.expectations.size > 0) this.expectations.forget(ct);
      this.entries.set(at + USED, 0);
      this.entries.set(at + STATUS, IPS_DYING);
      this.entries.set(at + NEXT_FREE, this.counts.data[1] as number);
      this.counts.set(1, ct);
    }
    if (waiting > 0) this.counts.set(3, 0);
  }

  /** `conntrack -F`. */
  flush(): void {
    this.forEach((ct) => {
      this.remove(ct);
    });
    this.sweep();
  }

  /** Every confirmed, unexpired entry, in order of making. */
  forEach(visit: (ct: number) => void): void {
    const made = this.counts.data[0] as number;
    for (let ct = 0; ct < made; ct++) {
      const at = ct * STRIDE;
      const e = this.entries.data;
      const status = e[at + STATUS] as number;
      if (e[at + USED] === 0 || (status & IPS_CONFIRMED) === 0 || (status & IPS_DYING) !== 0) continue;
      if ((e[at + EXPIRES] as number) <= this.now) continue;
      visit(ct);
    }
  }

  status(ct: number): number {
    return this.entries.data[ct * STRIDE + STATUS] as number;
  }
  setStatus(ct: number, bits: number): void {
    const at = ct * STRIDE + STATUS;
    const old = this.entries.data[at] as number;
    if ((old & bits) !== bits) this.entries.set(at, old | bits);
  }
  /** The protocol's number alone. */
  proto(ct: number): number {
    return (this.entries.data[ct * STRIDE + PROTO] as number) & 0xff;
  }
  /** Protocol and family (`protocolKey`), as `find` and `create` are given. */
  protoKey(ct: number): number {
    return this.entries.data[ct * STRIDE + PROTO] as number;
  }
  family(ct: number): Family {
    return ((this.entries.data[ct * STRIDE + PROTO] as number) & KEY_IPV6) === 0 ? 4 : 6;
  }
  /** As `zoneOf` makes it. */
  zone(ct: number): number {
    return this.entries.data[ct * STRIDE + ZONE] as number;
  }
  mark(ct: number): number {
    return this.entries.data[ct * STRIDE + MARK] as number;
  }
  setMark(ct: number, mark: number): void {
    this.entries.set(ct * STRIDE + MARK, mark);
  }
  tcpState(ct: number): number {
    return this.entries.data[ct * STRIDE + TCP_STATE] as number;
  }
  setTcpState(ct: number, state: number): void {
    this.entries.set(ct * STRIDE + TCP_STATE, state);
  }
  /** Restart the timeout, milliseconds from now (`nf_ct_refresh_acct`). */
  refresh(ct: number, timeoutMs: number): void {
    const at = ct * STRIDE + EXPIRES;
    const expires = Math.min(this.now + timeoutMs, 0x7ffffffe);
    if (this.entries.data[at] !== expires) this.entries.set(at, expires);
  }
  expires(ct: number): number {
    return this.entries.data[ct * STRIDE + EXPIRES] as number;
  }
  streamAt(ct: number): number {
    return this.entries.data[ct * STRIDE + STREAM_AT] as number;
  }
  setStreamAt(ct: number, at: number): void {
    this.entries.set(ct * STRIDE + STREAM_AT, at);
  }
  /** Was a port of this entry taken by free choice (a masquerade's)? */
  freePort(ct: number): boolean {
    return ((this.entries.data[ct * STRIDE + FREE_PORT] as number) & 1) !== 0;
  }
  setFreePort(ct: number): void {
    this.entries.set(ct * STRIDE + FREE_PORT, (this.entries.data[ct * STRIDE + FREE_PORT] as number) | 1);
  }

  /** ifindex of the device it was masqueraded for (`nf_conn_nat.masq_index`), 0 none. */
  masqueradedBy(ct: number): number {
    return (this.entries.data[ct * STRIDE + FREE_PORT] as number) >> 1;
  }
  setMasqueradedBy(ct: number, ifindex: number): void {
    const at = ct * STRIDE + FREE_PORT;
    this.entries.set(at, ((this.entries.data[at] as number) & 1) | (ifindex << 1));
  }

  origSrc(ct: number): number {
    return this.entries.data[ct * STRIDE + ORIG] as number;
  }
  origDst(ct: number): number {
    return this.entries.data[ct * STRIDE + ORIG + 1] as number;
  }
  origSport(ct: number): number {
    return this.entries.data[ct * STRIDE + ORIG + 2] as number;
  }
  origDport(ct: number): number {
    return this.entries.data[ct * STRIDE + ORIG + 3] as number;
  }
  replySrc(ct: number): number {
    return this.entries.data[ct * STRIDE + REPLY] as number;
  }
  replyDst(ct: number): number {
    return this.entries.data[ct * STRIDE + REPLY + 1] as number;
  }
  replySport(ct: number): number {
    return this.entries.data[ct * STRIDE + REPLY + 2] as number;
  }
  replyDport(ct: number): number {
    return this.entries.data[ct * STRIDE + REPLY + 3] as number;
  }

  /** @param tuple `ORIG` or `REPLY` */
  private hashOf(ct: number, tuple: number): number {
    const e = this.entries.data;
    const t = ct * STRIDE + tuple;
    return hashTuple(
      e[t] as number,
      e[t + 1] as number,
      e[t + 2] as number,
      e[t + 3] as number,
      e[ct * STRIDE + PROTO] as number,
    );
  }

  private link(ct: number, direction: 0 | 1, hash: number): void {
    const bucket = hash & this.mask;
    this.entries.set(
      ct * STRIDE + (direction === 0 ? NEXT_ORIG : NEXT_REPLY),
      this.heads.data[bucket] as number,
    );
    this.heads.set(bucket, ct * 2 + direction);
  }

  private unlink(ct: number, direction: 0 | 1): void {
    const e = this.entries.data;
    const bucket = this.hashOf(ct, direction === 0 ? ORIG : REPLY) & this.mask;
    const gone = ct * 2 + direction;
    const after = e[ct * STRIDE + (direction === 0 ? NEXT_ORIG : NEXT_REPLY)] as number;
    let node = this.heads.data[bucket] as number;
    if (node === gone) {
      this.heads.set(bucket, after);
      return;
    }
    while (node !== NONE) {
      const next = (node >> 1) * STRIDE + ((node & 1) === 0 ? NEXT_ORIG : NEXT_REPLY);
      if (e[next] === gone) {
        this.entries.set(next, after);
        return;
      }
      node = e[next] as number;
    }
  }

  private rehash(): void {
    const oldMask = this.mask;
    this.journal.undo(() => {
      this.mask = oldMask;
    });
    this.heads.replace(new Int32Array((oldMask + 1) * 4).fill(NONE));
    this.mask = (oldMask + 1) * 4 - 1;
    const made = this.counts.data[0] as number;
    for (let ct = 0; ct < made; ct++) {
      const status = this.entries.data[ct * STRIDE + STATUS] as number;
      if ((status & IPS_CONFIRMED) === 0 || (status & IPS_DYING) !== 0) continue;
      this.link(ct, 0, this.hashOf(ct, ORIG));
      this.link(ct, 1, this.hashOf(ct, REPLY));
    }
  }
}

function hashTuple(src: number, dst: number, sport: number, dport: number, proto: number): number {
  let h =
    Math.imul(src, 0x9e3779b1) ^
    Math.imul(dst, 0x85ebca77) ^
    Math.imul((sport << 16) | dport, 0xc2b2ae3d) ^
    proto;
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  // Signed: an unsigned result may need a heap number.
  return h;
}
