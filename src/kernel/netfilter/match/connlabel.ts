import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** One of 128 bits that a connection carries (net/netfilter/xt_connlabel.c). */
export interface ConnlabelMatch extends Match {
  readonly kind: "connlabel";
  /** A number; a name of /etc/xtables/connlabel.conf as the dump has it. */
  readonly label: Negatable<number | string>;
  /** Set the bit, too. */
  readonly set: boolean;
}

/** `XT_CONNLABEL_MAXBIT`: the kernel refuses one beyond. */
const LAST_LABEL = 127;

export const connlabel: MatchModule<ConnlabelMatch> = {
  kind: "connlabel",
  needsConntrack: true,

  parse(reader) {
    let label: ConnlabelMatch["label"] | null = null;
    let set = false;
    reader.options({
      "--label": () => {
        const invert = reader.negated();
        const text = reader.word("a label");
        label = { invert, value: /^\d/.test(text) ? reader.uintOf(text, LAST_LABEL) : text };
      },
      "--set": () => {
        set = true;
      },
    });
    if (label === null) reader.fail("--label is missing");
    return { kind: "connlabel", label: label ?? { invert: false, value: 0 }, set };
  },

  format: ({ label, set }) =>
    optionText(`${label.invert ? "! " : ""}--label "${label.value}"`, set && "--set"),

  /** Which bit a name stands for the dump does not say. */
  compile: ({ label: { value, invert }, set }) =>
    typeof value === "string" ? null : new ConnlabelTest(value, invert, set),
};

/** `connlabel_mt`. Runs per packet. */
class ConnlabelTest implements MatchTest {
  private readonly label: number;
  private readonly invert: boolean;
  private readonly set: boolean;

  constructor(label: number, invert: boolean, set: boolean) {
    this.label = label;
    this.invert = invert;
    this.set = set;
  }

  test({ ct }: Packet, { conntrack }: RuleContext): boolean {
    if (ct < 0) return this.invert;
    if (conntrack.extensions.hasLabel(ct, this.label)) return !this.invert;
    if (!this.set) return this.invert;
    conntrack.extensions.setLabel(ct, this.label);
    return !this.invert;
  }
}
