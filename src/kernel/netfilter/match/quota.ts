import type { Packet } from "../../../packet/packet.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { Match, MatchModule } from "./match.ts";

/** The first so many bytes (net/netfilter/xt_quota.c). */
export interface QuotaMatch extends Match {
  readonly kind: "quota";
  readonly invert: boolean;
  /** Bytes in decimal: 64 bits, more than a number holds exactly. */
  readonly quota: string;
}

const MAX_QUOTA = 2n ** 64n - 1n;

export const quota: MatchModule<QuotaMatch> = {
  kind: "quota",
  needsConntrack: false,

  parse(reader) {
    let match: QuotaMatch | null = null;
    reader.options({
      "--quota": () => {
        const invert = reader.negated();
        const text = reader.word("a number of bytes");
        const valid = /^(0|[1-9]\d{0,19})$/.test(text) && BigInt(text) <= MAX_QUOTA;
        if (!valid) reader.failValue(`${JSON.stringify(text)} is not a number of bytes up to ${MAX_QUOTA}`);
        match = { kind: "quota", invert, quota: valid ? text : "0" };
      },
    });
    if (match === null) reader.fail("--quota is missing");
    return match ?? { kind: "quota", invert: false, quota: "0" };
  },

  format: (match) => `${match.invert ? "! " : ""}--quota ${match.quota}`,

  compile: (match) => new QuotaTest(match),
};

const CELL = 2 ** 32;

/** Runs per packet. The cells: bytes used up, low and high half. */
class QuotaTest implements MatchTest {
  private readonly quota: number;
  private readonly invert: boolean;

  constructor({ quota, invert }: QuotaMatch) {
    // What is beyond the exact is beyond reach as well.
    this.quota = Math.min(Number(quota), Number.MAX_SAFE_INTEGER);
    this.invert = invert;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const state = context.matchState(this, 2);
    const used = (state.get(0) >>> 0) + state.get(1) * CELL;
    const within = this.quota - used >= packet.length;
    // Once a packet was too large, smaller ones do not pass either.
    const next = within ? used + packet.length : this.quota;
    state.set(0, next | 0);
    state.set(1, Math.floor(next / CELL));
    return within !== this.invert;
  }
}
