import type { Packet } from "../../../packet/packet.ts";
import { CHOICE_STATISTIC } from "../../chooser.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { negatableText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Some of the packets: by chance, or every n-th (net/netfilter/xt_statistic.c). */
export type StatisticMatch = RandomMatch | NthMatch;

export interface RandomMatch extends Match {
  readonly kind: "statistic";
  readonly mode: "random";
  readonly probability: Negatable<Probability>;
}

export interface Probability {
  /** As the dump has it: the number of digits differs between versions of iptables. */
  readonly text: string;
  /** Odds in 2³¹ parts, 0 … 2³¹: what the kernel holds. */
  readonly threshold: number;
}

export interface NthMatch extends Match {
  readonly kind: "statistic";
  readonly mode: "nth";
  readonly every: Negatable<number>;
  /** Which of the n, counted from 0. */
  readonly packet: number;
}

const WHOLE = 2 ** 31;

/** The probability as iptables-save prints it: `%.11f`. */
export function probabilityOf(threshold: number): Probability {
  // Every threshold is a whole number of 2⁻³¹, so its decimal expansion ends within 31 digits and can be rounded exactly,
  // half to even as printf does (toFixed rounds half up).
  const scaled = BigInt(threshold) * 10n ** 11n;
  const unit = BigInt(WHOLE);
  const rest = scaled % unit;
  let digits = scaled / unit;
  if (rest * 2n > unit || (rest * 2n === unit && digits % 2n === 1n)) digits++;
  const text = digits.toString().padStart(12, "0");
  return { text: `${text.slice(0, -11)}.${text.slice(-11)}`, threshold };
}

export const statistic: MatchModule<StatisticMatch> = {
  kind: "statistic",
  needsConntrack: false,

  parse(reader) {
    let mode = "";
    let probability: RandomMatch["probability"] | null = null;
    let every: NthMatch["every"] | null = null;
    let packet: number | null = null;
    reader.options({
      "--mode": () => {
        mode = reader.oneOf(["random", "nth"]);
      },
      "--probability": () => {
        const invert = reader.negated();
        const text = reader.word("a number from 0 to 1");
        const value = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
        if (!(value >= 0 && value <= 1))
          reader.failValue(`${JSON.stringify(text)} is not a number from 0 to 1`);
        probability = { invert, value: { text, threshold: Math.round(value * WHOLE) } };
      },
      "--every": () => {
        every = { invert: reader.negated(), value: reader.uint(0xffffffff, 1) };
      },
      "--packet": () => {
        packet = reader.uint(0xffffffff);
      },
    });
    if (mode === "") reader.fail("--mode is missing: write --mode random or --mode nth");
    if (mode === "nth") return nth(every, packet);
    if (probability === null) reader.fail("--mode random needs --probability");
    if (every !== null || packet !== null) reader.fail("--every and --packet belong to --mode nth");
    return {
      kind: "statistic",
      mode: "random",
      probability: probability ?? { invert: false, value: probabilityOf(0) },
    };

    function nth(every: Negatable<number> | null, packet: number | null): NthMatch {
      if (every === null || packet === null) reader.fail("--mode nth needs --every and --packet");
      else if (packet >= every.value) reader.fail(`--packet must be below --every: 0 to ${every.value - 1}`);
      if (probability !== null) reader.fail("--probability belongs to --mode random");
      return {
        kind: "statistic",
        mode: "nth",
        every: every ?? { invert: false, value: 1 },
        packet: packet ?? 0,
      };
    }
  },

  format(match) {
    if (match.mode === "random") {
      return `--mode random ${negatableText("--probability", match.probability, ({ text }) => text)}`;
    }
    return `--mode nth ${negatableText("--every", match.every, String)} --packet ${match.packet}`;
  },

  compile: (match) =>
    match.mode === "random" ? new RandomTest(match.probability) : new NthTest(match.every, match.packet),
};

/** Runs per packet. */
class RandomTest implements MatchTest {
  private readonly threshold: number;
  private readonly invert: boolean;
  readonly chance: number | null;

  constructor({ value, invert }: Negatable<Probability>) {
    this.threshold = value.threshold;
    this.invert = invert;
    this.chance = invert || value.threshold >= WHOLE ? null : value.threshold;
  }

  test(_packet: Packet, context: RuleContext): boolean {
    return context.chooser.event(CHOICE_STATISTIC, this.threshold) !== this.invert;
  }
}

/**
 * The kernel counts up from `every - 1 - packet` and matches where the count returns to 0. Counted from 0 instead, it is
 * the packets whose number is `packet` modulo `every`. Runs per packet.
 */
class NthTest implements MatchTest {
  private readonly every: number;
  private readonly packet: number;
  private readonly invert: boolean;

  constructor({ value, invert }: Negatable<number>, packet: number) {
    this.every = value;
    this.packet = packet;
    this.invert = invert;
  }

  test(_packet: Packet, context: RuleContext): boolean {
    const state = context.matchState(this, 1);
    const number = state.get(0) >>> 0;
    state.set(0, number + 1 === this.every ? 0 : number + 1);
    return (number === this.packet) !== this.invert;
  }
}
