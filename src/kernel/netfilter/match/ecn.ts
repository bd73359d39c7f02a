import { IPPROTO_TCP, type Packet, TCP_CWR, TCP_ECE } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Explicit congestion notification: bits of the TOS byte, and of a TCP header (net/netfilter/xt_ecn.c). */
export interface EcnMatch extends Match {
  readonly kind: "ecn";
  readonly cwr: Negatable<true> | null;
  readonly ece: Negatable<true> | null;
  /** The lower two bits of the TOS byte. */
  readonly ipEct: Negatable<number> | null;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const ecn: MatchModule<EcnMatch> = {
  kind: "ecn",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<EcnMatch> = { kind: "ecn", cwr: null, ece: null, ipEct: null };
    reader.options({
      "--ecn-tcp-cwr": () => {
        match.cwr = { invert: reader.negated(), value: true };
      },
      "--ecn-tcp-ece": () => {
        match.ece = { invert: reader.negated(), value: true };
      },
      "--ecn-ip-ect": () => {
        match.ipEct = { invert: reader.negated(), value: reader.uint(3) };
      },
    });
    if (match.cwr === null && match.ece === null && match.ipEct === null)
      reader.fail("it needs --ecn-tcp-cwr, --ecn-tcp-ece or --ecn-ip-ect");
    return match;
  },

  format: ({ cwr, ece, ipEct }) =>
    optionText(
      ece && `${ece.invert ? "! " : ""}--ecn-tcp-ece`,
      cwr && `${cwr.invert ? "! " : ""}--ecn-tcp-cwr`,
      negatableText("--ecn-ip-ect", ipEct, String),
    ),

  compile: (match) => new EcnTest(match),
};

/** Does the match ask a TCP header, so that the kernel takes it with `-p tcp` alone (`ecn_mt_check4`)? */
export function asksTcp(match: Match): boolean {
  const { cwr, ece } = match as EcnMatch;
  return match.kind === "ecn" && (cwr !== null || ece !== null);
}

/** Runs per packet. */
class EcnTest implements MatchTest {
  private readonly match: EcnMatch;

  constructor(match: EcnMatch) {
    this.match = match;
  }

  test({ tos, protocol, tcpFlags, fragOffset }: Packet): boolean {
    const { cwr, ece, ipEct } = this.match;
    if (ipEct !== null && ((tos & 3) === ipEct.value) === ipEct.invert) return false;
    if (cwr === null && ece === null) return true;
    if (protocol !== IPPROTO_TCP || fragOffset !== 0) return false;
    if (ece !== null && ((tcpFlags & TCP_ECE) !== 0) === ece.invert) return false;
    return cwr === null || ((tcpFlags & TCP_CWR) !== 0) !== cwr.invert;
  }
}
