import type { Match, MatchModule } from "./match.ts";

/** Is the IPv6 source made from the frame's source address? (net/ipv6/netfilter/ip6t_eui64.c) */
export interface Eui64Match extends Match {
  readonly kind: "eui64";
}

export const eui64: MatchModule<Eui64Match> = {
  kind: "eui64",
  needsConntrack: false,

  parse(reader) {
    reader.options({});
    return { kind: "eui64" };
  },

  format: () => "",
  compile: null,
};
