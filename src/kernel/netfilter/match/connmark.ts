import type { Packet } from "../../../packet/packet.ts";
import { hasTemplate } from "../../conntrack/zone.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { formatMaskedMark, readMaskedMark } from "../save/mark.ts";
import type { Match, MatchModule } from "./match.ts";

/** The mark of the packet's connection; never without one (net/netfilter/xt_connmark.c, `connmark_mt`). */
export interface ConnmarkMatch extends Match {
  readonly kind: "connmark";
  readonly value: number;
  readonly mask: number;
  readonly invert: boolean;
}

export const connmark: MatchModule<ConnmarkMatch> = {
  kind: "connmark",
  needsConntrack: true,

  parse(reader) {
    let match: ConnmarkMatch | null = null;
    reader.options({
      "--mark": () => {
        match = { kind: "connmark", invert: reader.negated(), ...readMaskedMark(reader) };
      },
    });
    if (match === null) reader.fail("--mark is missing");
    return match ?? { kind: "connmark", invert: false, value: 0, mask: 0 };
  },

  format: (match) => `${match.invert ? "! " : ""}--mark ${formatMaskedMark(match)}`,

  compile: (match) => new ConnmarkTest(match),
};

/** Runs per packet. */
class ConnmarkTest implements MatchTest {
  private readonly value: number;
  private readonly mask: number;
  private readonly invert: boolean;

  constructor(match: ConnmarkMatch) {
    this.value = match.value;
    this.mask = match.mask;
    this.invert = match.invert;
  }

  test(packet: Packet, context: RuleContext): boolean {
    if (packet.ct < 0 && !hasTemplate(packet)) return false;
    const mark = packet.ct < 0 ? 0 : context.conntrack.mark(packet.ct);
    return ((mark & this.mask) === this.value) !== this.invert;
  }
}
