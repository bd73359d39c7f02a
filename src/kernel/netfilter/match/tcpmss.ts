import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
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

  compile: (match) => new TcpmssTest(match.mss),
};

/** `tcpmss_mt`: a segment without the option is within no range. Runs per packet. */
class TcpmssTest implements MatchTest {
  private readonly mss: TcpmssMatch["mss"];

  constructor(mss: TcpmssMatch["mss"]) {
    this.mss = mss;
  }

  test({ mss, fragOffset }: Packet): boolean {
    const { value, invert } = this.mss;
    const isWithin = mss !== 0 && fragOffset === 0 && mss >= value.min && mss <= value.max;
    return isWithin !== invert;
  }
}
