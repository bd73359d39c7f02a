import { formatIpv4 } from "../../../address/ipv4.ts";
import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { type AddressRange, addressRangeOf } from "../save/address.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Addresses from one to another (net/netfilter/xt_iprange.c, revision 1). */
export interface IprangeMatch extends Match {
  readonly kind: "iprange";
  readonly src: Negatable<AddressRange> | null;
  readonly dst: Negatable<AddressRange> | null;
}

export const iprange: MatchModule<IprangeMatch> = {
  kind: "iprange",
  needsConntrack: false,

  parse(reader) {
    let src: IprangeMatch["src"] = null;
    let dst: IprangeMatch["dst"] = null;
    reader.options({
      "--src-range": () => {
        src = { invert: reader.negated(), value: readRange(reader) };
      },
      "--dst-range": () => {
        dst = { invert: reader.negated(), value: readRange(reader) };
      },
    });
    if (src === null && dst === null) reader.fail("it needs --src-range or --dst-range");
    return { kind: "iprange", src, dst };
  },

  format: (match) =>
    optionText(
      negatableText("--src-range", match.src, formatRange),
      negatableText("--dst-range", match.dst, formatRange),
    ),

  compile: (match) => new IprangeTest(match),
};

/** A range that runs backwards is kept: the kernel takes it, and it holds no address. */
function readRange(reader: ArgumentReader): AddressRange {
  return addressRangeOf(reader, reader.word("a range of addresses"));
}

function formatRange({ min, max }: AddressRange): string {
  return `${formatIpv4(min)}-${formatIpv4(max)}`;
}

/** Runs per packet. */
class IprangeTest implements MatchTest {
  private readonly match: IprangeMatch;

  constructor(match: IprangeMatch) {
    this.match = match;
  }

  test(packet: Packet): boolean {
    return holds(this.match.src, packet.src) && holds(this.match.dst, packet.dst);
  }
}

function holds(range: Negatable<AddressRange> | null, address: number): boolean {
  if (range === null) return true;
  const { min, max } = range.value;
  // Order as unsigned: flipping the sign bit maps it to the order of int32.
  const key = address ^ (1 << 31);
  return (key >= (min ^ (1 << 31)) && key <= (max ^ (1 << 31))) !== range.invert;
}
