import type { Negatable } from "../rule.ts";
import { hexByte } from "../save/number.ts";
import { negatableText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { TosTest } from "./tos.ts";

/** The six DSCP bits of the TOS byte (net/netfilter/xt_dscp.c). */
export interface DscpMatch extends Match {
  readonly kind: "dscp";
  readonly dscp: Negatable<number>;
}

const DSCP_SHIFT = 2;
const DSCP_MASK = 0xfc;

export const dscp: MatchModule<DscpMatch> = {
  kind: "dscp",
  needsConntrack: false,

  parse(reader) {
    let found: DscpMatch["dscp"] | null = null;
    reader.options({
      "--dscp": () => {
        found = { invert: reader.negated(), value: reader.uint(63) };
      },
    });
    if (found === null) reader.fail("--dscp is missing");
    return { kind: "dscp", dscp: found ?? { invert: false, value: 0 } };
  },

  format: (match) => negatableText("--dscp", match.dscp, hexByte) as string,

  compile: ({ dscp: { value, invert } }) =>
    new TosTest({ value: value << DSCP_SHIFT, mask: DSCP_MASK }, invert),
};
