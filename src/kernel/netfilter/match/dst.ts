import type { Match, MatchModule } from "./match.ts";
import {
  formatOptionsHeader,
  type OptionsHeader,
  OptionsHeaderTest,
  readOptionsHeader,
} from "./options-header.ts";

/** An IPv6 packet's header of options for the destination (net/ipv6/netfilter/ip6t_hbh.c). */
export interface DstMatch extends Match, OptionsHeader {
  readonly kind: "dst";
}

export const dst: MatchModule<DstMatch> = {
  kind: "dst",
  needsConntrack: false,
  parse: (reader) => ({ kind: "dst", ...readOptionsHeader(reader, "dst") }),
  format: (match) => formatOptionsHeader(match, "dst"),
  compile: (match) => new OptionsHeaderTest(60, match),
};
