import type { Negatable } from "../rule.ts";
import { negatableText } from "../save/option-text.ts";
import { formatUintRange, readUintRange, type UintRange } from "../save/uint-range.ts";
import type { Match, MatchModule } from "./match.ts";

/** The segment size announced in the TCP options (net/netfilter/xt_tcpmss.c). */
export interface TcpmssMatch extends Match {
  readonly kind: "tcpmss";
  readonly mss: Negatable<UintRange>;
}

export const tcpmss: MatchModule<TcpmssMatch> = {
  kind: "tcpmss",
  needsConntrack: false,

  parse(reader) {
    let mss: TcpmssMatch["mss"] | null = null;
    reader.options({
      "--mss": () => {
        mss = { invert: reader.negated(), value: readUintRange(reader, 0xffff) };
      },
    });
    if (mss === null) reader.fail("--mss is missing");
    return { kind: "tcpmss", mss: mss ?? { invert: false, value: { min: 0, max: 0 } } };
  },

  format: (match) => negatableText("--mss", match.mss, formatUintRange) as string,

  /** A packet carries no TCP options. */
  compile: null,
};
