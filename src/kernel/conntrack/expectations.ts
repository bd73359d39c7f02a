import { Cells, type Journal } from "../session/journal.ts";

/**
 * Connections that others have announced (`nf_conntrack_expect.c`): from an address to a port of another, of whichever source
 * port. What comes so is RELATED to its master; each expectation serves once. Journaled; runs per packet only where there are any.
 */

const STRIDE = 7;
const MASTER = 0;
const SRC = 1;
const DST = 2;
const DPORT = 3;
const PROTO = 4;
const ZONE = 5;
/** Seconds of the Session's clock. */
const EXPIRES = 6;

export interface Expectation {
  /** Conntrack entry. */
  readonly master: number;
  readonly src: number;
  readonly dst: number;
  readonly dport: number;
  /** `protocolKey` */
  readonly proto: number;
  readonly zone: number;
}

export class Expectations {
  private readonly cells: Cells;
  private readonly made: Cells;

  constructor(journal: Journal) {
    this.cells = new Cells(journal, 0);
    this.made = new Cells(journal, 1);
  }

  get size(): number {
    return this.made.data[0] as number;
  }

  /** How many a connection has announced that have not come yet. */
  of(master: number): number {
    let count = 0;
    for (let i = 0; i < this.size; i++) if (this.cells.data[i * STRIDE + MASTER] === master) count++;
    return count;
  }

  /**
   * `nf_ct_expect_related`: one more; the same of the same master takes the place of the one before.
   *
   * @param now milliseconds
   * @returns false: another connection expects the same
   */
  add(expectation: Expectation, now: number, seconds: number): boolean {
    this.expire(now);
    const { master, src, dst, dport, proto, zone } = expectation;
    const same = this.place(src, dst, dport, proto, zone);
    if (same >= 0) {
      if (this.cells.data[same * STRIDE + MASTER] !== master) return false;
      this.removeAt(same);
    }
    const at = this.size * STRIDE;
    this.cells.grow(at + STRIDE);
    const end = Math.min(0x7fff_ffff, Math.floor(now / 1000) + seconds);
    [master, src, dst, dport, proto, zone, end].forEach((value, i) => {
      this.cells.set(at + i, value);
    });
    this.made.set(0, this.size + 1);
    return true;
  }

  /**
   * `nf_ct_find_expectation`: whose expectation a new connection fulfils, which is gone with that; -1 nobody's.
   *
   * @param isThere is the master in the table?
   */
  take(
    src: number,
    dst: number,
    dport: number,
    proto: number,
    zone: number,
    now: number,
    isThere: (master: number) => boolean,
  ): number {
    this.expire(now);
    const found = this.place(src, dst, dport, proto, zone);
    if (found < 0) return -1;
    const master = this.cells.data[found * STRIDE + MASTER] as number;
    if (!isThere(master)) return -1;
    this.removeAt(found);
    return master;
  }

  /** `nf_ct_remove_expectations`: with a connection goes what it has announced. */
  forget(master: number): void {
    for (let i = this.size - 1; i >= 0; i--)
      if (this.cells.data[i * STRIDE + MASTER] === master) this.removeAt(i);
  }

  private place(src: number, dst: number, dport: number, proto: number, zone: number): number {
    const { data } = this.cells;
    for (let i = 0; i < this.size; i++) {
      const at = i * STRIDE;
      if (data[at + SRC] === src && data[at + DST] === dst && data[at + DPORT] === dport)
        if (data[at + PROTO] === proto && data[at + ZONE] === zone) return i;
    }
    return -1;
  }

  private expire(now: number): void {
    for (let i = this.size - 1; i >= 0; i--)
      if ((this.cells.data[i * STRIDE + EXPIRES] as number) * 1000 <= now) this.removeAt(i);
  }

  private removeAt(i: number): void {
    const last = this.size - 1;
    if (i !== last)
      for (let word = 0; word < STRIDE; word++)
        this.cells.set(i * STRIDE + word, this.cells.data[last * STRIDE + word] as number);
    this.made.set(0, last);
  }
}
