import { network6 } from "../../../address/ip6-handle.ts";
import { maskOf } from "../../../address/prefix.ts";
import type { Packet } from "../../../packet/packet.ts";
import { hasPorts } from "../../../packet/ports.ts";
import type { MatchCells, MatchTest, RuleContext } from "../rule-context.ts";
import { type Rate, secondsOf } from "./rate.ts";

export const HASHLIMIT_KEYS = ["srcip", "srcport", "dstip", "dstport"] as const;
export type HashlimitKey = (typeof HASHLIMIT_KEYS)[number];

/** A table of buckets: rules that name it alike, and ask the same, fill the same buckets (`htable_find_get`). */
export interface HashlimitTable {
  /** Packets by rate; bytes as printed: `4kb/s`. */
  readonly limit: Rate | string;
  /** Packets, or bytes as printed: `400kb`; null: none given, with bytes. */
  readonly burst: number | string | null;
  /** In the order they are printed. */
  readonly keys: readonly HashlimitKey[];
  readonly name: string;
  /** 0: chosen by the kernel. */
  readonly tableSize: number;
  readonly tableMax: number;
  readonly gcIntervalMs: number;
  /** null: the unit of the rate; with bytes 15 seconds, or 60 with a burst. */
  readonly expireMs: number | null;
  /** Length of the prefix that counts as one; null: each address. */
  readonly srcMask: number | null;
  readonly dstMask: number | null;
  /** Not so much credit, but how much came in the interval before. */
  readonly rateMatch: boolean;
  /** Seconds. */
  readonly rateInterval: number;
}

// Cells of one bucket. Spent credit, or what came in this interval, over two cells.
const B_USED = 0;
const B_SRC = 1;
const B_DST = 2;
const B_PORTS = 3;
const B_SPENT_LOW = 4;
const B_SPENT_HIGH = 5;
/** When it was last reckoned, and when a packet last came. */
const B_PREVIOUS = 6;
const B_SEEN = 7;
/** Of bytes: bursts used up; of measured rates: was the interval before too much? */
const B_EXTRA = 8;
const STRIDE = 9;

/** Buckets kept at once. The kernel's table is larger where no rule says how large. */
const BUCKETS = 512;
const HALF = 2 ** 32;
const MAX_UINT = 0xffffffff;

/** `XT_HASHLIMIT_SCALE_v2`: a rate of packets is its period in microseconds. */
const SCALE = 1_000_000;
/** `CREDITS_PER_JIFFY_BYTES`, of a millisecond: the same for every length of a jiffy in use. A second's is all a bucket holds. */
const BYTE_CREDITS_PER_MS = 2 ** 22;
const BYTE_CREDITS = 1000 * BYTE_CREDITS_PER_MS;
/** `XT_HASHLIMIT_BYTE_SHIFT`: bytes are counted in chunks of 16. */
const CHUNK = 16;
const BYTE_EXPIRE_MS = 15_000;
const BYTE_EXPIRE_BURST_MS = 60_000;

/** `4kb/s` in bytes. */
function bytesOf(text: string): number {
  const unit = text.includes("mb") ? 2 ** 20 : text.includes("kb") ? 2 ** 10 : 1;
  return Number.parseInt(text, 10) * unit;
}

/** `bytes_to_cost`, and back (libxt_hashlimit.c, `user2rate_bytes`). */
function costOf(bytes: number): number {
  return Math.floor(MAX_UINT / (Math.floor(bytes / CHUNK) + 1));
}
function bytesOfCost(cost: number): number {
  return (Math.floor(MAX_UINT / cost) - 1) * CHUNK;
}

const owners = new Map<string, object>();

/** What a table is kept under: process-wide, as compiled rules are shared by hosts. */
function ownerOf(table: HashlimitTable, family: number): object {
  const { name, limit, burst, keys, tableSize, tableMax, gcIntervalMs, expireMs } = table;
  const { srcMask, dstMask, rateMatch, rateInterval } = table;
  const asked = [limit, burst, keys, tableSize, tableMax, gcIntervalMs, expireMs, srcMask, dstMask];
  const key = JSON.stringify([family, name, asked, rateMatch, rateInterval]);
  let owner = owners.get(key);
  if (owner === undefined) {
    owner = {};
    owners.set(key, owner);
  }
  return owner;
}

/**
 * `hashlimit_mt_common`. Runs per packet. A bucket unused for `expire` is thrown away when the kernel's collector next comes by;
 * when that is depends on when the rule was loaded, and is taken to be each whole interval of the clock.
 */
export class HashlimitTest implements MatchTest {
  private readonly owner4: object;
  private readonly owner6: object;
  private readonly ofBytes: boolean;
  private readonly measures: boolean;
  /** Of packets: the period; of bytes: what a chunk costs. */
  private readonly cost: number;
  /** Credit a bucket holds; of measured rates, as much as may come in an interval. */
  private readonly cap: number;
  /** Of bytes: how often credit may be filled up at once. Of measured rates: what an interval may have had. */
  private readonly extra: number;
  private readonly intervalMs: number;
  private readonly expireMs: number;
  private readonly gcIntervalMs: number;
  private readonly above: boolean;
  private readonly most: number;
  /** Length of the prefix that tells sources apart, 0 where they are not looked at. */
  private readonly srcLength: number;
  private readonly dstLength: number;
  private readonly bySport: boolean;
  private readonly byDport: boolean;

  constructor(table: HashlimitTable, above: boolean) {
    const { limit, burst, rateMatch, keys, tableSize, tableMax } = table;
    this.owner4 = ownerOf(table, 4);
    this.owner6 = ownerOf(table, 6);
    this.above = above;
    this.measures = rateMatch;
    this.ofBytes = typeof limit === "string";
    this.intervalMs = table.rateInterval * 1000;
    this.gcIntervalMs = table.gcIntervalMs;
    if (typeof limit === "string") {
      const cost = costOf(bytesOf(limit));
      const rate = bytesOfCost(cost);
      const bursts = typeof burst === "string" ? burstsOf(bytesOf(burst), rate) : 0;
      this.cost = Math.floor((cost * BYTE_CREDITS) / HALF);
      this.cap = rateMatch ? Math.max(1, bursts) * rate : BYTE_CREDITS;
      this.extra = rateMatch ? rate : bursts;
      this.expireMs = table.expireMs ?? (burst === null ? BYTE_EXPIRE_MS : BYTE_EXPIRE_BURST_MS);
    } else {
      const seconds = secondsOf(limit.per);
      const packets = typeof burst === "number" ? burst : 0;
      this.cost = Math.floor((SCALE * seconds) / limit.count);
      const rate = Math.floor(SCALE / Math.max(1, this.cost));
      this.cap = rateMatch ? packets + rate : this.cost * packets;
      this.extra = rate;
      this.expireMs = table.expireMs ?? seconds * 1000;
    }
    // `htable_create`; a table of the kernel's own size has thousands of places.
    this.most = tableSize === 0 ? BUCKETS : tableMax === 0 ? 8 * tableSize : Math.max(tableMax, tableSize);
    this.srcLength = keys.includes("srcip") ? (table.srcMask ?? 128) : 0;
    this.dstLength = keys.includes("dstip") ? (table.dstMask ?? 128) : 0;
    this.bySport = keys.includes("srcport");
    this.byDport = keys.includes("dstport");
  }

  test(packet: Packet, context: RuleContext): boolean {
    const { family } = packet;
    const cells = context.matchState(family === 6 ? this.owner6 : this.owner4, BUCKETS * STRIDE);
    const src = networkOnPath(family, packet.src, this.srcLength);
    const dst = networkOnPath(family, packet.dst, this.dstLength);
    const ported = hasPorts(packet.protocol);
    const sport = ported && this.bySport ? packet.sport : 0;
    const dport = ported && this.byDport ? packet.dport : 0;
    const at = this.find(cells, src, dst, (sport << 16) | dport, context.now);
    if (at < 0) {
      context.hotdrop = true;
      return false;
    }
    cells.set(at + B_SEEN, context.now | 0);
    const within = this.measures
      ? this.isSlow(cells, at, packet.length, context.now)
      : this.spend(cells, at, packet.length, context.now);
    return within !== this.above;
  }

  /** `rateinfo_recalc`, and what the packet costs (`hashlimit_byte_cost`). */
  private spend(cells: MatchCells, at: number, length: number, now: number): boolean {
    const elapsed = (now - cells.get(at + B_PREVIOUS)) >>> 0;
    let spent = Math.max(0, twoCells(cells, at) - elapsed * (this.ofBytes ? BYTE_CREDITS_PER_MS : 1000));
    let { cost } = this;
    if (this.ofBytes) {
      cost = Math.min(BYTE_CREDITS, (Math.floor(length / CHUNK) + 1) * cost);
      if (this.cap - spent < cost && cells.get(at + B_EXTRA) < this.extra) {
        cells.set(at + B_EXTRA, cells.get(at + B_EXTRA) + 1);
        spent = 0;
      }
    }
    const within = this.cap - spent >= cost;
    setTwoCells(cells, at, within ? spent + cost : spent);
    cells.set(at + B_PREVIOUS, now | 0);
    return within;
  }

  /** `XT_HASHLIMIT_RATE_MATCH`: neither this interval nor the one before has had too much. */
  private isSlow(cells: MatchCells, at: number, length: number, now: number): boolean {
    const elapsed = (now - cells.get(at + B_PREVIOUS)) >>> 0;
    let came = twoCells(cells, at);
    if (elapsed >= this.intervalMs) {
      cells.set(at + B_PREVIOUS, now | 0);
      cells.set(at + B_EXTRA, came * this.intervalMs > elapsed * this.extra ? 1 : 0);
      came = 0;
    }
    came += this.ofBytes ? length : 1;
    setTwoCells(cells, at, came);
    return cells.get(at + B_EXTRA) === 0 && came <= this.cap;
  }

  /** The bucket of this key, made if need be; -1 when all are taken. Open addressing: an expired bucket still counts as a step. */
  private find(cells: MatchCells, src: number, dst: number, ports: number, now: number): number {
    let free = -1;
    let slot = bucketOf(src, dst, ports);
    for (let tries = 0; tries < BUCKETS; tries++) {
      const at = slot * STRIDE;
      if (cells.get(at + B_USED) === 0) {
        if (free < 0) free = at;
        break;
      }
      if (this.isExpired(cells, at, now)) {
        if (free < 0) free = at;
      } else if (
        cells.get(at + B_SRC) === src &&
        cells.get(at + B_DST) === dst &&
        cells.get(at + B_PORTS) === ports
      ) {
        return at;
      }
      slot = (slot + 1) % BUCKETS;
    }
    if (free < 0 || (this.most < BUCKETS && this.isFull(cells, now))) return -1;
    cells.set(free + B_USED, 1);
    cells.set(free + B_SRC, src);
    cells.set(free + B_DST, dst);
    cells.set(free + B_PORTS, ports);
    setTwoCells(cells, free, 0);
    cells.set(free + B_PREVIOUS, now | 0);
    cells.set(free + B_EXTRA, 0);
    return free;
  }

  private isExpired(cells: MatchCells, at: number, now: number): boolean {
    return (now - cells.get(at + B_SEEN)) >>> 0 >= this.expireMs + (now % this.gcIntervalMs);
  }

  private isFull(cells: MatchCells, now: number): boolean {
    let count = 0;
    for (let at = 0; at < BUCKETS * STRIDE; at += STRIDE)
      if (cells.get(at + B_USED) !== 0 && !this.isExpired(cells, at, now)) count++;
    return count >= this.most;
  }
}

/** `hashlimit_mt_check` of iptables: a burst of bytes in whole seconds' worth, one more where it does not come out even. */
function burstsOf(bytes: number, rate: number): number {
  return Math.floor(bytes / rate) + (bytes % rate === 0 ? 0 : 1);
}

function twoCells(cells: MatchCells, at: number): number {
  return cells.get(at + B_SPENT_HIGH) * HALF + (cells.get(at + B_SPENT_LOW) >>> 0);
}

function setTwoCells(cells: MatchCells, at: number, value: number): void {
  cells.set(at + B_SPENT_LOW, value | 0);
  cells.set(at + B_SPENT_HIGH, Math.floor(value / HALF));
}

/** The network of an address, in the form the path holds addresses in. */
function networkOnPath(family: number, address: number, length: number): number {
  if (family === 6) return length === 128 ? address : network6(address, length);
  return address & maskOf(Math.min(length, 32));
}

function bucketOf(src: number, dst: number, ports: number): number {
  let hash = Math.imul(src, 0x9e3779b1) ^ Math.imul(dst, 0x85ebca77) ^ Math.imul(ports, 0xc2b2ae3d);
  hash ^= hash >>> 15;
  return (hash >>> 0) % BUCKETS;
}
