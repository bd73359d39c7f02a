import { formatHopCount, type HopCount, HopCountTest, readHopCount } from "./hop-count.ts";
import type { Match, MatchModule } from "./match.ts";

/** The hop limit of an IPv6 packet (net/netfilter/xt_hl.c, `hl_mt6`). */
export interface HlMatch extends Match, HopCount {
  readonly kind: "hl";
}

export const hl: MatchModule<HlMatch> = {
  kind: "hl",
  needsConntrack: false,
  parse: (reader) => ({ kind: "hl", ...readHopCount(reader, "hl") }),
  format: (match) => formatHopCount(match, "hl"),
  compile: (match) => new HopCountTest(match),
};
