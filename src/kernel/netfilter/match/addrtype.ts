import { IP6_ANY, type Ip6, isMulticast6 } from "../../../address/ip6-handle.ts";
import type { Packet } from "../../../packet/packet.ts";
import {
  RTN_ANYCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTN_UNSPEC,
} from "../../route/types.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** What kind of address the routing table says it is (net/netfilter/xt_addrtype.c). */
export interface AddrtypeMatch extends Match {
  readonly kind: "addrtype";
  /** Bits `1 << RTN_*`. */
  readonly srcType: Negatable<number> | null;
  readonly dstType: Negatable<number> | null;
  /** Ask for the device the packet came in by, or leaves by, instead of for any. */
  readonly limitIface: "in" | "out" | null;
}

/** By `RTN_*` number. */
const TYPES = [
  "UNSPEC",
  "UNICAST",
  "LOCAL",
  "BROADCAST",
  "ANYCAST",
  "MULTICAST",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
  "THROW",
  "NAT",
  "XRESOLVE",
] as const;

export const addrtype: MatchModule<AddrtypeMatch> = {
  kind: "addrtype",
  needsConntrack: false,

  parse(reader) {
    let srcType: AddrtypeMatch["srcType"] = null;
    let dstType: AddrtypeMatch["dstType"] = null;
    let limitIface: AddrtypeMatch["limitIface"] = null;
    const limitTo = (side: "in" | "out") => () => {
      if (limitIface !== null) reader.fail("--limit-iface-in and --limit-iface-out exclude each other");
      limitIface = side;
    };
    reader.options({
      "--src-type": () => {
        srcType = { invert: reader.negated(), value: readTypes(reader) };
      },
      "--dst-type": () => {
        dstType = { invert: reader.negated(), value: readTypes(reader) };
      },
      "--limit-iface-in": limitTo("in"),
      "--limit-iface-out": limitTo("out"),
    });
    if (srcType === null && dstType === null) reader.fail("it needs --src-type or --dst-type");
    return { kind: "addrtype", srcType, dstType, limitIface };
  },

  format: (match) =>
    optionText(
      negatableText("--src-type", match.srcType, formatTypes),
      negatableText("--dst-type", match.dstType, formatTypes),
      match.limitIface && `--limit-iface-${match.limitIface}`,
    ),

  compile: (match) => new AddrtypeTest(match),
};

function readTypes(reader: ArgumentReader): number {
  let bits = 0;
  for (const name of reader.word("a list of address types").split(",")) {
    const type = (TYPES as readonly string[]).indexOf(name);
    if (type === -1)
      reader.failValue(`${JSON.stringify(name)} is no address type: write ${TYPES.join(", ")}`);
    else bits |= 1 << type;
  }
  return bits;
}

function formatTypes(bits: number): string {
  return TYPES.filter((_, type) => bits & (1 << type)).join(",");
}

const ANY_DEVICE = 0;

/** Runs per packet. */
class AddrtypeTest implements MatchTest {
  private readonly srcTypes: number;
  private readonly srcInvert: boolean;
  private readonly dstTypes: number;
  private readonly dstInvert: boolean;
  private readonly limitIn: boolean;
  private readonly limitOut: boolean;

  constructor(match: AddrtypeMatch) {
    this.srcTypes = match.srcType?.value ?? 0;
    this.srcInvert = match.srcType?.invert ?? false;
    this.dstTypes = match.dstType?.value ?? 0;
    this.dstInvert = match.dstType?.invert ?? false;
    this.limitIn = match.limitIface === "in";
    this.limitOut = match.limitIface === "out";
  }

  test(packet: Packet, context: RuleContext): boolean {
    if (packet.family === 6) return this.test6(packet, context);
    const device = this.limitIn ? context.inIf : this.limitOut ? context.outIf : ANY_DEVICE;
    if (this.srcTypes !== 0) {
      const type = context.addressType(packet.src, device);
      if (((this.srcTypes & (1 << type)) !== 0) === this.srcInvert) return false;
    }
    if (this.dstTypes !== 0) {
      const type = context.addressType(packet.dst, device);
      if (((this.dstTypes & (1 << type)) !== 0) === this.dstInvert) return false;
    }
    return true;
  }

  /** `addrtype_mt6`. */
  private test6(packet: Packet, context: RuleContext): boolean {
    const device = this.limitIn ? context.inIf : this.limitOut ? context.outIf : ANY_DEVICE;
    const { srcTypes, dstTypes } = this;
    return (
      (srcTypes === 0 || isOfType6(packet.src, srcTypes, device, context) !== this.srcInvert) &&
      (dstTypes === 0 || isOfType6(packet.dst, dstTypes, device, context) !== this.dstInvert)
    );
  }
}

const ROUTED_TYPES = (1 << RTN_LOCAL) | (1 << RTN_ANYCAST) | (1 << RTN_UNREACHABLE);

/** `match_type6`: the kinds that an address shows, all of them; then any of those that routing tells. */
function isOfType6(address: Ip6, types: number, device: number, context: RuleContext): boolean {
  const multicast = isMulticast6(address);
  if ((types & (1 << RTN_MULTICAST)) !== 0 && !multicast) return false;
  if ((types & (1 << RTN_UNICAST)) !== 0 && (multicast || address === IP6_ANY)) return false;
  if ((types & (1 << RTN_UNSPEC)) !== 0 && address !== IP6_ANY) return false;
  return (types & ROUTED_TYPES) === 0 || (types & context.routedAs6(address, device)) !== 0;
}
