import type { Negatable } from "../rule.ts";
import { negatableText } from "../save/option-text.ts";
import { IcmpTest, type IcmpType, readIcmpType } from "./icmp.ts";
import type { Match, MatchModule } from "./match.ts";

/** Type and code of an ICMPv6 message (net/ipv6/netfilter/ip6_tables.c, `icmp6_match`). */
export interface Icmp6Match extends Match {
  readonly kind: "icmp6";
  readonly type: Negatable<IcmpType>;
}

export const icmp6: MatchModule<Icmp6Match> = {
  kind: "icmp6",
  needsConntrack: false,

  parse(reader) {
    let type: Icmp6Match["type"] | null = null;
    reader.options({
      "--icmpv6-type": () => {
        type = { invert: reader.negated(), value: readIcmpType(reader) };
      },
    });
    if (type === null) reader.fail("--icmpv6-type is missing");
    return { kind: "icmp6", type: type ?? { invert: false, value: { type: 0, code: null } } };
  },

  format: (match) =>
    negatableText("--icmpv6-type", match.type, ({ type, code }) =>
      code === null ? String(type) : `${type}/${code}`,
    ) as string,

  compile: (match) => new IcmpTest(match.type, false),
};
