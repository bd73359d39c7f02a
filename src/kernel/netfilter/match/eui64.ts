import { word6 } from "../../../address/ip6-handle.ts";
import { eui64High, eui64Low } from "../../../address/mac.ts";
import type { Packet } from "../../../packet/packet.ts";
import type { MatchTest } from "../rule-context.ts";
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

/** Runs per packet. */
class Eui64Test implements MatchTest {
  test(packet: Packet): boolean {
    return (
      packet.framed &&
      word6(packet.src, 2) === eui64High(packet.ethSrc) &&
      word6(packet.src, 3) === eui64Low(packet.ethSrc)
    );
  }
}
