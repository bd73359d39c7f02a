import { optionText } from "../save/option-text.ts";
import { formatUintRange } from "../save/uint-range.ts";
import type { Match, MatchModule } from "./match.ts";
import { readSpis, type SpiRange, SpiTest } from "./spi.ts";

/** The index of a compressed packet's association (net/netfilter/xt_ipcomp.c). */
export interface IpcompMatch extends Match {
  readonly kind: "ipcomp";
  readonly spis: SpiRange;
  /** The header's reserved field is zero. */
  readonly reserved: boolean;
}

const UNSAID: SpiRange = { invert: false, value: { min: 0, max: 0 } };

export const ipcomp: MatchModule<IpcompMatch> = {
  kind: "ipcomp",
  needsConntrack: false,

  parse(reader) {
    let reserved = false;
    const compres = () => {
      reserved = true;
    };
    // Without the option it is index 0 that is asked for, not any.
    const spis = readSpis(reader, "--ipcompspi", { "--compres": compres }, UNSAID);
    return { kind: "ipcomp", spis, reserved };
  },

  format: ({ spis: { invert, value }, reserved }) =>
    optionText(`${invert ? "! " : ""}--ipcompspi ${formatUintRange(value)}`, reserved && "--compres"),

  compile: (match) => new SpiTest(match, { protocol: 108, header: 4, at: 2, bytes: 2 }, match.spis),
};
