import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { formatUintRange, readUintRange, type UintRange } from "../save/uint-range.ts";
import type { Match, MatchModule } from "./match.ts";

/** The fragment header of an IPv6 packet (net/ipv6/netfilter/ip6t_frag.c). */
export interface FragMatch extends Match {
  readonly kind: "frag";
  readonly id: Negatable<UintRange> | null;
  readonly length: Negatable<number> | null;
  /** Reserved bits are set. */
  readonly reserved: boolean;
  readonly position: "any" | "first";
  readonly more: "any" | "more" | "last";
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const MAX_ID = 0xffffffff;

export const frag: MatchModule<FragMatch> = {
  kind: "frag",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<FragMatch> = {
      kind: "frag",
      id: null,
      length: null,
      reserved: false,
      position: "any",
      more: "any",
    };
    const more = (which: "more" | "last") => () => {
      if (match.more !== "any") reader.fail("--fragmore and --fraglast exclude each other");
      match.more = which;
    };
    reader.options({
      "--fragid": () => {
        const invert = reader.negated();
        const value = readUintRange(reader, MAX_ID);
        match.id = value.min === 0 && value.max === MAX_ID ? null : { invert, value };
      },
      "--fraglen": () => {
        match.length = { invert: reader.negated(), value: reader.uint(MAX_ID) };
      },
      "--fragres": () => {
        match.reserved = true;
      },
      "--fragfirst": () => {
        match.position = "first";
      },
      "--fragmore": more("more"),
      "--fraglast": more("last"),
    });
    return match;
  },

  format: (match) =>
    optionText(
      negatableText("--fragid", match.id, formatUintRange),
      negatableText("--fraglen", match.length, String),
      match.reserved && "--fragres",
      match.position === "first" && "--fragfirst",
      match.more !== "any" && `--frag${match.more}`,
    ),

  compile: (match) => new FragTest(match),
};

/**
 * `frag_mt6`: never without a fragment header. A packet's header is taken to be without reserved bits, as every stack sends
 * it; the length that `--fraglen` names is kept and compared with nothing.
 */
class FragTest implements MatchTest {
  private readonly match: FragMatch;

  constructor(match: FragMatch) {
    this.match = match;
  }

  test(packet: Packet): boolean {
    if (!packet.isFragment) return false;
    const { id, reserved, position, more } = this.match;
    const number = packet.id >>> 0;
    if (id !== null && (number >= id.value.min && number <= id.value.max) === id.invert) return false;
    if (reserved || (position === "first" && packet.fragOffset !== 0)) return false;
    return more === "any" || packet.mf === (more === "more");
  }
}
