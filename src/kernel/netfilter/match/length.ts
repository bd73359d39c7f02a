import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText } from "../save/option-text.ts";
import { formatUintRange, readUintRange, type UintRange } from "../save/uint-range.ts";
import type { Match, MatchModule } from "./match.ts";

/** The whole length of the IP packet, header included (net/netfilter/xt_length.c). */
export interface LengthMatch extends Match {
  readonly kind: "length";
  readonly length: Negatable<UintRange>;
}

export const length: MatchModule<LengthMatch> = {
  kind: "length",
  needsConntrack: false,

  parse(reader) {
    let found: LengthMatch["length"] | null = null;
    reader.options({
      "--length": () => {
        found = { invert: reader.negated(), value: readUintRange(reader, 0xffff) };
      },
    });
    if (found === null) reader.fail("--length is missing");
    return { kind: "length", length: found ?? { invert: false, value: { min: 0, max: 0xffff } } };
  },

  format: (match) => negatableText("--length", match.length, formatUintRange) as string,

  compile: (match) => new LengthTest(match.length),
};

/** Runs per packet. */
class LengthTest implements MatchTest {
  private readonly min: number;
  private readonly max: number;
  private readonly invert: boolean;

  constructor({ value, invert }: Negatable<UintRange>) {
    this.min = value.min;
    this.max = value.max;
    this.invert = invert;
  }

  test({ length }: Packet): boolean {
    return (length >= this.min && length <= this.max) !== this.invert;
  }
}
