import type { Negatable } from "../rule.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Which extension headers an IPv6 packet has (net/ipv6/netfilter/ip6t_ipv6header.c). */
export interface Ipv6headerMatch extends Match {
  readonly kind: "ipv6header";
  /** Names as printed; which they are depends on the machine's /etc/protocols. */
  readonly headers: Negatable<readonly string[]>;
  /** At least these, instead of exactly these. */
  readonly soft: boolean;
}

export const ipv6header: MatchModule<Ipv6headerMatch> = {
  kind: "ipv6header",
  needsConntrack: false,

  parse(reader) {
    let headers: Ipv6headerMatch["headers"] | null = null;
    let soft = false;
    reader.options({
      "--header": () => {
        headers = { invert: reader.negated(), value: reader.word("a list of headers").split(",") };
      },
      "--soft": () => {
        soft = true;
      },
    });
    if (headers === null) reader.fail("--header is missing");
    return { kind: "ipv6header", headers: headers ?? { invert: false, value: [] }, soft };
  },

  format: (match) =>
    optionText(
      negatableText("--header", match.headers, (names) => names.join(",")),
      match.soft && "--soft",
    ),

  compile: null,
};
