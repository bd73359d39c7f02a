import type { Packet } from "../../packet/packet.ts";
import * as COLUMNS from "./columns.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const {
  C_DPORT,
  C_FLAGS,
  C_PROTO,
  C_SRC,
  C_SRC_MASK,
  DST_STRIDE,
  F_INV_DPORT,
  F_INV_PROTO,
  F_INV_SRC,
  F_PORTS,
  STRIDE,
} = COLUMNS;

/**
 * The indexed form of a long chain: which rules a packet can match at all, without looking at the others. Rules that ask
 * for exact values (a /32 destination, a /32 source, a protocol, one destination port) are found by hash; the rest are
 * candidates always. Candidates come in the chain's order, so that the rule found, and the number of rules a literal
 * walk would have evaluated, are the same (`do-table.ts`; proved by a property in the tests).
 */

const BY_DST = 1;
const BY_SRC = 2;
const BY_PROTO = 4;
const BY_DPORT = 8;

/** A chain shorter than this is walked. */
const WORTH_INDEXING = 12;
/** A signature that fewer rules share is not worth a hash: its rules are candidates always. */
const WORTH_A_HASH = 4;

/** Rules that ask for the same fields: an open-addressing hash from their values to their positions. */
class Class {
  readonly signature: number;
  private readonly mask: number;
  /** Slots of five: dst, src, proto | dport << 8, first position, end of positions. Position 0 0 is an empty slot. */
  private readonly slots: Int32Array;
  private readonly positions: Int32Array;

  constructor(
    signature: number,
    destinations: Int32Array,
    columns: Int32Array,
    start: number,
    rules: readonly number[],
  ) {
    this.signature = signature;
    let capacity = 8;
    while (capacity < rules.length * 2) capacity *= 2;
    this.mask = capacity - 1;
    this.slots = new Int32Array(capacity * 5);
    this.positions = new Int32Array(rules.length);
    // Two passes: count the rules of each key, then place them, in order.
    const slotOf = new Int32Array(rules.length);
    const counts = new Int32Array(capacity);
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as number;
      const at = (start + rule) * STRIDE;
      const dst = (signature & BY_DST) !== 0 ? (destinations[(start + rule) * DST_STRIDE] as number) : 0;
      const src = (signature & BY_SRC) !== 0 ? (columns[at + C_SRC] as number) : 0;
      const rest =
        ((signature & BY_PROTO) !== 0 ? (columns[at + C_PROTO] as number) : 0) |
        ((signature & BY_DPORT) !== 0 ? ((columns[at + C_DPORT] as number) & 0xffff) << 8 : 0);
      const slot = this.place(dst, src, rest);
      slotOf[i] = slot;
      counts[slot] = (counts[slot] as number) + 1;
    }
    let from = 0;
    for (let slot = 0; slot < capacity; slot++) {
      const count = counts[slot] as number;
      if (count === 0) continue;
      this.slots[slot * 5 + 3] = from;
      this.slots[slot * 5 + 4] = from;
      from += count;
    }
    for (let i = 0; i < rules.length; i++) {
      const end = (slotOf[i] as number) * 5 + 4;
      this.positions[this.slots[end] as number] = rules[i] as number;
      this.slots[end] = (this.slots[end] as number) + 1;
    }
  }

  private place(dst: number, src: number, rest: number): number {
    let slot = hashKey(dst, src, rest) & this.mask;
    for (;;) {
      const at = slot * 5;
      if (this.slots[at + 4] === 0) {
        this.slots[at] = dst;
        this.slots[at + 1] = src;
        this.slots[at + 2] = rest;
        this.slots[at + 4] = 1;
        return slot;
      }
      if (this.slots[at] === dst && this.slots[at + 1] === src && this.slots[at + 2] === rest) return slot;
      slot = (slot + 1) & this.mask;
    }
  }

  /** The first rule from `from` on whose values are the packet's, or `none`. */
  next(packet: Packet, from: number, none: number): number {
    const signature = this.signature;
    const dst = (signature & BY_DST) !== 0 ? packet.dst : 0;
    const src = (signature & BY_SRC) !== 0 ? packet.src : 0;
    const rest =
      ((signature & BY_PROTO) !== 0 ? packet.protocol : 0) |
      ((signature & BY_DPORT) !== 0 ? packet.dport << 8 : 0);
    const slots = this.slots;
    let slot = hashKey(dst, src, rest) & this.mask;
    for (;;) {
      const at = slot * 5;
      const end = slots[at + 4] as number;
      if (end === 0) return none;
      if (slots[at] === dst && slots[at + 1] === src && slots[at + 2] === rest) {
        const positions = this.positions;
        for (let i = slots[at + 3] as number; i < end; i++) {
          const rule = positions[i] as number;
          if (rule >= from) return rule;
        }
        return none;
      }
      slot = (slot + 1) & this.mask;
    }
  }
}

export class ChainIndex {
  private readonly classes: readonly Class[];
  /** Rules that are candidates for every packet, in order. */
  private readonly always: Int32Array;
  private readonly length: number;
  /** What of a packet it is looked up by. */
  readonly asksDestination: boolean;
  readonly asksSource: boolean;
  readonly asksPort: boolean;

  private constructor(classes: readonly Class[], always: Int32Array, length: number) {
    const asks = (bits: number) => classes.some(({ signature }) => (signature & bits) !== 0);
    this.asksDestination = asks(BY_DST);
    this.asksSource = asks(BY_SRC);
    this.asksPort = asks(BY_PROTO | BY_DPORT);
    this.classes = classes;
    this.always = always;
    this.length = length;
  }

  /** null for a chain that is as well walked. */
  static of(destinations: Int32Array, columns: Int32Array, start: number, length: number): ChainIndex | null {
    if (length < WORTH_INDEXING) return null;
    const bySignature = new Map<number, number[]>();
    for (let rule = 0; rule < length; rule++) {
      const signature = signatureOf(destinations, columns, start + rule);
      const list = bySignature.get(signature);
      if (list === undefined) bySignature.set(signature, [rule]);
      else list.push(rule);
    }
    const always: number[] = [];
    const classes: Class[] = [];
    for (const [signature, rules] of bySignature) {
      if (signature === 0 || signature === BY_PROTO || rules.length < WORTH_A_HASH) always.push(...rules);
      else classes.push(new Class(signature, destinations, columns, start, rules));
    }
    if (classes.length === 0) return null;
    return new ChainIndex(classes, Int32Array.from(always.sort((a, b) => a - b)), length);
  }

  /** The first rule from `from` on that this packet may match; the chain's length when there is none. */
  next(packet: Packet, from: number): number {
    let best = this.length;
    const always = this.always;
    // The always-candidates are few: their place is found by halving.
    let low = 0;
    let high = always.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((always[middle] as number) < from) low = middle + 1;
      else high = middle;
    }
    if (low < always.length) best = always[low] as number;
    const classes = this.classes;
    for (let i = 0; i < classes.length; i++) {
      const rule = (classes[i] as Class).next(packet, from, best);
      if (rule < best) best = rule;
    }
    return best;
  }
}

function signatureOf(destinations: Int32Array, columns: Int32Array, place: number): number {
  const at = place * STRIDE;
  const flags = columns[at + C_FLAGS] as number;
  let signature = 0;
  if (destinations[place * DST_STRIDE + 1] === -1) signature |= BY_DST;
  if (columns[at + C_SRC_MASK] === -1 && (flags & F_INV_SRC) === 0) signature |= BY_SRC;
  if (columns[at + C_PROTO] !== 0 && (flags & F_INV_PROTO) === 0) {
    signature |= BY_PROTO;
    const ports = columns[at + C_DPORT] as number;
    if ((flags & F_PORTS) !== 0 && (flags & F_INV_DPORT) === 0 && (ports & 0xffff) === ports >>> 16) {
      signature |= BY_DPORT;
    }
  }
  return signature;
}

function hashKey(dst: number, src: number, rest: number): number {
  let h = Math.imul(dst, 0x9e3779b1) ^ Math.imul(src, 0x85ebca77) ^ Math.imul(rest, 0xc2b2ae3d);
  h ^= h >>> 16;
  h = Math.imul(h, 0x2c1b3c6d);
  // Signed: an unsigned result may need a heap number.
  return h ^ (h >>> 13);
}
