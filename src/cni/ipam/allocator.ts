import { fail } from "../cni-error.ts";
import { formatIp, type Ip, type IpNet, parseIp, plus, sameIp } from "../ip.ts";
import { formatRangeSet, type Range, type RangeSet, rangeHas, rangeOf } from "./range.ts";
import type { Holder, Store } from "./store.ts";

/** An address with its subnet's length, and the way out of the subnet. */
export interface Allocation {
  readonly address: IpNet;
  readonly gateway: Ip;
}

/**
 * One address of a range set, taken in the store. The policy is here, the memory in the store: round robin behind the
 * address taken last, so that a container that keeps crashing does not come back under the address its peers still
 * remember; once around and no further; never the gateway.
 */
export function allocate(
  store: Store,
  set: RangeSet,
  index: number,
  holder: Holder,
  requested: Ip | null,
): Allocation {
  if (requested !== null) return takeRequested(store, set, index, holder, requested);
  for (const known of store.addressesOf(holder)) {
    const ip = parseIp(known);
    if (ip !== undefined && rangeOf(set, ip) !== undefined) {
      fail(`${known} has been allocated to ${holder.containerId}, duplicate allocation is not allowed`);
    }
  }
  for (const { range, ip } of addressesAfter(set, lastTaken(store, index))) {
    if (store.reserve(holder, formatIp(ip), index)) return allocation(range, ip);
  }
  return fail(`no IP addresses available in range set: ${formatRangeSet(set)}`);
}

function takeRequested(
  store: Store,
  set: RangeSet,
  index: number,
  holder: Holder,
  requested: Ip,
): Allocation {
  const name = formatIp(requested);
  const range = rangeOf(set, requested);
  if (range === undefined) return fail(`${name} not in range set ${formatRangeSet(set)}`);
  if (sameIp(range.gateway, requested)) fail(`requested ip ${name} is subnet's gateway`);
  if (!store.reserve(holder, name, index)) {
    fail(`requested IP address ${name} is not available in range set ${formatRangeSet(set)}`);
  }
  return allocation(range, requested);
}

function allocation(range: Range, ip: Ip): Allocation {
  return { address: { ip, length: range.subnet.length }, gateway: range.gateway };
}

function lastTaken(store: Store, index: number): Ip | null {
  const last = store.lastReserved(index);
  return last === null ? null : (parseIp(last) ?? null);
}

/**
 * Every address of the set but the gateways, once, from the one behind `last` on. A `last` that lies in no range (the
 * configuration was changed) only costs the round robin this once: it starts from the beginning.
 */
function* addressesAfter(set: RangeSet, last: Ip | null): Generator<{ range: Range; ip: Ip }> {
  const found = last === null ? -1 : set.findIndex((range) => rangeHas(range, last));
  const first = Math.max(found, 0);
  const split = found < 0 || last === null ? null : last;
  for (let turn = 0; turn <= set.length; turn++) {
    const range = set[(first + turn) % set.length];
    if (range === undefined) return;
    // The range that holds `last` is walked from behind it at first, and up to it at the end.
    const from = turn === 0 && split !== null ? plus(split, 1n) : range.start;
    const to = turn === set.length ? split : range.end;
    if (to === null) return;
    for (let ip = from; ip.value <= to.value; ip = plus(ip, 1n)) {
      if (!sameIp(ip, range.gateway)) yield { range, ip };
    }
  }
}
