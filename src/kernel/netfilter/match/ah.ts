import type { Packet } from "../../../packet/packet.ts";
import { read16, read32 } from "../../../packet/wire/big-endian.ts";
import type { Negatable } from "../rule.ts";
import type { RuleContext } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { extensionOf } from "./options-header.ts";
import { formatSpis, readSpis, type SpiRange, SpiTest } from "./spi.ts";

/** The index in an authentication header (net/ipv4/netfilter/ipt_ah.c, net/ipv6/netfilter/ip6t_ah.c). */
export interface AhMatch extends Match {
  readonly kind: "ah";
  readonly spis: SpiRange;
  /** Of IPv6 alone: the header's length in bytes, and whether its reserved field is zero. */
  readonly length: Negatable<number> | null;
  readonly reserved: boolean;
}

export const ah: MatchModule<AhMatch> = {
  kind: "ah",
  needsConntrack: false,

  parse(reader) {
    let length: AhMatch["length"] = null;
    let reserved = false;
    const spis = readSpis(
      reader,
      "--ahspi",
      reader.family === 4
        ? {}
        : {
            "--ahlen": () => {
              length = { invert: reader.negated(), value: reader.uint(0xffffffff) };
            },
            "--ahres": () => {
              reserved = true;
            },
          },
    );
    return { kind: "ah", spis, length, reserved };
  },

  format: ({ spis, length, reserved }) =>
    optionText(formatSpis("--ahspi", spis), negatableText("--ahlen", length, String), reserved && "--ahres"),

  compile: (match) => new AhTest(match),
};

const AUTHENTICATION = 51;
/** Places in the header. */
const RESERVED = 2;
const SPI = 4;

/** `ah_mt`, and `ah_mt6`: of IPv6 it is a header before others. Runs per packet. */
class AhTest extends SpiTest {
  private readonly match: AhMatch;

  constructor(match: AhMatch) {
    super(match, { protocol: AUTHENTICATION, header: 12, at: SPI, bytes: 4 }, match.spis);
    this.match = match;
  }

  override test(packet: Packet, context: RuleContext): boolean {
    if (packet.family === 4) return super.test(packet, context);
    const header = extensionOf(packet, AUTHENTICATION);
    if (header === undefined) return false;
    const { spis, length, reserved } = this.match;
    const spi = read32(header, SPI) >>> 0;
    if ((spis.value.min <= spi && spi <= spis.value.max) === spis.invert) return false;
    // A length of 0 is not asked for.
    if (length !== null && length.value !== 0 && (header.length === length.value) === length.invert)
      return false;
    return !reserved || read16(header, RESERVED) === 0;
  }
}
