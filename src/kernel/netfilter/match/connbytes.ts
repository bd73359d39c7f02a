import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { negatableText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

const DIRECTIONS = ["original", "reply", "both"] as const;
const MODES = ["packets", "bytes", "avgpkt"] as const;

/** How much a connection has carried, this packet included (net/netfilter/xt_connbytes.c). */
export interface ConnbytesMatch extends Match {
  readonly kind: "connbytes";
  readonly range: Negatable<ByteRange>;
  readonly mode: (typeof MODES)[number];
  readonly direction: (typeof DIRECTIONS)[number];
}

/** 64-bit numbers, exact as far as a double is. `to` null: without end. */
interface ByteRange {
  readonly from: number;
  readonly to: number | null;
}

const ENDLESS = "18446744073709551615";

export const connbytes: MatchModule<ConnbytesMatch> = {
  kind: "connbytes",
  needsConntrack: true,

  parse(reader) {
    let range: ConnbytesMatch["range"] | null = null;
    let mode: ConnbytesMatch["mode"] | null = null;
    let direction: ConnbytesMatch["direction"] | null = null;
    reader.options({
      "--connbytes": () => {
        const invert = reader.negated();
        const text = reader.word("a number or a range of numbers");
        const [low = "", high = "", ...more] = text.split(":");
        if (more.length > 0) reader.failValue(`${JSON.stringify(text)} is no range such as 10:20`);
        const from = reader.uintOf(low, Number.MAX_SAFE_INTEGER);
        const to = high === "" || high === ENDLESS ? null : reader.uintOf(high, Number.MAX_SAFE_INTEGER);
        if (to !== null && from > to)
          reader.failValue(`the range ${text} ends before it begins: write ${to}:${from}`);
        // A negated range is held turned round, which of one number nothing shows (`connbytes_parse`).
        range = { invert: invert && from !== to, value: { from, to } };
      },
      "--connbytes-dir": () => {
        direction = reader.oneOf(DIRECTIONS);
      },
      "--connbytes-mode": () => {
        mode = reader.oneOf(MODES);
      },
    });
    if (range === null || mode === null || direction === null)
      reader.fail("it needs --connbytes, --connbytes-mode and --connbytes-dir");
    return {
      kind: "connbytes",
      range: range ?? { invert: false, value: { from: 0, to: null } },
      mode: mode ?? "packets",
      direction: direction ?? "both",
    };
  },

  format: ({ range, mode, direction }) =>
    `${negatableText("--connbytes", range, ({ from, to }) => (to === null ? `${from}` : `${from}:${to}`))} --connbytes-mode ${mode} --connbytes-dir ${direction}`,

  compile: (match) => new ConnbytesTest(match),
};

/** `connbytes_mt`. Runs per packet. */
class ConnbytesTest implements MatchTest {
  private readonly match: ConnbytesMatch;

  constructor(match: ConnbytesMatch) {
    this.match = match;
  }

  test({ ct }: Packet, { conntrack }: RuleContext): boolean {
    if (ct < 0) return false;
    const { range, mode, direction } = this.match;
    let packets = 0;
    let bytes = 0;
    if (direction !== "reply") {
      packets += conntrack.extensions.packets(ct, 0);
      bytes += conntrack.extensions.bytes(ct, 0);
    }
    if (direction !== "original") {
      packets += conntrack.extensions.packets(ct, 1);
      bytes += conntrack.extensions.bytes(ct, 1);
    }
    let value = mode === "packets" ? packets : bytes;
    if (mode === "avgpkt") value = packets === 0 ? 0 : Math.floor(bytes / packets);
    const { from, to } = range.value;
    return (value >= from && (to === null || value <= to)) !== range.invert;
  }
}
