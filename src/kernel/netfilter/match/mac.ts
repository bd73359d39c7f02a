import { formatMac, MAC_ZERO, type Mac, parseMac } from "../../../address/mac.ts";
import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** The source address of the Ethernet frame the packet came in (net/netfilter/xt_mac.c). */
export interface MacMatch extends Match {
  readonly kind: "mac";
  readonly source: Negatable<Mac>;
}

export const mac: MatchModule<MacMatch> = {
  kind: "mac",
  needsConntrack: false,

  parse(reader) {
    let source: MacMatch["source"] | null = null;
    reader.options({
      "--mac-source": () => {
        const invert = reader.negated();
        const text = reader.word("a MAC address");
        const value = parseMac(text);
        if (value === undefined)
          reader.failValue(`${JSON.stringify(text)} is no MAC address such as 02:42:ac:11:00:02`);
        source = { invert, value: value ?? MAC_ZERO };
      },
    });
    if (source === null) reader.fail("--mac-source is missing");
    return { kind: "mac", source: source ?? { invert: false, value: MAC_ZERO } };
  },

  format: (match) => negatableText("--mac-source", match.source, formatMac) as string,

  compile: (match) => new MacTest(match.source),
};

/** Runs per packet. Without an Ethernet header it does not match, inverted or not; nor on loopback, whose header is all zero. */
class MacTest implements MatchTest {
  private readonly source: Mac;
  private readonly invert: boolean;

  constructor({ value, invert }: Negatable<Mac>) {
    this.source = value;
    this.invert = invert;
  }

  test(packet: Packet): boolean {
    if (!packet.framed || packet.ethSrc === MAC_ZERO) return false;
    return (packet.ethSrc === this.source) !== this.invert;
  }
}
