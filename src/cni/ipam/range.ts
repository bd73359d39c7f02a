import type { Json } from "../../kernel/json-fields.ts";
import { fail } from "../cni-error.ts";
import {
  bitsOf,
  containsIp,
  formatIp,
  formatIpNet,
  type Ip,
  type IpNet,
  lastOf,
  networkOf,
  plus,
} from "../ip.ts";
import { text } from "../json.ts";
import { requireIp, requireIpNet } from "../result.ts";

/** A run of addresses of one subnet that host-local hands out, its values made whole once, here. */
export interface Range {
  readonly subnet: IpNet;
  readonly start: Ip;
  readonly end: Ip;
  /** Never handed out, wherever it lies. */
  readonly gateway: Ip;
}

/** Of each set a container gets one address. */
export type RangeSet = readonly Range[];

/** `{subnet, rangeStart?, rangeEnd?, gateway?}`: without them the gateway is the first host and all hosts are handed out. */
export function readRange(json: Json): Range {
  if (json["subnet"] === undefined) fail("IP <nil> not v4 nor v6");
  const subnet = requireIpNet(text(json, "subnet"));
  const { ip, length } = subnet;
  const family = ip.family;
  const network = networkOf(subnet);
  if (length > bitsOf(family) - 2) fail(`Network ${formatIpNet(subnet)} too small to allocate from`);
  if (network.ip.value !== ip.value) {
    const own = formatIp(network.ip);
    fail(`Network has host bits set. For a subnet mask of length ${length} the network address is ${own}`);
  }
  const gateway = text(json, "gateway");
  const last = lastOf(subnet);
  const wanted = { start: given(json, "rangeStart"), end: given(json, "rangeEnd") };
  // Each end must lie on its side of the other, and what does not is told as outside of the network.
  const start = bound("RangeStart", wanted.start, { subnet, from: null, to: wanted.end }) ?? plus(ip, 1n);
  const end =
    bound("RangeEnd", wanted.end, { subnet, from: start, to: null }) ??
    (family === 4 ? plus(last, -1n) : last);
  return {
    subnet,
    start,
    end,
    gateway: gateway === "" ? plus(ip, 1n) : requireIp(gateway),
  };
}

function given(json: Json, field: string): Ip | null {
  const value = text(json, field);
  return value === "" ? null : requireIp(value);
}

interface Bounds {
  readonly subnet: IpNet;
  readonly from: Ip | null;
  readonly to: Ip | null;
}

function bound(name: string, ip: Ip | null, { subnet, from, to }: Bounds): Ip | null {
  if (ip === null) return null;
  const isWithin =
    containsIp(subnet, ip) &&
    (from === null || ip.value >= from.value) &&
    (to === null || to.family !== ip.family || ip.value <= to.value);
  if (!isWithin) fail(`${name} ${formatIp(ip)} not in network ${formatIpNet(subnet)}`);
  return ip;
}

/** One family a set, and no subnet twice. */
export function readRangeSet(items: readonly Json[]): RangeSet {
  if (items.length === 0) fail("empty range set");
  const ranges = items.map(readRange);
  const [first] = ranges;
  for (const [i, range] of ranges.entries()) {
    if (range.subnet.ip.family !== first?.subnet.ip.family) fail("mixed address families");
    const other = ranges.slice(0, i).find((before) => overlap(before, range));
    if (other !== undefined) fail(`subnets ${formatRange(other)} and ${formatRange(range)} overlap`);
  }
  return ranges;
}

/** Ranges overlap when one holds an end of the other; those of two families never do. */
export function overlap(a: Range, b: Range): boolean {
  return (
    a.subnet.ip.family === b.subnet.ip.family && a.start.value <= b.end.value && b.start.value <= a.end.value
  );
}

/** Whether the address lies between the range's ends. */
export function rangeHas({ start, end }: Range, ip: Ip): boolean {
  return ip.family === start.family && ip.value >= start.value && ip.value <= end.value;
}

export function rangeOf(set: RangeSet, ip: Ip): Range | undefined {
  return set.find((range) => rangeHas(range, ip));
}

export function formatRange({ start, end }: Range): string {
  return `${formatIp(start)}-${formatIp(end)}`;
}

export function formatRangeSet(set: RangeSet): string {
  return set.map(formatRange).join(",");
}
