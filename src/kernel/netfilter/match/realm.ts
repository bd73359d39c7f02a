import type { Packet } from "../../../packet/packet.ts";
import { realmNumber, UNKNOWN_REALMS } from "../../route/realms.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { formatMaskedMark, type MaskedMark, readMaskedMark } from "../save/mark.ts";
import { negatableText } from "../save/option-text.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** The realm of the packet's route (net/netfilter/xt_realm.c). */
export interface RealmMatch extends Match {
  readonly kind: "realm";
  /** A number, or a name of /etc/iproute2/rt_realms as the dump has it. */
  readonly realm: Negatable<MaskedMark | string>;
}

export const realm: MatchModule<RealmMatch> = {
  kind: "realm",
  needsConntrack: false,

  parse(reader) {
    let found: RealmMatch["realm"] | null = null;
    reader.options({
      "--realm": () => {
        const invert = reader.negated();
        const next = reader.peek() ?? "";
        const value = /^[A-Za-z]/.test(next) ? reader.word("a realm") : readMaskedMark(reader);
        found = { invert, value };
      },
    });
    if (found === null) reader.fail("--realm is missing");
    return { kind: "realm", realm: found ?? { invert: false, value: "" } };
  },

  format: (match) =>
    negatableText("--realm", match.realm, (value) =>
      typeof value === "string" ? value : formatMaskedMark(value),
    ) as string,

  compile: (match) => {
    const { value, invert } = match.realm;
    const number = typeof value === "string" ? realmNumber(value) : value.value;
    if (number === null) return null;
    return new RealmTest(match, number, typeof value === "string" ? ~0 : value.mask, invert);
  },
};

/** `realm_mt`. Runs per packet. */
class RealmTest extends UnsureTest implements MatchTest {
  private readonly value: number;
  private readonly mask: number;
  private readonly invert: boolean;

  constructor(match: RealmMatch, value: number, mask: number, invert: boolean) {
    super(match);
    this.value = value;
    this.mask = mask;
    this.invert = invert;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const { rtRealms } = packet;
    if (rtRealms === UNKNOWN_REALMS) return this.ask(packet, context);
    return ((rtRealms & this.mask) === (this.value | 0)) !== this.invert;
  }
}
