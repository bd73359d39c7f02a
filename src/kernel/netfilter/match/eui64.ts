import { word6 } from "../../../address/ip6-handle.ts";
import { eui64High, eui64Low } from "../../../address/mac.ts";
import { PACKET_LOOPBACK, type Packet } from "../../../packet/packet.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { Match, MatchModule } from "./match.ts";

/** Is the IPv6 source made from the frame's source address? (net/ipv6/netfilter/ip6t_eui64.c) */
export interface Eui64Match extends Match {
  readonly kind: "eui64";
}

export const eui64: MatchModule<Eui64Match> = {
  kind: "eui64",
  needsConntrack: false,

  parse(reader) {
    reader.options({});
    return { kind: "eui64" };
  },

  format: () => "",
  compile: () => new Eui64Test(),
};

/**
 * Runs per packet. The copy of a group's packet that its sender hears itself comes by a device whose frames have a header, and has none:
 * that is dropped.
 */
class Eui64Test implements MatchTest {
  test(packet: Packet, context: RuleContext): boolean {
    if (!packet.framed && packet.pktType === PACKET_LOOPBACK && !context.isLoopback(context.inIf))
      context.hotdrop = true;
    return (
      packet.framed &&
      word6(packet.src, 2) === eui64High(packet.ethSrc) &&
      word6(packet.src, 3) === eui64Low(packet.ethSrc)
    );
  }
}
