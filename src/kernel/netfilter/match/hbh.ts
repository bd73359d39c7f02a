import type { Match, MatchModule } from "./match.ts";
import {
  formatOptionsHeader,
  type OptionsHeader,
  OptionsHeaderTest,
  readOptionsHeader,
} from "./options-header.ts";

/** An IPv6 packet's header of options for every router (net/ipv6/netfilter/ip6t_hbh.c). */
export interface HbhMatch extends Match, OptionsHeader {
  readonly kind: "hbh";
}

export const hbh: MatchModule<HbhMatch> = {
  kind: "hbh",
  needsConntrack: false,
  parse: (reader) => ({ kind: "hbh", ...readOptionsHeader(reader, "hbh") }),
  format: (match) => formatOptionsHeader(match, "hbh"),
  compile: (match) => new OptionsHeaderTest(0, match),
};
