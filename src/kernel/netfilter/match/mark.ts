import type { Packet } from "../../../packet/packet.ts";
import type { MatchTest } from "../rule-context.ts";
import { formatMaskedMark, readMaskedMark } from "../save/mark.ts";
import type { Match, MatchModule } from "./match.ts";

/** The packet's mark (net/netfilter/xt_mark.c, `mark_mt`). */
export interface MarkMatch extends Match {
  readonly kind: "mark";
  readonly value: number;
  readonly mask: number;
  readonly invert: boolean;
}

export const mark: MatchModule<MarkMatch> = {
  kind: "mark",
  needsConntrack: false,

  parse(reader) {
    let match: MarkMatch | null = null;
    reader.options({
      "--mark": () => {
        match = { kind: "mark", invert: reader.negated(), ...readMaskedMark(reader) };
      },
    });
    if (match === null) reader.fail("--mark is missing");
    return match ?? { kind: "mark", invert: false, value: 0, mask: 0 };
  },

  format: (match) => `${match.invert ? "! " : ""}--mark ${formatMaskedMark(match)}`,

  compile: (match) => new MarkTest(match),
};

/** Runs per packet. */
class MarkTest implements MatchTest {
  private readonly value: number;
  private readonly mask: number;
  private readonly invert: boolean;

  constructor(match: MarkMatch) {
    this.value = match.value;
    this.mask = match.mask;
    this.invert = match.invert;
  }

  test(packet: Packet): boolean {
    return ((packet.mark & this.mask) === this.value) !== this.invert;
  }
}
