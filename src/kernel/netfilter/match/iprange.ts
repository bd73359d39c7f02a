import { inetNtop } from "../../../address/ip.ts";
import { addressOnPath, compare6 } from "../../../address/ip6-handle.ts";
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
  return `${inetNtop(min)}-${inetNtop(max)}`;
}

/** Runs per packet. */
class IprangeTest implements MatchTest {
  private readonly src: CompiledRange | null;
  private readonly dst: CompiledRange | null;

  constructor({ src, dst }: IprangeMatch) {
    this.src = src && compiled(src);
    this.dst = dst && compiled(dst);
  }

  test(packet: Packet): boolean {
    return holds(this.src, packet.src) && holds(this.dst, packet.dst);
  }
}

interface CompiledRange {
  readonly isIpv6: boolean;
  readonly min: number;
  readonly max: number;
  readonly invert: boolean;
}

function compiled({ value, invert }: Negatable<AddressRange>): CompiledRange {
  const { min, max } = value;
  return { isIpv6: typeof min !== "number", min: addressOnPath(min), max: addressOnPath(max), invert };
}

function holds(range: CompiledRange | null, address: number): boolean {
  if (range === null) return true;
  const { min, max, invert } = range;
  if (range.isIpv6) return (compare6(address, min) >= 0 && compare6(address, max) <= 0) !== invert;
  // Order as unsigned: flipping the sign bit maps it to the order of int32.
  const key = address ^ (1 << 31);
  return (key >= (min ^ (1 << 31)) && key <= (max ^ (1 << 31))) !== invert;
}
