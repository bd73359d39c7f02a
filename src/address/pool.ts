/**
 * Pools of single addresses, for what hands them out: an IPAM plugin, a service range, an address plan. A pool counts
 * in offsets from the first address of its block, so both families run through the same code. It is the memory of
 * one allocator and changes in place; it knows nothing of who holds an address.
 */

import type { Ipv4 } from "./ipv4.ts";
import type { Ipv6Words } from "./ipv6.ts";
import { contains, firstOf, type Prefix4, sizeOf } from "./prefix.ts";
import { contains6, networkOf6, type Prefix6 } from "./prefix6.ts";

/** A run of addresses of one family, numbered from 0. */
export type Block<A> = {
  readonly size: number;
  /** The address at an offset below `size`. */
  at(offset: number): A;
  /** The offset of an address, -1 when it is not in the block. */
  offsetOf(address: A): number;
};

export function block4(prefix: Prefix4): Block<Ipv4> {
  const first = firstOf(prefix);
  return {
    size: sizeOf(prefix),
    at: (offset) => (first + offset) | 0,
    offsetOf: (address) => (contains(prefix, address) ? (address - first) >>> 0 : -1),
  };
}

/** Of a prefix shorter than /96 only the first 2³² addresses: nobody hands out more. */
export function block6(prefix: Prefix6): Block<Ipv6Words> {
  const [a, b, c, d] = networkOf6(prefix).address;
  const length = Math.max(prefix.length, 96);
  const usable: Prefix6 = { address: [a, b, c, d], length };
  return {
    size: 2 ** (128 - length),
    at: (offset) => [a, b, c, (d + offset) >>> 0],
    offsetOf: (address) => (contains6(usable, address) ? address[3] - d : -1),
  };
}

export type Allocation<A> =
  | { readonly kind: "allocated"; readonly address: A }
  | { readonly kind: "exhausted" };

export type Claim = "claimed" | "taken" | "excluded" | "outside";

export class AddressPool<A> {
  readonly #block: Block<A>;
  readonly #taken = new Set<number>();
  /** Disjoint runs of offsets that are never handed out, in order, `last` included. */
  #excluded: readonly { readonly first: number; readonly last: number }[] = [];
  /** Every offset below it is taken or excluded. */
  #lowestFree = 0;
  /** Where `next` goes on. */
  #cursor = 0;

  constructor(block: Block<A>) {
    this.#block = block;
  }

  /** How many addresses are handed out. */
  get taken(): number {
    return this.#taken.size;
  }

  /** The lowest free address. */
  first(): Allocation<A> {
    const offset = this.#freeFrom(this.#lowestFree);
    if (offset === -1) return { kind: "exhausted" };
    this.#lowestFree = offset;
    return this.#allocate(offset);
  }

  /**
   * The first free address after the one `next` gave last, from the beginning again at the end: a released address is
   * not given to the next comer, as with host-local (`allocator.go`, `GetIter`).
   */
  next(): Allocation<A> {
    let offset = this.#freeFrom(this.#cursor);
    if (offset === -1) offset = this.#freeFrom(this.#lowestFree);
    if (offset === -1) return { kind: "exhausted" };
    this.#cursor = offset + 1;
    return this.#allocate(offset);
  }

  /** Takes one given address. */
  claim(address: A): Claim {
    const offset = this.#block.offsetOf(address);
    if (offset === -1) return "outside";
    if (this.#taken.has(offset)) return "taken";
    if (this.#excludedEnd(offset) !== -1) return "excluded";
    this.#taken.add(offset);
    return "claimed";
  }

  /** Gives an address back; false when it was not handed out. */
  release(address: A): boolean {
    const offset = this.#block.offsetOf(address);
    if (!this.#taken.delete(offset)) return false;
    this.#lowestFree = Math.min(this.#lowestFree, offset);
    return true;
  }

  /**
   * Never hands out the addresses from `first` to `last`, both in the block; what is handed out already stays so until
   * it is released.
   */
  exclude(first: A, last: A = first): void {
    const from = this.#block.offsetOf(first);
    const to = this.#block.offsetOf(last);
    if (from === -1 || to < from)
      throw new RangeError("an excluded range lies in its pool, first address first");
    const touching = this.#excluded.filter((run) => run.first <= to + 1 && run.last >= from - 1);
    const merged = {
      first: Math.min(from, ...touching.map((run) => run.first)),
      last: Math.max(to, ...touching.map((run) => run.last)),
    };
    this.#excluded = [...this.#excluded.filter((run) => !touching.includes(run)), merged].sort(
      (a, b) => a.first - b.first,
    );
  }

  #allocate(offset: number): Allocation<A> {
    this.#taken.add(offset);
    return { kind: "allocated", address: this.#block.at(offset) };
  }

  /** The first free offset at or after `start`, -1 when there is none. */
  #freeFrom(start: number): number {
    let offset = start;
    while (offset < this.#block.size) {
      const end = this.#excludedEnd(offset);
      if (end !== -1) offset = end + 1;
      else if (this.#taken.has(offset)) offset++;
      else return offset;
    }
    return -1;
  }

  /** The last offset of the excluded run around `offset`, -1 when it is not excluded. */
  #excludedEnd(offset: number): number {
    for (const run of this.#excluded) {
      if (run.first > offset) return -1;
      if (run.last >= offset) return run.last;
    }
    return -1;
  }
}
