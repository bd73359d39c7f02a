import type { Negatable } from "../rule.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { formatSpis, readSpis, type SpiRange, SpiTest } from "./spi.ts";

/** The index in an authentication header (net/ipv4/netfilter/ipt_ah.c, net/ipv6/netfilter/ip6t_ah.c). */
export interface AhMatch extends Match {
  readonly kind: "ah";
  readonly spis: SpiRange;
  /** Of IPv6 alone: the header's length in bytes, and whether its reserved field is zero. */
  readonly length: Negatable<number> | null;
  readonly reserved: boolean;
}

export const ah: MatchModule<AhMatch> = {
  kind: "ah",
  needsConntrack: false,

  parse(reader) {
    let length: AhMatch["length"] = null;
    let reserved = false;
    const spis = readSpis(
      reader,
      "--ahspi",
      reader.family === 4
        ? {}
        : {
            "--ahlen": () => {
              length = { invert: reader.negated(), value: reader.uint(0xffffffff) };
            },
            "--ahres": () => {
              reserved = true;
            },
          },
    );
    return { kind: "ah", spis, length, reserved };
  },

  format: ({ spis, length, reserved }) =>
    optionText(formatSpis("--ahspi", spis), negatableText("--ahlen", length, String), reserved && "--ahres"),

  compile: (match) => new SpiTest(match, { protocol: 51, header: 12, at: 4, bytes: 4 }, match.spis),
};
