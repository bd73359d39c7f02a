import type { Match, MatchModule } from "./match.ts";
import { formatSpis, readSpis, type SpiRange, SpiTest } from "./spi.ts";

/** The index of an ESP packet's security association (net/netfilter/xt_esp.c). */
export interface EspMatch extends Match {
  readonly kind: "esp";
  readonly spis: SpiRange;
}

export const esp: MatchModule<EspMatch> = {
  kind: "esp",
  needsConntrack: false,
  parse: (reader) => ({ kind: "esp", spis: readSpis(reader, "--espspi") }),
  format: ({ spis }) => formatSpis("--espspi", spis),
  compile: (match) => new SpiTest(match, { protocol: 50, header: 8, at: 0, bytes: 4 }, match.spis),
};
