import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";
import { formatPorts, type Ports, portOptions } from "./ports.ts";

/** Ports, types and options of DCCP (net/netfilter/xt_dccp.c). */
export interface DccpMatch extends Match, Ports {
  readonly kind: "dccp";
  readonly types: Negatable<readonly string[]> | null;
  readonly option: Negatable<number> | null;
}

/** By number; the last stands for all types from 10 on. */
const TYPES = [
  ...["REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK"],
  "INVALID",
];

export const dccp: MatchModule<DccpMatch> = {
  kind: "dccp",
  needsConntrack: false,

  parse(reader) {
    const ports: Ports = { sport: null, dport: null };
    let types: DccpMatch["types"] = null;
    let option: DccpMatch["option"] = null;
    reader.options({
      ...portOptions(reader, ports),
      "--dccp-types": () => {
        const invert = reader.negated();
        const names = reader.word("a list of types").toUpperCase().split(",");
        for (const name of names) {
          if (!TYPES.includes(name))
            reader.failValue(`${JSON.stringify(name)} is no type: write ${TYPES.join(", ")}`);
        }
        types = { invert, value: TYPES.filter((name) => names.includes(name)) };
      },
      "--dccp-option": () => {
        option = { invert: reader.negated(), value: reader.uint(255, 1) };
      },
    });
    return { kind: "dccp", ...ports, types, option };
  },

  format: (match) =>
    optionText(
      formatPorts(match),
      negatableText("--dccp-types", match.types, (names) => names.join(",")),
      negatableText("--dccp-option", match.option, String),
    ),

  compile: (match) => new DccpTest(match),
};

const IPPROTO_DCCP = 33;

/** Of a packet of DCCP only its protocol is known here. Runs per packet. */
class DccpTest extends UnsureTest implements MatchTest {
  private readonly asks: boolean;

  constructor(match: DccpMatch) {
    super(match);
    const { sport, dport, types, option } = match;
    this.asks = sport !== null || dport !== null || types !== null || option !== null;
  }

  test(packet: Packet, context: RuleContext): boolean {
    if (packet.protocol !== IPPROTO_DCCP || packet.fragOffset !== 0) return false;
    return !this.asks || this.ask(packet, context);
  }
}
