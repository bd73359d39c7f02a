import type { Packet } from "../../../packet/packet.ts";
import { SET_UNKNOWN, SET_YES, type SetQuery } from "../../ipset/set-query.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { formatSetReference, readSetReference, type SetReference } from "../save/set-reference.ts";
import { compileSetQuery } from "../set-query.ts";
import { UnknownTest } from "../unknown.ts";
import type { Match, MatchModule } from "./match.ts";

/** Is the packet's address, port or both in a set? (net/netfilter/xt_set.c, `set_match_v4`) */
export interface SetMatch extends Match {
  readonly kind: "set";
  readonly set: Negatable<SetReference>;
  /** Answer no for an entry marked `nomatch`, instead of going on. */
  readonly returnNomatch: boolean;
  readonly updateCounters: boolean;
  readonly updateSubcounters: boolean;
  readonly packets: SetCounterTest | null;
  readonly bytes: SetCounterTest | null;
}

/** What is asked of an entry's own counter. */
export interface SetCounterTest {
  readonly mode: "eq" | "ne" | "lt" | "gt";
  readonly value: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const set: MatchModule<SetMatch> = {
  kind: "set",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<SetMatch> = {
      kind: "set",
      set: { invert: false, value: { set: "", dimensions: [] } },
      returnNomatch: false,
      updateCounters: true,
      updateSubcounters: true,
      packets: null,
      bytes: null,
    };
    let named = false;
    const counter = (field: "packets" | "bytes", mode: "eq" | "lt" | "gt") => () => {
      if (match[field] !== null) reader.fail(`only one condition on --${field} is allowed`);
      match[field] = { mode: mode === "eq" && reader.negated() ? "ne" : mode, value: readCounter(reader) };
    };
    reader.options({
      "--match-set": () => {
        named = true;
        match.set = { invert: reader.negated(), value: readSetReference(reader) };
      },
      "--return-nomatch": () => {
        match.returnNomatch = true;
      },
      "--update-counters": () => {
        match.updateCounters = !reader.negated();
      },
      "--update-subcounters": () => {
        match.updateSubcounters = !reader.negated();
      },
      "--packets-eq": counter("packets", "eq"),
      "--packets-lt": counter("packets", "lt"),
      "--packets-gt": counter("packets", "gt"),
      "--bytes-eq": counter("bytes", "eq"),
      "--bytes-lt": counter("bytes", "lt"),
      "--bytes-gt": counter("bytes", "gt"),
    });
    if (!named) reader.fail("--match-set is missing");
    return match;
  },

  format: (match) =>
    optionText(
      negatableText("--match-set", match.set, formatSetReference),
      match.returnNomatch && "--return-nomatch",
      !match.updateCounters && "! --update-counters",
      !match.updateSubcounters && "! --update-subcounters",
      formatCounter("packets", match.packets),
      formatCounter("bytes", match.bytes),
    ),

  compile: (match) => new SetTest(match),
};

/** Runs per packet. A set that the host does not have, its dump being of rules alone, makes an unknown match. */
class SetTest implements MatchTest {
  private readonly query: SetQuery;
  private readonly invert: boolean;
  private readonly unknown: UnknownTest;

  constructor(match: SetMatch) {
    this.query = compileSetQuery(match.set.value, match);
    this.invert = match.set.invert;
    this.unknown = new UnknownTest(match);
  }

  test(packet: Packet, context: RuleContext): boolean {
    const answer = context.ipsets.test(this.query, packet, context);
    if (answer === SET_UNKNOWN) return this.unknown.test(packet, context);
    return (answer === SET_YES) !== this.invert;
  }
}

function readCounter(reader: ArgumentReader): number {
  return reader.uint(Number.MAX_SAFE_INTEGER);
}

function formatCounter(name: string, test: SetCounterTest | null): string | null {
  if (test === null) return null;
  return test.mode === "ne" ? `! --${name}-eq ${test.value}` : `--${name}-${test.mode} ${test.value}`;
}
