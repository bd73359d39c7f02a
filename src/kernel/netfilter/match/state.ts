import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText } from "../save/option-text.ts";
import {
  ctStateBit,
  formatCtStates,
  readCtStates,
  STATE_ALIAS_BITS,
  stateWithout,
} from "./conntrack-state.ts";
import type { Match, MatchModule } from "./match.ts";

/** The older spelling of `-m conntrack --ctstate`, without SNAT and DNAT (net/netfilter/xt_state.c). */
export interface StateMatch extends Match {
  readonly kind: "state";
  /** Bits of `CT_STATE`. */
  readonly states: Negatable<number>;
}

export const state: MatchModule<StateMatch> = {
  kind: "state",
  needsConntrack: true,

  parse(reader) {
    let states: StateMatch["states"] | null = null;
    reader.options({
      "--state": () => {
        states = { invert: reader.negated(), value: readCtStates(reader, STATE_ALIAS_BITS) };
      },
    });
    if (states === null) reader.fail("--state is missing");
    return { kind: "state", states: states ?? { invert: false, value: 0 } };
  },

  format: (match) => negatableText("--state", match.states, formatCtStates) as string,

  compile: (match) => new StateTest(match.states),
};

/** Runs per packet. */
class StateTest implements MatchTest {
  private readonly states: number;
  private readonly invert: boolean;

  constructor({ value, invert }: Negatable<number>) {
    this.states = value;
    this.invert = invert;
  }

  test(packet: Packet): boolean {
    const ct = packet.ct;
    const bit = ct < 0 ? stateWithout(packet) : ctStateBit(packet.ctInfo);
    return ((this.states & bit) !== 0) !== this.invert;
  }
}
