import { network6 } from "../../../address/ip6-handle.ts";
import { maskOf } from "../../../address/prefix.ts";
import type { Packet } from "../../../packet/packet.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import { addressBits } from "../save/address.ts";
import type { Match, MatchModule } from "./match.ts";

/** How many connections an address, or a network of them, has (net/netfilter/xt_connlimit.c). */
export interface ConnlimitMatch extends Match {
  readonly kind: "connlimit";
  readonly mode: "upto" | "above";
  readonly limit: number;
  /** Length of the prefix that counts as one. */
  readonly mask: number;
  readonly side: "saddr" | "daddr";
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const connlimit: MatchModule<ConnlimitMatch> = {
  kind: "connlimit",
  needsConntrack: true,

  parse(reader) {
    const match: Mutable<ConnlimitMatch> = {
      kind: "connlimit",
      mode: "above",
      limit: 0,
      mask: addressBits(reader.family),
      side: "saddr",
    };
    let limited = false;
    const limit = (mode: ConnlimitMatch["mode"]) => () => {
      if (limited) reader.fail("--connlimit-upto and --connlimit-above exclude each other");
      limited = true;
      const inverse = mode === "upto" ? "above" : "upto";
      match.mode = reader.negated() ? inverse : mode;
      match.limit = reader.uint(0xffffffff);
    };
    let sided = false;
    const side = (which: ConnlimitMatch["side"]) => () => {
      if (sided) reader.fail("--connlimit-saddr and --connlimit-daddr exclude each other");
      sided = true;
      match.side = which;
    };
    reader.options({
      "--connlimit-upto": limit("upto"),
      "--connlimit-above": limit("above"),
      "--connlimit-mask": () => {
        match.mask = reader.uint(addressBits(reader.family));
      },
      "--connlimit-saddr": side("saddr"),
      "--connlimit-daddr": side("daddr"),
    });
    if (!limited) reader.fail("it needs --connlimit-upto or --connlimit-above");
    return match;
  },

  format: ({ mode, limit, mask, side }) =>
    `--connlimit-${mode} ${limit} --connlimit-mask ${mask} --connlimit-${side}`,

  compile: (match) => new ConnlimitTest(match),
};

/** `connlimit_mt`. Runs per packet. */
class ConnlimitTest implements MatchTest {
  private readonly match: ConnlimitMatch;

  constructor(match: ConnlimitMatch) {
    this.match = match;
  }

  test(packet: Packet, context: RuleContext): boolean {
    const { mode, limit, mask, side } = this.match;
    const address = side === "daddr" ? packet.dst : packet.src;
    const group = packet.family === 6 ? network6(address, mask) : address & maskOf(mask);
    const count = context.countConnections(this, packet, group);
    // `connlimit_mt` takes none at all for a failure.
    if (count === 0) context.hotdrop = true;
    return count > 0 && count > limit === (mode === "above");
  }
}
