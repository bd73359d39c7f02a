import { formatMasked, type Masked } from "../../../address/masked.ts";
import type { Negatable } from "../rule.ts";
import { readMasked } from "../save/address.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { NO_SUCH_HEADER } from "./options-header.ts";

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

  compile: () => NO_SUCH_HEADER,
};

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
