import { Cells, type Journal } from "../session/journal.ts";

/**
 * IPVS's connections of one host (`ip_vs_conn_tab`): entries in journaled cells, found by the client's end alone, as the
 * kernel hashes them, so that both directions find the same chain. Templates of persistent clients are entries too, with
 * client port 0. A new entry stands first in its chain.
 *
 * This is code that runs per packet: it allocates only when the table grows.
 */

const STRIDE = 17;
const PROTO = 0;
const CADDR = 1;
const CPORT = 2;
const VADDR = 3;
const VPORT = 4;
const DADDR = 5;
const DPORT = 6;
const FLAGS = 7;
const STATE = 8;
const TIMEOUT = 9;
const EXPIRES = 10;
const DEST = 11;
const CONTROL = 12;
const CONTROLS = 13;
const NEXT = 14;
const LIFE = 15;
const BORN = 16;

/** `LIFE`: in the free list, in use but in no chain, in a chain. */
const FREE = 0;
const UNHASHED = 1;
const HASHED = 2;

export const NO_CONNECTION = -1;

export class ConnectionTable {
  private readonly entries: Cells;
  private readonly heads: Cells;
  private mask = 63;
  /** cell 0: entries made room for, 1: head of the free list, 2: entries in use, 3: entries ever begun */
  private readonly counts: Cells;
  private readonly journal: Journal;

  constructor(journal: Journal) {
    this.journal = journal;
    this.entries = new Cells(journal, STRIDE * 16);
    this.heads = new Cells(journal, this.mask + 1);
    this.heads.data.fill(NO_CONNECTION);
    this.counts = new Cells(journal, 4);
    this.counts.data[1] = NO_CONNECTION;
  }

  /** Entries in use, templates included. */
  get size(): number {
    return this.counts.data[2] as number;
  }

  /** How many entries were begun so far. */
  get begun(): number {
    return this.counts.data[3] as number;
  }

  /** Which of all those begun an entry is, from 0. */
  born(cp: number): number {
    return this.entries.data[cp * STRIDE + BORN] as number;
  }

  /** A new entry, in no chain yet (`ip_vs_conn_new`). */
  create(
    proto: number,
    caddr: number,
    cport: number,
    vaddr: number,
    vport: number,
    daddr: number,
    dport: number,
    flags: number,
    dest: number,
  ): number {
    let cp = this.counts.data[1] as number;
    if (cp !== NO_CONNECTION) this.counts.set(1, this.entries.data[cp * STRIDE + NEXT] as number);
    else {
      cp = this.counts.data[0] as number;
      this.entries.grow((cp + 1) * STRIDE);
      this.counts.set(0, cp + 1);
    }
    this.counts.set(2, this.size + 1);
    const born = this.begun;
    this.counts.set(3, born + 1);
    const e = this.entries;
    const at = cp * STRIDE;
    e.set(at + PROTO, proto);
    e.set(at + CADDR, caddr);
    e.set(at + CPORT, cport);
    e.set(at + VADDR, vaddr);
    e.set(at + VPORT, vport);
    e.set(at + DADDR, daddr);
    e.set(at + DPORT, dport);
    e.set(at + FLAGS, flags);
    e.set(at + STATE, 0);
    e.set(at + TIMEOUT, 3000);
    e.set(at + EXPIRES, NEVER);
    e.set(at + DEST, dest);
    e.set(at + CONTROL, NO_CONNECTION);
    e.set(at + CONTROLS, 0);
    e.set(at + NEXT, NO_CONNECTION);
    e.set(at + LIFE, UNHASHED);
    e.set(at + BORN, born);
    return cp;
  }

  /** `ip_vs_conn_hash`. */
  hash(cp: number): void {
    if (this.size > this.mask * 2) this.rehash();
    const at = cp * STRIDE;
    const bucket = this.bucketOf(at);
    this.entries.set(at + NEXT, this.heads.data[bucket] as number);
    this.heads.set(bucket, cp);
    this.entries.set(at + LIFE, HASHED);
  }

  /** `ip_vs_conn_unhash`. */
  unhash(cp: number): void {
    const e = this.entries.data;
    const at = cp * STRIDE;
    if (e[at + LIFE] !== HASHED) return;
    const bucket = this.bucketOf(at);
    const after = e[at + NEXT] as number;
    let node = this.heads.data[bucket] as number;
    if (node === cp) this.heads.set(bucket, after);
    else {
      while (e[node * STRIDE + NEXT] !== cp) node = e[node * STRIDE + NEXT] as number;
      this.entries.set(node * STRIDE + NEXT, after);
    }
    this.entries.set(at + LIFE, UNHASHED);
  }

  /** Give an entry back. */
  free(cp: number): void {
    this.unhash(cp);
    this.entries.set(cp * STRIDE + LIFE, FREE);
    this.entries.set(cp * STRIDE + NEXT, this.counts.data[1] as number);
    this.counts.set(1, cp);
    this.counts.set(2, this.size - 1);
  }

  /** `ip_vs_conn_in_get`, which knows no connection from port 0; and `ip_vs_ct_in_get`, for templates, which have that. */
  findIn(
    proto: number,
    caddr: number,
    cport: number,
    vaddr: number,
    vport: number,
    template: boolean,
  ): number {
    if (cport === 0 && !template) return NO_CONNECTION;
    const e = this.entries.data;
    let cp = this.heads.data[hashOf(proto, caddr, cport) & this.mask] as number;
    while (cp !== NO_CONNECTION) {
      const at = cp * STRIDE;
      if (
        e[at + CPORT] === cport &&
        e[at + VPORT] === vport &&
        e[at + CADDR] === caddr &&
        e[at + VADDR] === vaddr &&
        e[at + PROTO] === proto &&
        (((e[at + FLAGS] as number) & TEMPLATE_BIT) !== 0) === template
      ) {
        return cp;
      }
      cp = e[at + NEXT] as number;
    }
    return NO_CONNECTION;
  }

  /**
   * `ip_vs_conn_out_get`: the connection a server's answer belongs to. A translated one is known by the server's end, the
   * others by the virtual one.
   */
  findOut(proto: number, caddr: number, cport: number, saddr: number, sport: number): number {
    const e = this.entries.data;
    let cp = this.heads.data[hashOf(proto, caddr, cport) & this.mask] as number;
    while (cp !== NO_CONNECTION) {
      const at = cp * STRIDE;
      const end = ((e[at + FLAGS] as number) & METHOD_BITS) === 0 ? DADDR : VADDR;
      if (
        e[at + CPORT] === cport &&
        e[at + end + 1] === sport &&
        e[at + CADDR] === caddr &&
        e[at + end] === saddr &&
        e[at + PROTO] === proto
      ) {
        return cp;
      }
      cp = e[at + NEXT] as number;
    }
    return NO_CONNECTION;
  }

  /** Every entry in a chain, in order of making. */
  forEach(visit: (cp: number) => void): void {
    const made = this.counts.data[0] as number;
    for (let cp = 0; cp < made; cp++) {
      if (this.entries.data[cp * STRIDE + LIFE] === HASHED) visit(cp);
    }
  }

  /** Is it still in the table? */
  isHashed(cp: number): boolean {
    return this.entries.data[cp * STRIDE + LIFE] === HASHED;
  }

  proto(cp: number): number {
    return this.entries.data[cp * STRIDE + PROTO] as number;
  }
  caddr(cp: number): number {
    return this.entries.data[cp * STRIDE + CADDR] as number;
  }
  cport(cp: number): number {
    return this.entries.data[cp * STRIDE + CPORT] as number;
  }
  vaddr(cp: number): number {
    return this.entries.data[cp * STRIDE + VADDR] as number;
  }
  vport(cp: number): number {
    return this.entries.data[cp * STRIDE + VPORT] as number;
  }
  daddr(cp: number): number {
    return this.entries.data[cp * STRIDE + DADDR] as number;
  }
  dport(cp: number): number {
    return this.entries.data[cp * STRIDE + DPORT] as number;
  }
  flags(cp: number): number {
    return this.entries.data[cp * STRIDE + FLAGS] as number;
  }
  setFlags(cp: number, flags: number): void {
    if (this.entries.data[cp * STRIDE + FLAGS] !== flags) this.entries.set(cp * STRIDE + FLAGS, flags);
  }
  state(cp: number): number {
    return this.entries.data[cp * STRIDE + STATE] as number;
  }
  setState(cp: number, state: number): void {
    this.entries.set(cp * STRIDE + STATE, state);
  }
  timeout(cp: number): number {
    return this.entries.data[cp * STRIDE + TIMEOUT] as number;
  }
  setTimeout(cp: number, ms: number): void {
    if (this.entries.data[cp * STRIDE + TIMEOUT] !== ms) this.entries.set(cp * STRIDE + TIMEOUT, ms);
  }
  /** When it ends, milliseconds. */
  expires(cp: number): number {
    return this.entries.data[cp * STRIDE + EXPIRES] as number;
  }
  setExpires(cp: number, at: number): void {
    const expires = Math.min(at, NEVER);
    if (this.entries.data[cp * STRIDE + EXPIRES] !== expires)
      this.entries.set(cp * STRIDE + EXPIRES, expires);
  }
  dest(cp: number): number {
    return this.entries.data[cp * STRIDE + DEST] as number;
  }
  /** The template that this connection follows, or `NO_CONNECTION`. */
  control(cp: number): number {
    return this.entries.data[cp * STRIDE + CONTROL] as number;
  }
  setControl(cp: number, template: number): void {
    this.entries.set(cp * STRIDE + CONTROL, template);
  }
  /** How many connections follow this template. */
  controls(cp: number): number {
    return this.entries.data[cp * STRIDE + CONTROLS] as number;
  }
  setControls(cp: number, count: number): void {
    this.entries.set(cp * STRIDE + CONTROLS, count);
  }
  /** A template whose server is gone is kept, where nobody finds it (`ip_vs_check_template`). */
  invalidate(cp: number): void {
    this.unhash(cp);
    const at = cp * STRIDE;
    this.entries.set(at + DPORT, 0xffff);
    this.entries.set(at + VPORT, 0xffff);
    this.entries.set(at + CPORT, 0);
    this.hash(cp);
  }

  private bucketOf(at: number): number {
    const e = this.entries.data;
    return hashOf(e[at + PROTO] as number, e[at + CADDR] as number, e[at + CPORT] as number) & this.mask;
  }

  private rehash(): void {
    const oldMask = this.mask;
    this.journal.undo(() => {
      this.mask = oldMask;
    });
    // From the tail of each chain on, so that entries keep their order.
    const chains: number[][] = [];
    for (let bucket = 0; bucket <= oldMask; bucket++) {
      const chain: number[] = [];
      let cp = this.heads.data[bucket] as number;
      while (cp !== NO_CONNECTION) {
        chain.push(cp);
        cp = this.entries.data[cp * STRIDE + NEXT] as number;
      }
      chains.push(chain);
    }
    this.mask = (oldMask + 1) * 8 - 1;
    this.heads.replace(new Int32Array(this.mask + 1).fill(NO_CONNECTION));
    for (const chain of chains) {
      for (const cp of chain.reverse()) {
        const bucket = this.bucketOf(cp * STRIDE);
        this.entries.set(cp * STRIDE + NEXT, this.heads.data[bucket] as number);
        this.heads.set(bucket, cp);
      }
    }
  }
}

/** `IP_VS_CONN_F_TEMPLATE` and the forwarding method's bits. */
const TEMPLATE_BIT = 0x1000;
const METHOD_BITS = 0x0007;

/** An instant that no virtual clock comes to. */
export const NEVER = 0x7fffffff;

function hashOf(proto: number, caddr: number, cport: number): number {
  let h = Math.imul(caddr, 0x9e3779b1) ^ Math.imul(cport, 0x85ebca77) ^ proto;
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 12);
}
