import { IP6_ANY } from "../../../address/ip6-handle.ts";
import { PACKET_LOOPBACK, type Packet } from "../../../packet/packet.ts";
import { isLimitedBroadcast, isLocalMulticast, isZeronet } from "../../route/output-route.ts";
import { RTN_ANYCAST, RTN_LOCAL, RTN_UNICAST } from "../../route/types.ts";
import { type MatchTest, type RuleContext, VIA_IN } from "../rule-context.ts";
import { optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Would an answer leave by the device the packet came in by? (net/ipv4/netfilter/ipt_rpfilter.c) */
export interface RpfilterMatch extends Match {
  readonly kind: "rpfilter";
  /** Any device will do, as long as there is a route. */
  readonly loose: boolean;
  /** The route is looked up with the packet's mark. */
  readonly validMark: boolean;
  /** An address of this host may come in from outside. */
  readonly acceptLocal: boolean;
  readonly invert: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const rpfilter: MatchModule<RpfilterMatch> = {
  kind: "rpfilter",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<RpfilterMatch> = {
      kind: "rpfilter",
      loose: false,
      validMark: false,
      acceptLocal: false,
      invert: false,
    };
    const flag = (field: "loose" | "validMark" | "acceptLocal" | "invert") => () => {
      match[field] = true;
    };
    reader.options({
      "--loose": flag("loose"),
      "--validmark": flag("validMark"),
      "--accept-local": flag("acceptLocal"),
      "--invert": flag("invert"),
    });
    return match;
  },

  format: (match) =>
    optionText(
      match.loose && "--loose",
      match.validMark && "--validmark",
      match.acceptLocal && "--accept-local",
      match.invert && "--invert",
    ),

  compile: (match) => new RpfilterTest(match),
};

/** Runs per packet. */
class RpfilterTest implements MatchTest {
  private readonly match: RpfilterMatch;

  constructor(match: RpfilterMatch) {
    this.match = match;
  }

  test(packet: Packet, context: RuleContext): boolean {
    return this.passes(packet, context) !== this.match.invert;
  }

  /** `rpfilter_mt` and `rpfilter_lookup_reverse`. */
  private passes(packet: Packet, context: RuleContext): boolean {
    const match = this.match;
    if (packet.pktType === PACKET_LOOPBACK || context.isLoopback(context.inIf)) return true;
    if (packet.family === 6) return this.passes6(packet, context);
    if (isZeronet(packet.src) && (isLimitedBroadcast(packet.dst) || isLocalMulticast(packet.dst)))
      return true;
    const route = context.reverseRoute(packet, match.validMark ? packet.mark : 0);
    if (route < 0) return false;
    const type = route & ~VIA_IN;
    if (type !== RTN_UNICAST && !(type === RTN_LOCAL && match.acceptLocal)) return false;
    return match.loose || (route & VIA_IN) !== 0;
  }

  /** The same of IPv6: a sender without an address is let through, as nobody forwards it. */
  private passes6(packet: Packet, context: RuleContext): boolean {
    const { loose, validMark, acceptLocal } = this.match;
    if (packet.src === IP6_ANY) return true;
    const route = context.reverseRoute6(packet, validMark ? packet.mark : 0, loose);
    if (route < 0) return false;
    const type = route & ~VIA_IN;
    if (type === RTN_LOCAL) return acceptLocal;
    return type !== RTN_ANYCAST && (loose || (route & VIA_IN) !== 0);
  }
}
