import { formatMasked, type Masked } from "../../../address/masked.ts";
import type { Packet } from "../../../packet/packet.ts";
import { readAddress6 } from "../../../packet/wire/ipv6.ts";
import { MaskedAddress } from "../masked-address.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { readMasked } from "../save/address.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { extensionOf, nextAfter } from "./options-header.ts";

/** The header of segment routing of an IPv6 packet (net/ipv6/netfilter/ip6t_srh.c). */
export interface SrhMatch extends Match {
  readonly kind: "srh";
  readonly nextHeader: Negatable<number> | null;
  readonly length: SrhBounds | null;
  readonly segmentsLeft: SrhBounds | null;
  readonly lastEntry: SrhBounds | null;
  readonly tag: Negatable<number> | null;
  readonly previous: Negatable<Masked> | null;
  readonly next: Negatable<Masked> | null;
  readonly last: Negatable<Masked> | null;
}

/** One number, and how it is compared; null: not so, true: inverted. The kernel has room for one, so the last given counts. */
export interface SrhBounds {
  readonly value: number;
  readonly eq: boolean | null;
  readonly gt: boolean | null;
  readonly lt: boolean | null;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const BOUNDS = [
  ["length", "--srh-hdr-len"],
  ["segmentsLeft", "--srh-segs-left"],
  ["lastEntry", "--srh-last-entry"],
] as const;
const COMPARISONS = ["eq", "gt", "lt"] as const;

export const srh: MatchModule<SrhMatch> = {
  kind: "srh",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<SrhMatch> = {
      kind: "srh",
      nextHeader: null,
      length: null,
      segmentsLeft: null,
      lastEntry: null,
      tag: null,
      previous: null,
      next: null,
      last: null,
    };
    const masked = (field: "previous" | "next" | "last") => () => {
      match[field] = { invert: reader.negated(), value: readMasked(reader) };
    };
    reader.options({
      "--srh-next-hdr": () => {
        match.nextHeader = { invert: reader.negated(), value: reader.uint(255) };
      },
      ...boundOptions(reader, match),
      "--srh-tag": () => {
        match.tag = { invert: reader.negated(), value: reader.uint(0xffff) };
      },
      "--srh-psid": masked("previous"),
      "--srh-nsid": masked("next"),
      "--srh-lsid": masked("last"),
    });
    return match;
  },

  format: (match) =>
    optionText(
      negatableText("--srh-next-hdr", match.nextHeader, String),
      ...BOUNDS.map(([field, option]) => formatBounds(option, match[field])),
      negatableText("--srh-tag", match.tag, String),
      negatableText("--srh-psid", match.previous, formatMasked),
      negatableText("--srh-nsid", match.next, formatMasked),
      negatableText("--srh-lsid", match.last, formatMasked),
    ),

  compile: (match) => new SrhTest(match),
};

const ROUTING = 43;
/** `IPV6_SRCRT_TYPE_4` */
const SEGMENT_ROUTING = 4;
/** Places in the header (`struct ipv6_sr_hdr`), and where its segments begin. */
const LENGTH = 1;
const TYPE = 2;
const SEGMENTS_LEFT = 3;
const LAST_ENTRY = 4;
const TAG = 6;
const SEGMENTS = 8;
const ADDRESS_BYTES = 16;

/** `srh1_mt6`. Runs per packet. */
class SrhTest implements MatchTest {
  private readonly match: SrhMatch;
  private readonly previous: SegmentTest | null;
  private readonly next: SegmentTest | null;
  private readonly last: SegmentTest | null;

  constructor(match: SrhMatch) {
    this.match = match;
    this.previous = segmentTest(match.previous);
    this.next = segmentTest(match.next);
    this.last = segmentTest(match.last);
  }

  test(packet: Packet): boolean {
    const header = extensionOf(packet, ROUTING);
    if (header === undefined || header.length < SEGMENTS || header[TYPE] !== SEGMENT_ROUTING) return false;
    const { nextHeader, length, segmentsLeft, lastEntry, tag } = this.match;
    const [left, entry] = [header[SEGMENTS_LEFT] as number, header[LAST_ENTRY] as number];
    if (left > entry) return false;
    if (nextHeader !== null && (nextAfter(packet, ROUTING) === nextHeader.value) === nextHeader.invert)
      return false;
    if (!within(length, header[LENGTH] as number) || !within(segmentsLeft, left)) return false;
    if (!within(lastEntry, entry)) return false;
    // Nobody turns the number in the rule round into the order of the network (`srh->tag == srhinfo->tag`).
    const written = ((header[TAG + 1] as number) << 8) | (header[TAG] as number);
    if (tag !== null && (written === tag.value) === tag.invert) return false;
    return (
      (this.previous === null || (left !== entry && this.previous.holds(header, left + 1))) &&
      (this.next === null || (left !== 0 && this.next.holds(header, left - 1))) &&
      (this.last === null || this.last.holds(header, 0))
    );
  }
}

function within(bounds: SrhBounds | null, found: number): boolean {
  if (bounds === null) return true;
  const { value, eq, gt, lt } = bounds;
  return (
    (eq === null || (found === value) !== eq) &&
    (gt === null || found > value !== gt) &&
    (lt === null || found < value !== lt)
  );
}

function segmentTest(wanted: Negatable<Masked> | null): SegmentTest | null {
  return wanted === null ? null : new SegmentTest(wanted);
}

class SegmentTest {
  private readonly wanted: MaskedAddress;
  private readonly invert: boolean;

  constructor({ value, invert }: Negatable<Masked>) {
    this.wanted = new MaskedAddress(value);
    this.invert = invert;
  }

  holds(header: Uint8Array, segment: number): boolean {
    const at = SEGMENTS + ADDRESS_BYTES * segment;
    // What is behind the header's end is the packet's, which no sender of such a header leaves to it.
    if (at + ADDRESS_BYTES > header.length) return false;
    return this.wanted.holds(readAddress6(header, at)) !== this.invert;
  }
}

function boundOptions(reader: ArgumentReader, match: Mutable<SrhMatch>): Record<string, () => void> {
  const options: Record<string, () => void> = {};
  for (const [field, option] of BOUNDS) {
    for (const comparison of COMPARISONS) {
      options[`${option}-${comparison}`] = () => {
        const before = match[field] ?? { eq: null, gt: null, lt: null };
        match[field] = { ...before, [comparison]: reader.negated(), value: reader.uint(255) };
      };
    }
  }
  return options;
}

function formatBounds(option: string, bounds: SrhBounds | null): string | null {
  if (bounds === null) return null;
  const { value } = bounds;
  return optionText(
    ...COMPARISONS.map((comparison) => {
      const invert = bounds[comparison];
      return invert === null ? null : negatableText(`${option}-${comparison}`, { invert, value }, String);
    }),
  );
}
