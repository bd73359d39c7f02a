/**
 * Subnets of a prefix: all of one length in order, and a pool that hands out blocks of any length. For address plans,
 * made once and never per packet, so the 128-bit arithmetic is ip-num's. (Its own `Pool` tries offsets one by one where
 * blocks of several lengths mix; here free space is kept as aligned blocks, halved and joined as in a buddy allocator.)
 */

import { IPv4, IPv4CidrRange, IPv4Prefix, IPv6, IPv6CidrRange, IPv6Prefix } from "ip-num";
import { firstOf, type Prefix4, parsePrefix4 } from "./prefix.ts";
import { networkOf6, type Prefix6, parsePrefix6 } from "./prefix6.ts";

/** The subnets of `length` in `prefix`, the lowest first; none when it is too small for one. */
export function* subnetsOf4(prefix: Prefix4, length: number): Generator<Prefix4> {
  const first = firstOf(prefix);
  const count = length < prefix.length ? 0 : 2 ** (length - prefix.length);
  const step = 2 ** (32 - length);
  for (let i = 0; i < count; i++) yield { address: (first + i * step) | 0, length };
}

/** The subnets of `length` in `prefix`, the lowest first; none when it is too small for one. */
export function* subnetsOf6(prefix: Prefix6, length: number): Generator<Prefix6> {
  if (length < prefix.length) return;
  const whole = rangeOf(prefix);
  let subnet: Range | undefined = rangeOf({ address: networkOf6(prefix).address, length });
  while (subnet !== undefined && holds(whole, subnet)) {
    yield prefixOf6(subnet);
    subnet = subnet.hasNextRange() ? subnet.nextRange() : undefined;
  }
}

export type SubnetAllocation<P> =
  | { readonly kind: "allocated"; readonly prefix: P }
  | { readonly kind: "exhausted" };

/** A pool that hands out the subnets of IPv4 prefixes. */
export function subnetPool4(prefixes: readonly Prefix4[]): SubnetPool<Prefix4> {
  return new SubnetPool(prefixes, prefixOf4);
}

/** A pool that hands out the subnets of IPv6 prefixes. */
export function subnetPool6(prefixes: readonly Prefix6[]): SubnetPool<Prefix6> {
  return new SubnetPool(prefixes, prefixOf6);
}

class SubnetPool<P extends Prefix4 | Prefix6> {
  /** The pool's own prefixes: beyond them nothing is joined. */
  readonly #whole: readonly Range[];
  /** Free space as disjoint aligned blocks, none the sibling of another within one of the pool's prefixes. */
  #free: Range[];
  readonly #taken = new Set<string>();
  readonly #toPrefix: (range: Range) => P;

  /** Use `subnetPool4` or `subnetPool6`. */
  constructor(prefixes: readonly P[], toPrefix: (range: Range) => P) {
    this.#whole = prefixes.map(rangeOf);
    for (const [i, range] of this.#whole.entries()) {
      const clash = this.#whole.findIndex((other) => holds(range, other) || holds(other, range));
      if (clash !== i) throw new RangeError(`${range.toCidrString()} overlaps another prefix of its pool`);
    }
    this.#free = [...this.#whole];
    this.#toPrefix = toPrefix;
  }

  /** A free subnet of `length`, from the smallest block that holds one, the lowest of equals. */
  allocate(length: number): SubnetAllocation<P> {
    let block: Range | undefined;
    for (const range of this.#free) {
      if (lengthOf(range) > length) continue;
      if (block === undefined || lengthOf(range) > lengthOf(block)) block = range;
      else if (lengthOf(range) === lengthOf(block) && startOf(range) < startOf(block)) block = range;
    }
    if (block === undefined) return { kind: "exhausted" };
    let subnet = block;
    const spare: Range[] = [];
    while (lengthOf(subnet) < length) {
      const [low, high] = subnet.split() as [Range, Range];
      spare.push(high);
      subnet = low;
    }
    this.#free = [...this.#free.filter((range) => range !== block), ...spare];
    this.#taken.add(subnet.toCidrString());
    return { kind: "allocated", prefix: this.#toPrefix(subnet) };
  }

  /** Never hands out what `prefix` covers. What is handed out already stays so, and is free once released. */
  exclude(prefix: P): void {
    const hole = rangeOf(prefix);
    this.#free = this.#free.flatMap((range) => without(range, hole));
  }

  /** Gives back a subnet that `allocate` handed out; false for any other. */
  release(prefix: P): boolean {
    let range = rangeOf(prefix);
    if (!this.#taken.delete(range.toCidrString())) return false;
    while (!this.#whole.some((whole) => whole.isEquals(range))) {
      const parent = rangeOf({ ...this.#toPrefix(range), length: lengthOf(range) - 1 });
      const sibling = parent.split().find((half) => !half.isEquals(range));
      const free = this.#free.find((other) => sibling?.isEquals(other));
      if (free === undefined) break;
      this.#free = this.#free.filter((other) => other !== free);
      range = parent;
    }
    this.#free.push(range);
    return true;
  }
}

type Range = IPv4CidrRange | IPv6CidrRange;

/** By number, because ip-num reads no address that ends in a dotted quad before a length. */
function rangeOf(prefix: Prefix4 | Prefix6): Range {
  const length = BigInt(prefix.length);
  if (typeof prefix.address === "number") {
    const first = firstOf({ address: prefix.address, length: prefix.length });
    return new IPv4CidrRange(IPv4.fromNumber(BigInt(first >>> 0)), new IPv4Prefix(length));
  }
  const { address } = networkOf6({ address: prefix.address, length: prefix.length });
  const first = address.reduce((value, word) => (value << 32n) | BigInt(word), 0n);
  return new IPv6CidrRange(IPv6.fromBigInt(first), new IPv6Prefix(length));
}

function prefixOf4(range: Range): Prefix4 {
  return parsed(parsePrefix4(range.toCidrString()), range);
}

function prefixOf6(range: Range): Prefix6 {
  return parsed(parsePrefix6(range.toCidrString()), range);
}

function parsed<P>(prefix: P | undefined, range: Range): P {
  if (prefix === undefined) throw new Error(`ip-num printed what is no prefix: ${range.toCidrString()}`);
  return prefix;
}

function lengthOf(range: Range): number {
  return Number(range.getPrefix().getValue());
}

function startOf(range: Range): bigint {
  return range.getFirst().getValue();
}

/** Whether all of `inner` is in `outer`. */
function holds(outer: Range, inner: Range): boolean {
  return startOf(outer) <= startOf(inner) && inner.getLast().getValue() <= outer.getLast().getValue();
}

/** What is left of a free block, as aligned blocks, when `hole` is cut out of it. */
function without(range: Range, hole: Range): Range[] {
  if (holds(hole, range)) return [];
  if (!holds(range, hole)) return [range];
  return range.split().flatMap((half) => without(half, hole));
}
