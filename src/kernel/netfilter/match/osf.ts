import { type Packet, TCP_SYN } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** The system that sent a SYN, by its habits (net/netfilter/nfnetlink_osf.c). */
export interface OsfMatch extends Match {
  readonly kind: "osf";
  readonly genre: Negatable<string>;
  /** How a fingerprint's TTL is compared: the same, less, not at all. */
  readonly ttl: number | null;
  readonly log: number | null;
}

/** `MAXGENRELEN`, less the final zero. */
const MAX_LENGTH = 31;

export const osf: MatchModule<OsfMatch> = {
  kind: "osf",
  needsConntrack: false,

  parse(reader) {
    let genre: OsfMatch["genre"] | null = null;
    let ttl: number | null = null;
    let log: number | null = null;
    reader.options({
      "--genre": () => {
        genre = { invert: reader.negated(), value: reader.word("the name of a system") };
        if (genre.value.length > MAX_LENGTH) reader.failValue(`a name has at most ${MAX_LENGTH} characters`);
      },
      "--ttl": () => {
        ttl = reader.uint(2);
      },
      "--log": () => {
        log = reader.uint(2);
      },
    });
    if (genre === null) reader.fail("--genre is missing");
    return { kind: "osf", genre: genre ?? { invert: false, value: "" }, ttl, log };
  },

  // A name of two words is printed without quotes, as iptables-save does, though nothing reads it back.
  format: ({ genre, ttl, log }) =>
    optionText(
      negatableText("--genre", genre, String),
      ttl !== null && `--ttl ${ttl}`,
      log !== null && `--log ${log}`,
    ),

  compile: (match) => new OsfTest(match),
};

/** `nf_osf_match`: of a SYN alone. Which fingerprints were loaded (nfnl_osf) no dump says. Runs per packet. */
class OsfTest extends UnsureTest implements MatchTest {
  test(packet: Packet, context: RuleContext): boolean {
    return (packet.tcpFlags & TCP_SYN) !== 0 && packet.fragOffset === 0 && this.ask(packet, context);
  }
}
