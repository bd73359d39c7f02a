import { network6 } from "../../../address/ip6-handle.ts";
import { maskOf } from "../../../address/prefix.ts";
import type { Packet } from "../../../packet/packet.ts";
import type { MatchCells, MatchTest, RuleContext } from "../rule-context.ts";
import { addressBits } from "../save/address.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { formatRate, type Rate, rateOf, secondsOf } from "./rate.ts";

/** A limit for each address, port, or combination of them (net/netfilter/xt_hashlimit.c, revision 3). */
export interface HashlimitMatch extends Match {
  readonly kind: "hashlimit";
  readonly mode: "upto" | "above";
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
  /** null: the unit of the rate. */
  readonly expireMs: number | null;
  /** Length of the prefix that counts as one; null: each address. */
  readonly srcMask: number | null;
  readonly dstMask: number | null;
  readonly rateMatch: boolean;
  readonly rateInterval: number;
}

const KEYS = ["srcip", "srcport", "dstip", "dstport"] as const;
export type HashlimitKey = (typeof KEYS)[number];

const DEFAULT_BURST = 5;
const DEFAULT_GC_MS = 1000;
const MAX_BURST = 1_000_000;
const BYTE_RATE = /^[1-9]\d*[km]?b\/s$/;
const BYTES = /^[1-9]\d*[km]?b$/;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const hashlimit: MatchModule<HashlimitMatch> = {
  kind: "hashlimit",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<HashlimitMatch> = {
      kind: "hashlimit",
      mode: "upto",
      limit: { count: 1, per: "sec" },
      burst: null,
      keys: [],
      name: "",
      tableSize: 0,
      tableMax: 0,
      gcIntervalMs: DEFAULT_GC_MS,
      expireMs: null,
      srcMask: null,
      dstMask: null,
      rateMatch: false,
      rateInterval: 1,
    };
    let limited = false;
    const limit = (mode: HashlimitMatch["mode"]) => () => {
      if (limited) reader.fail("--hashlimit-upto and --hashlimit-above exclude each other");
      limited = true;
      const inverse = mode === "upto" ? "above" : "upto";
      match.mode = reader.negated() ? inverse : mode;
      const text = reader.word("a rate such as 5/min or 4kb/s");
      match.limit = BYTE_RATE.test(text) ? text : rateOf(reader, text);
    };
    const number = (field: "tableSize" | "tableMax" | "gcIntervalMs" | "expireMs", min: number) => () => {
      match[field] = reader.uint(0xffffffff, min);
    };
    reader.options({
      "--hashlimit-upto": limit("upto"),
      "--hashlimit-above": limit("above"),
      "--hashlimit-burst": () => {
        const text = reader.word("a number of packets, or of bytes such as 400kb");
        match.burst = BYTES.test(text) ? text : reader.uintOf(text, MAX_BURST, 1);
      },
      "--hashlimit-mode": () => {
        match.keys = readKeys(reader);
      },
      "--hashlimit-name": () => {
        match.name = reader.word("a name");
        if (!/^[^/\s]{1,254}$/.test(match.name)) {
          reader.failValue(`${JSON.stringify(match.name)} is no file name, as a table's name must be`);
        }
      },
      "--hashlimit-htable-size": number("tableSize", 0),
      "--hashlimit-htable-max": number("tableMax", 0),
      "--hashlimit-htable-gcinterval": number("gcIntervalMs", 1),
      "--hashlimit-htable-expire": number("expireMs", 1),
      "--hashlimit-srcmask": () => {
        match.srcMask = readLength(reader);
      },
      "--hashlimit-dstmask": () => {
        match.dstMask = readLength(reader);
      },
      "--hashlimit-rate-match": () => {
        match.rateMatch = true;
      },
      "--hashlimit-rate-interval": () => {
        match.rateInterval = reader.uint(0xffffffff, 1);
      },
    });
    if (!limited) reader.fail("it needs --hashlimit-upto or --hashlimit-above");
    if (match.name === "") reader.fail("--hashlimit-name is missing");
    const ofBytes = typeof match.limit === "string";
    if (match.burst === null && !ofBytes) match.burst = DEFAULT_BURST;
    if (match.burst !== null && (typeof match.burst === "string") !== ofBytes) {
      reader.fail("limit and burst must both be in packets, or both in bytes");
    }
    return match;
  },

  format: (match) =>
    optionText(
      `--hashlimit-${match.mode} ${typeof match.limit === "string" ? match.limit : formatRate(match.limit)}`,
      match.burst !== null && `--hashlimit-burst ${match.burst}`,
      match.keys.length > 0 && `--hashlimit-mode ${match.keys.join(",")}`,
      `--hashlimit-name ${match.name}`,
      match.tableSize !== 0 && `--hashlimit-htable-size ${match.tableSize}`,
      match.tableMax !== 0 && `--hashlimit-htable-max ${match.tableMax}`,
      match.gcIntervalMs !== DEFAULT_GC_MS && `--hashlimit-htable-gcinterval ${match.gcIntervalMs}`,
      match.expireMs !== null && `--hashlimit-htable-expire ${match.expireMs}`,
      match.srcMask !== null && `--hashlimit-srcmask ${match.srcMask}`,
      match.dstMask !== null && `--hashlimit-dstmask ${match.dstMask}`,
      match.rateMatch && "--hashlimit-rate-match",
      match.rateMatch && match.rateInterval !== 1 && `--hashlimit-rate-interval ${match.rateInterval}`,
    ),

  /** Limits of bytes and of measured rates are not modelled; nor is one table shared by two rules under its name. */
  compile: (match) =>
    typeof match.limit === "string" || typeof match.burst !== "number" || match.rateMatch
      ? null
      : new HashlimitTest(match, match.limit, match.burst),
};

function readLength(reader: ArgumentReader): number | null {
  const bits = addressBits(reader.family);
  const length = reader.uint(bits);
  return length === bits ? null : length;
}

function readKeys(reader: ArgumentReader): HashlimitKey[] {
  const wanted = reader.word("a list of keys").split(",");
  for (const name of wanted) {
    if (!(KEYS as readonly string[]).includes(name)) {
      reader.failValue(`${JSON.stringify(name)} is no key: write ${KEYS.join(", ")}`);
    }
  }
  return KEYS.filter((key) => wanted.includes(key));
}

// Cells of one bucket. Spent credit and period are in microseconds, over two cells.
const B_USED = 0;
const B_SRC = 1;
const B_DST = 2;
const B_PORTS = 3;
const B_SPENT_LOW = 4;
const B_SPENT_HIGH = 5;
const B_PREVIOUS = 6;
const STRIDE = 7;

/** Buckets kept at once. The kernel's table is larger; a packet that finds no room is dropped there, and not matched here. */
const BUCKETS = 512;
const HALF = 2 ** 32;

/**
 * Runs per packet. A bucket unused for `expire` is thrown away when the kernel's collector next comes by; when that is
 * depends on when the rule was loaded, and is taken to be each whole interval of the clock.
 */
class HashlimitTest implements MatchTest {
  private readonly period: number;
  private readonly cap: number;
  private readonly expireMs: number;
  private readonly gcIntervalMs: number;
  private readonly above: boolean;
  /** Length of the prefix that tells sources apart, 0 where they are not looked at. */
  private readonly srcLength: number;
  private readonly dstLength: number;
  private readonly bySport: boolean;
  private readonly byDport: boolean;

  constructor(match: HashlimitMatch, rate: Rate, burst: number) {
    const seconds = secondsOf(rate.per);
    this.period = Math.floor((1_000_000 * seconds) / rate.count);
    this.cap = this.period * burst;
    this.expireMs = match.expireMs ?? seconds * 1000;
    this.gcIntervalMs = match.gcIntervalMs;
    this.above = match.mode === "above";
    this.srcLength = match.keys.includes("srcip") ? (match.srcMask ?? 128) : 0;
    this.dstLength = match.keys.includes("dstip") ? (match.dstMask ?? 128) : 0;
    this.bySport = match.keys.includes("srcport");
    this.byDport = match.keys.includes("dstport");
  }

  test(packet: Packet, context: RuleContext): boolean {
    const cells = context.matchState(this, BUCKETS * STRIDE);
    const { family } = packet;
    const src = networkOnPath(family, packet.src, this.srcLength);
    const dst = networkOnPath(family, packet.dst, this.dstLength);
    const ports = ((this.bySport ? packet.sport : 0) << 16) | (this.byDport ? packet.dport : 0);
    const at = this.find(cells, src, dst, ports, context.now);
    if (at < 0) return false;
    const spentAt = cells.get(at + B_SPENT_HIGH) * HALF + (cells.get(at + B_SPENT_LOW) >>> 0);
    const elapsed = ((context.now - cells.get(at + B_PREVIOUS)) >>> 0) * 1000;
    let spent = Math.max(0, spentAt - elapsed);
    const within = this.cap - spent >= this.period;
    if (within) spent += this.period;
    cells.set(at + B_SPENT_LOW, spent | 0);
    cells.set(at + B_SPENT_HIGH, Math.floor(spent / HALF));
    cells.set(at + B_PREVIOUS, context.now | 0);
    return within !== this.above;
  }

  /** The bucket of this key, made if need be; -1 when all are taken. Open addressing: an expired bucket still counts as a step. */
  private find(cells: MatchCells, src: number, dst: number, ports: number, now: number): number {
    const sinceCollected = now % this.gcIntervalMs;
    let free = -1;
    let slot = bucketOf(src, dst, ports);
    for (let tries = 0; tries < BUCKETS; tries++) {
      const at = slot * STRIDE;
      if (cells.get(at + B_USED) === 0) {
        if (free < 0) free = at;
        break;
      }
      const unused = (now - cells.get(at + B_PREVIOUS)) >>> 0;
      const expired = unused >= this.expireMs + sinceCollected;
      if (expired) {
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
    if (free < 0) return -1;
    cells.set(free + B_USED, 1);
    cells.set(free + B_SRC, src);
    cells.set(free + B_DST, dst);
    cells.set(free + B_PORTS, ports);
    cells.set(free + B_SPENT_LOW, 0);
    cells.set(free + B_SPENT_HIGH, 0);
    cells.set(free + B_PREVIOUS, now | 0);
    return free;
  }
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
