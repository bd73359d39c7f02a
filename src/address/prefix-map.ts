/**
 * Longest-prefix match for IPv4: of all prefixes that contain an address, the value of the longest one. The scan is
 * the definition; the trie is its compiled form for tables too long to scan, and must agree with it.
 */

import type { Ipv4 } from "./ipv4.ts";
import { contains, networkOf, type Prefix4 } from "./prefix.ts";

export interface PrefixMap4 {
  /** How many different prefixes it holds. */
  readonly size: number;
  /** Values are indexes: integers from 0. A prefix that is there already gets the new value; host bits are ignored. */
  insert(prefix: Prefix4, value: number): void;
  /** The value of the longest prefix that contains the address, -1 if none does. */
  lookup(address: Ipv4): number;
}

export type PrefixEntry4 = { readonly prefix: Prefix4; readonly value: number };

/**
 * Up to here a scan costs at most about twice the trie's 13 ns (`bench/prefix-map.ts`) and saves its memory: some
 * 2 KB a node, several nodes a prefix.
 */
const SCAN_AT_MOST = 8;

/** The fitting map for a list of entries that is complete. */
export function compilePrefixMap4(entries: readonly PrefixEntry4[]): PrefixMap4 {
  const map = entries.length <= SCAN_AT_MOST ? new ScanPrefixMap4() : new TriePrefixMap4();
  for (const { prefix, value } of entries) map.insert(prefix, value);
  return map;
}

/** Longest prefixes first, so that the first one that contains the address is the answer. */
export class ScanPrefixMap4 implements PrefixMap4 {
  readonly #entries: PrefixEntry4[] = [];

  get size(): number {
    return this.#entries.length;
  }

  insert(prefix: Prefix4, value: number): void {
    assertIndex(value);
    const network = networkOf(prefix);
    const entry = { prefix: network, value };
    const same = this.#entries.findIndex(
      (e) => e.prefix.length === network.length && e.prefix.address === network.address,
    );
    if (same !== -1) {
      this.#entries[same] = entry;
      return;
    }
    const shorter = this.#entries.findIndex((e) => e.prefix.length < network.length);
    this.#entries.splice(shorter === -1 ? this.#entries.length : shorter, 0, entry);
  }

  lookup(address: Ipv4): number {
    for (const { prefix, value } of this.#entries) {
      if (contains(prefix, address)) return value;
    }
    return -1;
  }
}

const SLOTS = 256;

/**
 * A trie of 8 bits a step, so at most four steps. A node is 256 slots in shared arrays; a prefix that ends inside a
 * step is written to every slot it spans, unless a longer one of the same step is there ("controlled prefix
 * expansion", Srinivasan and Varghese 1998). Look-up runs per packet: integers only, nothing allocated.
 */
export class TriePrefixMap4 implements PrefixMap4 {
  /** By slot: the node one step deeper, 0 for none (node 0 is the root, nobody's child). */
  #child = new Int32Array(SLOTS);
  /** By slot: the value of the longest prefix that ends in this step and spans this slot, -1 for none. */
  #value = new Int32Array(SLOTS).fill(-1);
  /** By slot: the length of that prefix. */
  #length = new Uint8Array(SLOTS);
  #nodes = 1;
  /** The value of 0.0.0.0/0, which ends before the first step. */
  #default = -1;
  readonly #prefixes = new Set<number>();

  get size(): number {
    return this.#prefixes.size;
  }

  insert(prefix: Prefix4, value: number): void {
    assertIndex(value);
    const { address, length } = networkOf(prefix);
    this.#prefixes.add((address >>> 0) * 64 + length);
    if (length === 0) {
      this.#default = value;
      return;
    }
    const lastStep = (length - 1) >>> 3;
    let node = 0;
    for (let step = 0; step < lastStep; step++) {
      node = this.#childOf(node * SLOTS + ((address >>> (24 - 8 * step)) & 255));
    }
    const first = node * SLOTS + ((address >>> (24 - 8 * lastStep)) & 255);
    const span = 1 << (8 * (lastStep + 1) - length);
    for (let slot = first; slot < first + span; slot++) {
      if (this.#value[slot] !== -1 && (this.#length[slot] as number) > length) continue;
      this.#value[slot] = value;
      this.#length[slot] = length;
    }
  }

  lookup(address: Ipv4): number {
    const child = this.#child;
    const values = this.#value;
    let best = this.#default;
    let node = 0;
    for (let shift = 24; shift >= 0; shift -= 8) {
      const slot = node * SLOTS + ((address >>> shift) & 255);
      const value = values[slot] as number;
      if (value !== -1) best = value;
      node = child[slot] as number;
      if (node === 0) break;
    }
    return best;
  }

  #childOf(slot: number): number {
    const known = this.#child[slot] as number;
    if (known !== 0) return known;
    if ((this.#nodes + 1) * SLOTS > this.#child.length) this.#grow();
    const node = this.#nodes++;
    this.#child[slot] = node;
    return node;
  }

  #grow(): void {
    const slots = this.#child.length * 2;
    const child = new Int32Array(slots);
    const value = new Int32Array(slots).fill(-1);
    const length = new Uint8Array(slots);
    child.set(this.#child);
    value.set(this.#value);
    length.set(this.#length);
    this.#child = child;
    this.#value = value;
    this.#length = length;
  }
}

function assertIndex(value: number): void {
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`${value} is no index`);
}
