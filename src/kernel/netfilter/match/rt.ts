import { type IpAddress, inetNtop } from "../../../address/ip.ts";
import type { Packet } from "../../../packet/packet.ts";
import { read32 } from "../../../packet/wire/big-endian.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { addressOf } from "../save/address.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { formatUintRange, readUintRange, type UintRange } from "../save/uint-range.ts";
import type { Match, MatchModule } from "./match.ts";
import { extensionOf } from "./options-header.ts";

/** The routing header of an IPv6 packet (net/ipv6/netfilter/ip6t_rt.c). */
export interface RtMatch extends Match {
  readonly kind: "rt";
  readonly type: Negatable<number> | null;
  readonly segmentsLeft: Negatable<UintRange> | null;
  /** Bytes. */
  readonly length: Negatable<number> | null;
  /** Of type 0: the reserved field is zero. */
  readonly reserved: boolean;
  /** Of type 0: the addresses it names. */
  readonly addresses: readonly IpAddress[];
  /** They may stand among others. */
  readonly notStrict: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** `IP6T_RT_HOPS` */
const MAX_ADDRESSES = 16;
const MAX = 0xffffffff;

export const rt: MatchModule<RtMatch> = {
  kind: "rt",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<RtMatch> = {
      kind: "rt",
      type: null,
      segmentsLeft: null,
      length: null,
      reserved: false,
      addresses: [],
      notStrict: false,
    };
    const needType0 = (option: string): void => {
      if (match.type?.value !== 0 || match.type.invert) reader.fail(`${option} needs --rt-type 0 before it`);
    };
    reader.options({
      "--rt-type": () => {
        match.type = { invert: reader.negated(), value: reader.uint(MAX) };
      },
      "--rt-segsleft": () => {
        const invert = reader.negated();
        const value = readUintRange(reader, MAX);
        match.segmentsLeft = value.min === 0 && value.max === MAX ? null : { invert, value };
      },
      "--rt-len": () => {
        match.length = { invert: reader.negated(), value: reader.uint(MAX) };
      },
      "--rt-0-res": () => {
        needType0("--rt-0-res");
        match.reserved = true;
      },
      "--rt-0-addrs": () => {
        needType0("--rt-0-addrs");
        const words = reader.word("a list of addresses").split(",");
        if (words.length > MAX_ADDRESSES) reader.failValue(`at most ${MAX_ADDRESSES} addresses are allowed`);
        match.addresses = words.map((word) => addressOf(reader, word));
      },
      "--rt-0-not-strict": () => {
        if (match.addresses.length === 0) reader.fail("--rt-0-not-strict needs --rt-0-addrs before it");
        match.notStrict = true;
      },
    });
    return match;
  },

  format: ({ type, segmentsLeft, length, reserved, addresses, notStrict }) =>
    optionText(
      negatableText("--rt-type", type, String),
      negatableText("--rt-segsleft", segmentsLeft, formatUintRange),
      negatableText("--rt-len", length, String),
      reserved && "--rt-0-res",
      addresses.length > 0 && `--rt-0-addrs ${addresses.map(inetNtop).join(",")}`,
      notStrict && "--rt-0-not-strict",
    ),

  compile: (match) => new RtTest(match),
};

const ROUTING = 43;
/** Places in the header; addresses of a type 0 come behind a reserved word. */
const TYPE = 2;
const SEGMENTS_LEFT = 3;
const RESERVED = 4;
const ADDRESSES = 8;

/** `rt_mt6`. Runs per packet. */
class RtTest implements MatchTest {
  private readonly match: RtMatch;
  private readonly wanted: readonly string[];

  constructor(match: RtMatch) {
    this.match = match;
    this.wanted = match.addresses.map((address) => String(address));
  }

  test(packet: Packet): boolean {
    const header = extensionOf(packet, ROUTING);
    if (header === undefined) return false;
    const { type, segmentsLeft, length, reserved, notStrict } = this.match;
    const left = header[SEGMENTS_LEFT] as number;
    if (segmentsLeft !== null) {
      const { min, max } = segmentsLeft.value;
      if ((min <= left && left <= max) === segmentsLeft.invert) return false;
    }
    if (length !== null && (header.length === length.value) === length.invert) return false;
    if (type !== null && (header[TYPE] === type.value) === type.invert) return false;
    if (reserved && read32(header, RESERVED) !== 0) return false;
    const { wanted } = this;
    if (wanted.length === 0) return true;
    const named = Array.from({ length: (header.length - ADDRESSES) >> 4 }, (_, i) => addressAt(header, i));
    if (!notStrict) return named.length === wanted.length && wanted.every((each, i) => each === named[i]);
    let met = 0;
    for (const each of named) if (met < wanted.length && each === wanted[met]) met++;
    return met === wanted.length;
  }
}

function addressAt(header: Uint8Array, i: number): string {
  return String([0, 1, 2, 3].map((word) => read32(header, ADDRESSES + 16 * i + 4 * word) >>> 0));
}
