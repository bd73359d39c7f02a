import type { Packet } from "../../../packet/packet.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText } from "../save/option-text.ts";
import { formatUintRange, type UintRange } from "../save/uint-range.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** The type of a message of Mobile IPv6 (net/ipv6/netfilter/ip6t_mh.c). */
export interface MhMatch extends Match {
  readonly kind: "mh";
  readonly types: Negatable<UintRange> | null;
}

/** By number; each has a short name beside. */
const NAMES = [
  ["binding-refresh-request", "brr"],
  ["home-test-init", "hoti"],
  ["careof-test-init", "coti"],
  ["home-test", "hot"],
  ["careof-test", "cot"],
  ["binding-update", "bu"],
  ["binding-acknowledgement", "ba"],
  ["binding-error", "be"],
] as const;

export const mh: MatchModule<MhMatch> = {
  kind: "mh",
  needsConntrack: false,

  parse(reader) {
    let types: MhMatch["types"] = null;
    reader.options({
      "--mh-type": () => {
        const invert = reader.negated();
        const [low = "", high] = reader.word("a type or a range of types").split(":");
        const min = low === "" && high !== undefined ? 0 : typeOf(reader, low);
        const max = high === undefined ? min : high === "" ? 255 : typeOf(reader, high);
        if (min > max) reader.failValue(`the range ends before it begins: write ${max}:${min}`);
        // All types are no condition: ip6tables-save does not print them, whatever stands before.
        types = min === 0 && max === 255 ? null : { invert, value: { min, max } };
      },
    });
    return { kind: "mh", types };
  },

  format: ({ types }) => negatableText("--mh-type", types, formatUintRange) ?? "",

  compile: (match) => new MhTest(match),
};

/** A number, or a name as far as no other begins so. */
function typeOf(reader: ArgumentReader, text: string): number {
  if (/^\d/.test(text)) return reader.uintOf(text, 255);
  const wanted = text.toLowerCase();
  const named = NAMES.findIndex((names) => names.some((name) => name === wanted));
  const begun = NAMES.findIndex((names) => names.some((name) => name.startsWith(wanted)));
  const found = named >= 0 ? named : begun;
  if (found >= 0) return found;
  reader.failValue(
    `${JSON.stringify(text)} is no type: write a number or ${NAMES.map(([name]) => name).join(", ")}`,
  );
  return Number.NaN;
}

const IPPROTO_MH = 135;

/** `struct ip6_mh`: what comes behind it, which is to be nothing, its length, its type. */
const HEADER = 6;
const TYPE = 2;
const IPPROTO_NONE = 59;

/** `mh_mt6`: a header that ends early, or has something behind it, is dropped. Where nobody has said its bytes they are not known. Runs per packet. */
class MhTest extends UnsureTest implements MatchTest {
  private readonly types: MhMatch["types"];

  constructor(match: MhMatch) {
    super(match);
    this.types = match.types;
  }

  test(packet: Packet, context: RuleContext): boolean {
    if (packet.protocol !== IPPROTO_MH || packet.fragOffset !== 0) return false;
    const { bytes, known, payloadAt } = knownBytes(packet);
    const header = bytes.subarray(payloadAt);
    const isKnown = known.subarray(payloadAt, payloadAt + HEADER).every((bits) => bits === 0xff);
    if (header.length < HEADER || (isKnown && header[0] !== IPPROTO_NONE)) {
      context.hotdrop = true;
      return false;
    }
    if (this.types === null) return true;
    if (!isKnown) return this.ask(packet, context);
    const { invert, value } = this.types;
    const type = header[TYPE] as number;
    return (value.min <= type && type <= value.max) !== invert;
  }
}
