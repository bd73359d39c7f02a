import { suggestion } from "../nearest-word.ts";
import type { Origin } from "../origin.ts";
import { formatElement, parseElement, parseUint32 } from "./element-text.ts";
import { IPSET_TYPES, type Ipset, type IpsetEntry, type IpsetPart } from "./ipset.ts";
import { joinWords, MAX_TIMEOUT, type Message, type Words } from "./line-words.ts";

/** What an `add` line says of one entry. */

/**
 * What follows `add NAME`.
 *
 * @param quote puts a comment in quotes, as the reader of the line takes them
 */
export function formatEntry(entry: IpsetEntry, quote = (comment: string) => `"${comment}"`): string {
  const { counters, skbmark, skbprio } = entry;
  return joinWords(
    formatElement(entry.parts),
    entry.timeout !== null && `timeout ${entry.timeout}`,
    entry.nomatch && "nomatch",
    entry.parts.some((part) => part.kind === "iface" && part.wildcard) && "wildcard",
    counters !== null && `packets ${counters.packets} bytes ${counters.bytes}`,
    entry.comment !== null && `comment ${quote(entry.comment)}`,
    skbmark !== null && `skbmark ${formatSkbmark(skbmark)}`,
    skbprio !== null && `skbprio ${skbprio.major.toString(16)}:${skbprio.minor.toString(16)}`,
    entry.skbqueue !== null && `skbqueue ${entry.skbqueue}`,
  );
}

function formatSkbmark({ value, mask }: { readonly value: number; readonly mask: number }): string {
  return `0x${value.toString(16)}${mask === 0xffff_ffff ? "" : `/0x${mask.toString(16)}`}`;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What follows `add NAME`: the entry, or what is wrong. */
export function readAdd(reader: Words, set: Ipset, origin: Origin): IpsetEntry | Message {
  const parts = parseElement(reader.next(), set);
  if (typeof parts === "string") return parts;
  const entry: Mutable<IpsetEntry> = {
    parts,
    nomatch: false,
    timeout: set.timeout,
    counters: set.counters ? { packets: 0, bytes: 0 } : null,
    comment: null,
    skbmark: null,
    skbprio: null,
    skbqueue: null,
    origin,
  };
  while (!reader.done) {
    const message = readOption(reader.next(), reader, entry, set);
    if (message !== null) return message;
  }
  return entry;
}

/** An option a set was not made with is refused, as ipset does. */
const NEEDED: Readonly<Record<string, "timeout" | "counters" | "comment" | "skbinfo">> = {
  timeout: "timeout",
  packets: "counters",
  bytes: "counters",
  comment: "comment",
  skbmark: "skbinfo",
  skbprio: "skbinfo",
  skbqueue: "skbinfo",
};

function readOption(option: string, reader: Words, entry: Mutable<IpsetEntry>, set: Ipset): Message | null {
  const needed = NEEDED[option];
  if (needed !== undefined && (needed === "timeout" ? set.timeout === null : !set[needed])) {
    return `${option} cannot be used: the set was created without ${needed}`;
  }
  switch (option) {
    case "nomatch":
      if (!IPSET_TYPES[set.type].some((dimension) => dimension === "net")) {
        return `nomatch cannot be used in a set of ${set.type}`;
      }
      entry.nomatch = true;
      return null;
    case "wildcard":
      entry.parts = entry.parts.map(asWildcard);
      return null;
    case "comment": {
      const quoted = reader.next();
      const inside = /^"([^"]*)"$/.exec(quoted);
      if (inside === null && quoted.includes('"')) return "the quote of the comment is not closed";
      entry.comment = inside?.[1] ?? quoted;
      return null;
    }
    case "skbmark":
      return readSkbmark(reader.next(), entry);
    case "skbprio":
      return readSkbprio(reader.next(), entry);
  }
  if (needed === undefined) {
    return `${JSON.stringify(option)} is no option of add${suggestion(option, [...Object.keys(NEEDED), "nomatch", "wildcard"])}`;
  }
  const text = reader.next();
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  const max = option === "timeout" ? MAX_TIMEOUT : option === "skbqueue" ? 0xffff : Number.MAX_SAFE_INTEGER;
  if (!(value <= max)) return `${option} ${JSON.stringify(text)} is no number up to ${max}`;
  if (option === "timeout") entry.timeout = value;
  else if (option === "skbqueue") entry.skbqueue = value;
  else entry.counters = { packets: 0, bytes: 0, ...entry.counters, [option]: value };
  return null;
}

function asWildcard(part: IpsetPart): IpsetPart {
  return part.kind === "iface" ? { ...part, wildcard: true } : part;
}

function readSkbmark(text: string, entry: Mutable<IpsetEntry>): Message | null {
  const slash = text.indexOf("/");
  const value = parseUint32(slash === -1 ? text : text.slice(0, slash));
  const mask = slash === -1 ? 0xffff_ffff : parseUint32(text.slice(slash + 1));
  if (value === undefined || mask === undefined)
    return `skbmark ${JSON.stringify(text)} is no mark such as 0x10/0xff`;
  entry.skbmark = { value, mask };
  return null;
}

function readSkbprio(text: string, entry: Mutable<IpsetEntry>): Message | null {
  const found = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text);
  if (found === null) return `skbprio ${JSON.stringify(text)} is no class such as 1:10`;
  entry.skbprio = {
    major: Number.parseInt(found[1] as string, 16),
    minor: Number.parseInt(found[2] as string, 16),
  };
  return null;
}
