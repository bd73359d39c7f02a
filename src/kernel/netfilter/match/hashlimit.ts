import { addressBits } from "../save/address.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { optionText } from "../save/option-text.ts";
import { HASHLIMIT_KEYS, type HashlimitKey, type HashlimitTable, HashlimitTest } from "./hashlimit-table.ts";
import type { Match, MatchModule } from "./match.ts";
import { formatRate, rateOf } from "./rate.ts";

/** A limit for each address, port, or combination of them (net/netfilter/xt_hashlimit.c, revision 3). */
export interface HashlimitMatch extends Match, HashlimitTable {
  readonly kind: "hashlimit";
  readonly mode: "upto" | "above";
}

const KEYS = HASHLIMIT_KEYS;

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

  compile: (match) => new HashlimitTest(match, match.mode === "above"),
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
