import { formatHopCount, type HopCount, HopCountTest, readHopCount } from "./hop-count.ts";
import type { Match, MatchModule } from "./match.ts";

/** The time to live (net/netfilter/xt_hl.c, `ttl_mt`). */
export interface TtlMatch extends Match, HopCount {
  readonly kind: "ttl";
}

export const ttl: MatchModule<TtlMatch> = {
  kind: "ttl",
  needsConntrack: false,
  parse: (reader) => ({ kind: "ttl", ...readHopCount(reader, "ttl") }),
  format: (match) => formatHopCount(match, "ttl"),
  compile: (match) => new HopCountTest(match),
};
