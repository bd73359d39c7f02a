import type { Packet } from "../../../packet/packet.ts";
import { Estimator } from "../rate-estimator.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** How much comes by, as an estimator that `RATEEST` feeds has it (net/netfilter/xt_rateest.c). */
export interface RateestMatch extends Match {
  readonly kind: "rateest";
  readonly name: string;
  /** The other estimator that it is compared with; null: with the second pair of rates. */
  readonly other: string | null;
  /** What the estimates fall short of the first pair of rates (of another estimator, the second) is compared, not they themselves. */
  readonly delta: boolean;
  readonly mode: "lt" | "gt" | "eq";
  readonly invert: boolean;
  /** null: bytes, or packets, are not looked at. Bytes and packets a second. */
  readonly bps: RatePair | null;
  readonly pps: RatePair | null;
}

interface RatePair {
  readonly first: number;
  readonly second: number;
}

/** `XT_RATEEST` names have the room of an interface's. */
const ESTIMATOR_NAME_MAX = 15;

/** `suffixes`: bits a second. */
const UNITS: Readonly<Record<string, number>> = {
  bit: 1,
  kibit: 1024,
  kbit: 1000,
  mibit: 1024 ** 2,
  mbit: 1e6,
  gibit: 1024 ** 3,
  gbit: 1e9,
  tibit: 1024 ** 4,
  tbit: 1e12,
  bps: 8,
  kibps: 8 * 1024,
  kbps: 8e3,
  mibps: 8 * 1024 ** 2,
  mbps: 8e6,
  gibps: 8 * 1024 ** 3,
  gbps: 8e9,
  tibps: 8 * 1024 ** 4,
  tbps: 8e12,
};

const MAX_RATE = 0xffff_ffff;

interface Draft {
  name: string | null;
  other: string | null;
  delta: boolean;
  mode: RateestMatch["mode"] | null;
  invert: boolean;
  bps: { first: number; second: number } | null;
  pps: { first: number; second: number } | null;
}

const HANDLERS = handlers();

export const rateest: MatchModule<RateestMatch> = {
  kind: "rateest",
  needsConntrack: false,

  parse(reader) {
    const draft: Draft = {
      name: null,
      other: null,
      delta: false,
      mode: null,
      invert: false,
      bps: null,
      pps: null,
    };
    // One at a time: what iptables-save prints of bytes and packets together has its comparison twice.
    for (let place = -1; place !== reader.place; ) {
      place = reader.place;
      reader.options(HANDLERS, () => true, draft);
    }
    const { name, mode, bps, pps } = draft;
    if (name === null || mode === null || (bps === null && pps === null))
      reader.fail(
        "it needs --rateest NAME, a comparison (--rateest-lt, --rateest-gt, --rateest-eq) and --rateest-bps or --rateest-pps",
      );
    return { kind: "rateest", ...draft, name: name ?? "", mode: mode ?? "eq" };
  },

  format({ name, other, delta, mode, invert, bps, pps }) {
    const compared = (word: "bps" | "pps", pair: RatePair | null, text: (rate: number) => string) =>
      pair !== null &&
      optionText(
        delta && `--rateest-${word}1 ${text(pair.first)}`,
        invert && "!",
        `--rateest-${mode}`,
        delta ? `--rateest-${word}2 ${text(pair.second)}` : `--rateest-${word}`,
        !delta && other === null && text(pair.second),
      );
    return optionText(
      delta && "--rateest-delta",
      `--rateest${other === null ? "" : "1"} ${name}`,
      compared("bps", bps, rateText),
      compared("pps", pps, String),
      other !== null && `--rateest2 ${other}`,
    );
  },

  compile: (match) => new RateestTest(match),
};

function handlers(): Readonly<Record<string, (draft: Draft, reader: ArgumentReader) => void>> {
  const named = (field: "name" | "other", option: string) => (draft: Draft, reader: ArgumentReader) => {
    if (draft[field] !== null) reader.fail(`${option} is given twice: give it once`);
    draft[field] = readName(reader);
  };
  const rate = (of: "bps" | "pps", place: "first" | "second") => (draft: Draft, reader: ArgumentReader) => {
    draft[of] ??= { first: 0, second: 0 };
    const next = reader.peek();
    if (next === undefined || next.startsWith("-") || next.startsWith("!")) return;
    draft[of][place] = of === "bps" ? readRate(reader) : reader.uint(MAX_RATE);
  };
  const compare = (mode: RateestMatch["mode"]) => (draft: Draft, reader: ArgumentReader) => {
    draft.mode = mode;
    if (reader.negated()) draft.invert = true;
  };
  return {
    "--rateest": named("name", "--rateest"),
    "--rateest1": named("name", "--rateest1"),
    "--rateest2": named("other", "--rateest2"),
    "--rateest-bps": rate("bps", "second"),
    "--rateest-bps1": rate("bps", "first"),
    "--rateest-bps2": rate("bps", "second"),
    "--rateest-pps": rate("pps", "second"),
    "--rateest-pps1": rate("pps", "first"),
    "--rateest-pps2": rate("pps", "second"),
    "--rateest-delta": (draft) => {
      draft.delta = true;
    },
    "--rateest-lt": compare("lt"),
    "--rateest-gt": compare("gt"),
    "--rateest-eq": compare("eq"),
  };
}

/** A longer one the tool cuts off, for target and match alike. */
export function readName(reader: ArgumentReader): string {
  return reader.word("the name of an estimator").slice(0, ESTIMATOR_NAME_MAX);
}

/** `rateest_get_rate`: bits a second where nothing else is said; kept in whole bytes. */
function readRate(reader: ArgumentReader): number {
  const text = reader.word("a rate");
  const [, amount = "", unit = ""] = /^(\d+(?:\.\d*)?|\.\d+)([A-Za-z]*)$/.exec(text) ?? [];
  const bits = unit === "" ? 1 : UNITS[unit.toLowerCase()];
  const rate = bits === undefined ? Number.NaN : Math.floor((Number(amount) * bits) / 8);
  if (amount !== "" && rate <= MAX_RATE) return rate;
  reader.failValue(
    `${JSON.stringify(text)} is no rate such as 800kbit or 100KBps, 4294967295 bytes a second at most`,
  );
  return 0;
}

/** `rateest_print_rate` */
function rateText(bytes: number): string {
  const bits = bytes * 8;
  if (bits >= 1e9) return `${(bits / 1e6).toFixed(0)}Mbit`;
  return bits >= 1e6 ? `${(bits / 1e3).toFixed(0)}Kbit` : `${bits}bit`;
}

/** `xt_rateest_mt`. Runs per packet. */
class RateestTest implements MatchTest {
  private readonly match: RateestMatch;
  private readonly first: Estimator;
  private readonly second: Estimator | null;

  constructor(match: RateestMatch) {
    this.match = match;
    this.first = new Estimator(match.name);
    this.second = match.other === null ? null : new Estimator(match.other);
  }

  test(_packet: Packet, context: RuleContext): boolean {
    const { bps, pps, invert } = this.match;
    const { first, second } = this;
    let holds = true;
    if (bps !== null) holds = this.compare(bps, first.bytes(context), second?.bytes(context) ?? null);
    if (holds && pps !== null)
      holds = this.compare(pps, first.packets(context), second?.packets(context) ?? null);
    return holds !== invert;
  }

  private compare(given: RatePair, one: number, other: number | null): boolean {
    const { delta, mode } = this.match;
    const left = delta ? Math.max(0, given.first - one) : one;
    const right = other === null ? given.second : delta ? Math.max(0, given.second - other) : other;
    if (mode === "eq") return left === right;
    return mode === "lt" ? left < right : left > right;
  }
}
