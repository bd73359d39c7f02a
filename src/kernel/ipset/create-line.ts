import { formatIpv4, parseIpv4 } from "../../address/ipv4.ts";
import { firstOf, lastOf, parsePrefix4 } from "../../address/prefix.ts";
import { suggestion } from "../nearest-word.ts";
import type { Origin } from "../origin.ts";
import { formatBitmask, formatHex, parseBitmask, parseUint32 } from "./element-text.ts";
import {
  IPSET_NAME_LENGTH,
  IPSET_TYPES,
  type Ipset,
  type IpsetMask,
  type IpsetStorage,
  type IpsetType,
  isIpsetType,
} from "./ipset.ts";
import { joinWords, MAX_TIMEOUT, type Message, type Words } from "./line-words.ts";

/** The `create` line of a set, without its entries: its type, and every option of the header. */

/** `create NAME TYPE …` */
export function formatCreate(set: Ipset): string {
  const { storage } = set;
  const behind = storage.kind === "hash" && storage.mask !== null && set.type !== "hash:ip";
  return joinWords(
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
      return joinWords(
        type !== "hash:mac" && `family ${storage.family === 4 ? "inet" : "inet6"}`,
        storage.markmask !== null && `markmask ${formatHex(storage.markmask)}`,
        `hashsize ${storage.hashsize}`,
        `maxelem ${storage.maxelem}`,
      );
    case "bitmap-ip":
      return joinWords(
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

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What follows `create`: the set without entries, or what is wrong. */
export function readCreate(reader: Words, origin: Origin): Ipset | Message {
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
