import type { Packet } from "../../../packet/packet.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { formatRate, type Rate, readRate, secondsOf } from "./rate.ts";

/** So many packets in a time, by a bucket of credit (net/netfilter/xt_limit.c). */
export interface LimitMatch extends Match {
  readonly kind: "limit";
  readonly rate: Rate;
  readonly burst: number;
}

/** `XT_LIMIT_BURST`: not printed. */
const DEFAULT_BURST = 5;

/** `XT_LIMIT_SCALE`: a rate is held as its period in tenths of a millisecond. */
const SCALE = 10000;
/** `CREDITS_PER_JIFFY` for a tick of one millisecond. */
const CREDITS_PER_MS = 32;

export const limit: MatchModule<LimitMatch> = {
  kind: "limit",
  needsConntrack: false,

  parse(reader) {
    let rate: Rate = { count: 3, per: "hour" };
    let burst = DEFAULT_BURST;
    reader.options({
      "--limit": () => {
        rate = readRate(reader);
        if (periodOf(rate) === 0) reader.failValue(`more than ${SCALE} a second cannot be counted`);
      },
      "--limit-burst": () => {
        burst = reader.uint(10000, 1);
      },
    });
    return { kind: "limit", rate, burst };
  },

  format: (match) =>
    optionText(
      `--limit ${formatRate(match.rate)}`,
      match.burst !== DEFAULT_BURST && `--limit-burst ${match.burst}`,
    ),

  compile: (match) => new LimitTest(match),
};

function periodOf({ count, per }: Rate): number {
  return Math.floor((SCALE * secondsOf(per)) / count);
}

/** `user2credits`, in whole numbers as there. */
function creditsOf(period: number): number {
  const perSecond = 1000 * CREDITS_PER_MS;
  if (period > Math.floor(0xffffffff / perSecond)) return Math.floor(period / SCALE) * perSecond;
  return Math.floor((period * perSecond) / SCALE);
}

/** Has a bucket more credit than 32 bits hold, for which xt_limit refuses the rule (`limit_mt_check`)? nftables' own does not. */
export function overflows({ rate, burst }: LimitMatch): boolean {
  const period = periodOf(rate);
  return creditsOf((period * burst) >>> 0) >>> 0 < creditsOf(period) >>> 0;
}

/** Runs per packet. The cells: credit spent (so that 0 is a full bucket), and when it was last reckoned. */
class LimitTest implements MatchTest {
  private readonly cost: number;
  private readonly cap: number;

  constructor({ rate, burst }: LimitMatch) {
    const period = periodOf(rate);
    this.cost = creditsOf(period);
    // 32 bits, as the kernel has: of a large bucket only the rest is left (`limit_mt_check`).
    this.cap = creditsOf((period * burst) >>> 0) >>> 0;
  }

  test(_packet: Packet, context: RuleContext): boolean {
    const state = context.matchState(this, 2);
    const elapsed = (context.now - state.get(1)) >>> 0;
    let spent = Math.max(0, (state.get(0) >>> 0) - elapsed * CREDITS_PER_MS);
    const within = this.cap - spent >= this.cost;
    if (within) spent += this.cost;
    state.set(0, spent | 0);
    state.set(1, context.now | 0);
    return within;
  }
}
