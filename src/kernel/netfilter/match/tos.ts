import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { hexByte } from "../save/number.ts";
import { negatableText } from "../save/option-text.ts";
import { type MaskedTos, readTos } from "../save/tos-value.ts";
import type { Match, MatchModule } from "./match.ts";

/** The TOS byte under a mask (net/netfilter/xt_dscp.c, `tos_mt`). */
export interface TosMatch extends Match {
  readonly kind: "tos";
  readonly tos: Negatable<MaskedTos>;
}

export const tos: MatchModule<TosMatch> = {
  kind: "tos",
  needsConntrack: false,

  parse(reader) {
    let found: TosMatch["tos"] | null = null;
    reader.options({
      "--tos": () => {
        found = { invert: reader.negated(), value: readTos(reader, 0xff) };
      },
    });
    if (found === null) reader.fail("--tos is missing");
    return { kind: "tos", tos: found ?? { invert: false, value: { value: 0, mask: 0 } } };
  },

  format: (match) =>
    negatableText("--tos", match.tos, ({ value, mask }) => `${hexByte(value)}/${hexByte(mask)}`) as string,

  compile: (match) => new TosTest(match.tos.value, match.tos.invert),
};

/** Runs per packet. */
export class TosTest implements MatchTest {
  private readonly value: number;
  private readonly mask: number;
  private readonly invert: boolean;

  constructor({ value, mask }: MaskedTos, invert: boolean) {
    this.value = value;
    this.mask = mask;
    this.invert = invert;
  }

  test(packet: Packet): boolean {
    return ((packet.tos & this.mask) === this.value) !== this.invert;
  }
}
