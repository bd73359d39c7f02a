import { formatIpv4, parseIpv4 } from "../../address/ipv4.ts";
import { firstOf, lastOf, parsePrefix4 } from "../../address/prefix.ts";
import { suggestion } from "../nearest-word.ts";
import { ORIGIN_NONE, type Origin } from "../origin.ts";
import {
  elementKey,
  formatBitmask,
  formatElement,
  formatHex,
  parseBitmask,
  parseElement,
  parseUint32,
} from "./element-text.ts";
import {
  IPSET_NAME_LENGTH,
  IPSET_TYPES,
  type Ipset,
  type IpsetEntry,
  type IpsetMask,
  type IpsetPart,
  type IpsetStorage,
  type IpsetType,
  isIpsetType,
} from "./ipset.ts";

/**
 * What `ipset save` prints, and back (ipset(8)):
 *
 *     create nets hash:net family inet hashsize 64 maxelem 100 bucketsize 12 initval 0x56945d70
 *     add nets 10.70.2.159 nomatch
 *
 * Only that: `flush`, `swap` or `del` are no part of a dump. All faults of a text are collected.
 */
export function parseIpsetSave(
  text: string,
  originOf: (line: number) => Origin = () => ORIGIN_NONE,
): IpsetText {
  const dump = new Dump(originOf);
  for (const [i, line] of text.split("\n").entries()) dump.line(i + 1, line.replace(/\r$/, ""));
  return dump.finish();
}

export type IpsetText =
  | { readonly kind: "ok"; readonly sets: readonly Ipset[] }
  | { readonly kind: "invalid"; readonly errors: readonly IpsetSaveError[] };

export interface IpsetSaveError {
  /** Counted from 1. */
  readonly line: number;
  /** The whole line. */
  readonly text: string;
  readonly message: string;
}

export function formatIpsetSave(sets: readonly Ipset[]): string {
  return sets
    .map((set) => `${[formatCreate(set), ...set.entries.map((entry) => formatAdd(entry, set))].join("\n")}\n`)
    .join("");
}

/** `create NAME TYPE …` */
export function formatCreate(set: Ipset): string {
  const { storage } = set;
  const behind = storage.kind === "hash" && storage.mask !== null && set.type !== "hash:ip";
  return words(
    `create ${set.name} ${set.type}`,
    formatStorage(set.type, storage),
    storage.kind === "hash" && storage.mask !== null && !behind && formatMask(storage.mask),
    set.timeout !== null && `timeout ${set.timeout}`,
    set.counters && "counters",
    set.comment && "comment",
    set.forceadd && "forceadd",
    set.skbinfo && "skbinfo",
    storage.kind === "hash" && storage.bucketsize !== null && `bucketsize ${storage.bucketsize}`,
    storage.kind === "hash" && storage.initval !== null && `initval ${formatHex(storage.initval)}`,
    storage.kind === "hash" && storage.mask !== null && behind && formatMask(storage.mask),
  );
}

function formatStorage(type: IpsetType, storage: IpsetStorage): string {
  switch (storage.kind) {
    case "hash":
      return words(
        type !== "hash:mac" && `family ${storage.family === 4 ? "inet" : "inet6"}`,
        storage.markmask !== null && `markmask ${formatHex(storage.markmask)}`,
        `hashsize ${storage.hashsize}`,
        `maxelem ${storage.maxelem}`,
      );
    case "bitmap-ip":
      return words(
        `range ${formatIpv4(storage.from)}-${formatIpv4(storage.to)}`,
        storage.netmask !== null && `netmask ${storage.netmask}`,
      );
    case "bitmap-port":
      return `range ${storage.from}-${storage.to}`;
    case "list":
      return `size ${storage.size}`;
    default:
      storage satisfies never;
      throw new Error("unknown storage");
  }
}

function formatMask(mask: IpsetMask): string {
  return mask.kind === "netmask" ? `netmask ${mask.length}` : `bitmask ${formatBitmask(mask.address)}`;
}

function formatAdd(entry: IpsetEntry, set: Ipset): string {
  return `add ${set.name} ${formatEntry(entry)}`;
}

/**
 * What follows `add NAME`.
 *
 * @param quote puts a comment in quotes, as the reader of the line takes them
 */
export function formatEntry(entry: IpsetEntry, quote = (comment: string) => `"${comment}"`): string {
  const { counters, skbmark, skbprio } = entry;
  return words(
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

function words(...parts: readonly (string | false)[]): string {
  return parts.filter((part) => part !== false && part !== "").join(" ");
}

/** A set being read, its entries by what makes two of them one. */
interface OpenSet {
  readonly set: Ipset;
  readonly entries: IpsetEntry[];
  readonly keys: Set<string>;
}

type Message = string;

class Dump {
  readonly #originOf: (line: number) => Origin;
  readonly #sets = new Map<string, OpenSet>();
  readonly #errors: IpsetSaveError[] = [];

  constructor(originOf: (line: number) => Origin) {
    this.#originOf = originOf;
  }

  line(number: number, text: string): void {
    if (text.trim() === "" || text.startsWith("#")) return;
    const message = this.#read(text, number);
    if (message !== null) this.#errors.push({ line: number, text, message });
  }

  finish(): IpsetText {
    if (this.#errors.length > 0) return { kind: "invalid", errors: this.#errors };
    return { kind: "ok", sets: [...this.#sets.values()].map(({ set, entries }) => ({ ...set, entries })) };
  }

  #read(text: string, number: number): Message | null {
    const reader = new Words(text);
    const command = reader.next();
    if (command === "create") return this.#create(reader, number);
    if (command === "add") return this.#add(reader, number);
    return `${JSON.stringify(command)} is no line of "ipset save": create and add are`;
  }

  #create(reader: Words, number: number): Message | null {
    const set = readCreate(reader, this.#originOf(number));
    if (typeof set === "string") return set;
    if (this.#sets.has(set.name)) return `there is a set ${JSON.stringify(set.name)} already`;
    this.#sets.set(set.name, { set, entries: [], keys: new Set() });
    return null;
  }

  #add(reader: Words, number: number): Message | null {
    const name = reader.next();
    const open = this.#sets.get(name);
    if (open === undefined) {
      return `there is no set ${JSON.stringify(name)} above${suggestion(name, this.#sets.keys())}`;
    }
    const entry = readAdd(reader, open.set, this.#originOf(number));
    if (typeof entry === "string") return entry;
    const key = elementKey(entry.parts, open.set.type);
    if (open.keys.has(key)) return `${key} is in the set ${name} already`;
    open.keys.add(key);
    open.entries.push(entry);
    return null;
  }
}

/** The words of a line; a comment's stand in quotes. */
class Words {
  readonly #words: readonly string[];
  #at = 0;

  constructor(line: string) {
    this.#words = line.match(/"[^"]*"|[^\s"]+|"/g) ?? [];
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  /** `""` behind the last. */
  next(): string {
    return this.#words[this.#at++] ?? "";
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What follows `create`: the set without entries, or what is wrong. */
function readCreate(reader: Words, origin: Origin): Ipset | Message {
  const name = reader.next();
  if (name === "" || name.length > IPSET_NAME_LENGTH) {
    return `${JSON.stringify(name)} is no name of a set: 1 to ${IPSET_NAME_LENGTH} characters`;
  }
  const type = reader.next();
  if (!isIpsetType(type)) {
    return `${JSON.stringify(type)} is no type of set${suggestion(type, Object.keys(IPSET_TYPES))}`;
  }
  const options = new Map<string, string>();
  while (!reader.done) {
    const option = reader.next();
    if (FLAGS.has(option)) options.set(option, "");
    else if (VALUED.has(option)) options.set(option, reader.next());
    else
      return `${JSON.stringify(option)} is no option of create${suggestion(option, [...FLAGS, ...VALUED])}`;
  }
  const storage = readStorage(type, options);
  if (typeof storage === "string") return storage;
  const timeout = numberOf(options, "timeout", MAX_TIMEOUT);
  if (typeof timeout === "string") return timeout;
  return {
    name,
    type,
    storage,
    timeout,
    counters: options.has("counters"),
    comment: options.has("comment"),
    skbinfo: options.has("skbinfo"),
    forceadd: options.has("forceadd"),
    entries: [],
    origin,
  };
}

const FLAGS: ReadonlySet<string> = new Set(["counters", "comment", "skbinfo", "forceadd"]);
const VALUED: ReadonlySet<string> = new Set([
  "family",
  "hashsize",
  "maxelem",
  "netmask",
  "bitmask",
  "markmask",
  "timeout",
  "bucketsize",
  "initval",
  "range",
  "size",
]);

/** `IPSET_MAX_TIMEOUT`: what fits into jiffies as milliseconds. */
const MAX_TIMEOUT = 2_147_483;
/** What a set has that is created without saying so (`IPSET_DEFAULT_HASHSIZE`, `IPSET_DEFAULT_MAXELEM`). */
const HASHSIZE = 1024;
const MAXELEM = 65_536;
const LIST_SIZE = 8;

function readStorage(type: IpsetType, options: ReadonlyMap<string, string>): IpsetStorage | Message {
  if (type === "list:set") {
    const size = numberOf(options, "size", 0xffff_ffff);
    return typeof size === "string" ? size : { kind: "list", size: size ?? LIST_SIZE };
  }
  if (type.startsWith("bitmap:")) return readRange(type, options);
  return readHash(options);
}

function readRange(type: IpsetType, options: ReadonlyMap<string, string>): IpsetStorage | Message {
  const range = options.get("range") ?? "";
  const dash = range.indexOf("-");
  const [first, last] = dash === -1 ? [range, range] : [range.slice(0, dash), range.slice(dash + 1)];
  if (type === "bitmap:port") {
    const from = parseUint32(first);
    const to = parseUint32(last);
    if (from === undefined || to === undefined || from > to || to > 0xffff) {
      return `range ${JSON.stringify(range)} is no range of ports such as 0-1024`;
    }
    return { kind: "bitmap-port", from, to };
  }
  const netmask = numberOf(options, "netmask", 32);
  if (typeof netmask === "string") return netmask;
  const prefix = parsePrefix4(range);
  const from = prefix === undefined ? parseIpv4(first) : firstOf(prefix);
  const to = prefix === undefined ? parseIpv4(last) : lastOf(prefix);
  if (from === undefined || to === undefined || from >>> 0 > to >>> 0) {
    return `range ${JSON.stringify(range)} is no range of addresses such as 10.0.0.0-10.0.0.255`;
  }
  return { kind: "bitmap-ip", from, to, netmask };
}

function readHash(options: ReadonlyMap<string, string>): IpsetStorage | Message {
  const inet = options.get("family") ?? "inet";
  if (inet !== "inet" && inet !== "inet6") return `family ${JSON.stringify(inet)} is neither inet nor inet6`;
  const family = inet === "inet" ? 4 : 6;
  const storage: Mutable<Extract<IpsetStorage, { kind: "hash" }>> = {
    kind: "hash",
    family,
    hashsize: HASHSIZE,
    maxelem: MAXELEM,
    mask: null,
    markmask: null,
    bucketsize: null,
    initval: null,
  };
  for (const field of ["hashsize", "maxelem", "markmask", "bucketsize", "initval"] as const) {
    const value = numberOf(options, field, 0xffff_ffff);
    if (typeof value === "string") return value;
    if (value !== null) storage[field] = value;
  }
  const netmask = numberOf(options, "netmask", family === 4 ? 32 : 128);
  if (typeof netmask === "string") return netmask;
  if (netmask !== null) storage.mask = { kind: "netmask", length: netmask };
  const bits = options.get("bitmask");
  if (bits !== undefined) {
    // ipset 7.17 prints a length behind it, which means nothing.
    const address = parseBitmask(bits.replace(/\/\d{1,3}$/, ""), family);
    if (address === undefined) return `bitmask ${JSON.stringify(bits)} is no address of the set's family`;
    storage.mask = { kind: "bitmask", address };
  }
  return storage;
}

/** null where the option is not given; a text says what is wrong. */
function numberOf(options: ReadonlyMap<string, string>, name: string, max: number): number | null | Message {
  const text = options.get(name);
  if (text === undefined) return null;
  const value = parseUint32(text);
  if (value === undefined || value > max) return `${name} ${JSON.stringify(text)} is no number up to ${max}`;
  return value;
}

/** What follows `add NAME`: the entry, or what is wrong. */
function readAdd(reader: Words, set: Ipset, origin: Origin): IpsetEntry | Message {
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
