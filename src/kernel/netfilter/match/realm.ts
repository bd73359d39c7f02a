import type { Negatable } from "../rule.ts";
import { formatMaskedMark, type MaskedMark, readMaskedMark } from "../save/mark.ts";
import { negatableText } from "../save/option-text.ts";
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

  /** Routes are held without their realms. */
  compile: null,
};
