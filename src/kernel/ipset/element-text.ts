import { formatIpv4, type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import { formatIpv6, type Ipv6Words, parseIpv6 } from "../../address/ipv6.ts";
import { formatMac, MAC_ZERO, parseMac } from "../../address/mac.ts";
import { maskOf, networkOf, parseAddressOrPrefix4 } from "../../address/prefix.ts";
import { mask6Of, networkOf6, parseAddressOrPrefix6 } from "../../address/prefix6.ts";
import { formatProtocol, parseProtocol } from "../netfilter/save/protocol.ts";
import { formatIcmpPort, parseIcmpPort } from "./icmp-names.ts";
import {
  dimensionsOf,
  familyOf,
  type Ipset,
  type IpsetDimension,
  type IpsetPart,
  type IpsetStorage,
  type IpsetType,
} from "./ipset.ts";

/**
 * The element of an `add` line, `10.0.0.0/8,tcp:80,10.1.0.0/16`: one part a dimension of the set's type, in canonical form
 * (host bits cleared, a set's own mask applied), as the kernel stores it.
 */

/** The part, or what is wrong as the end of a sentence. */
type Read = IpsetPart | string;

const IPPROTO_TCP = 6;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
/** Protocols whose second number is a port; of any other it is 0. */
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 132, 136]);
/** `IFNAMSIZ`, less the final zero. */
const IFACE_LENGTH = 15;

/** The parts of an element, or one sentence on what is wrong. */
export function parseElement(text: string, set: Ipset): readonly IpsetPart[] | string {
  const dimensions = dimensionsOf(set.type);
  const words = text.split(",");
  const least = set.type === "bitmap:ip,mac" ? 1 : dimensions.length;
  if (words.length < least || words.length > dimensions.length) {
    return `${JSON.stringify(text)} has ${words.length} parts: an element of ${set.type} has ${dimensions.length}`;
  }
  const parts: IpsetPart[] = [];
  for (const [i, word] of words.entries()) {
    const part = readPart(word, dimensions[i] as IpsetDimension, set);
    if (typeof part === "string") return `${JSON.stringify(word)} ${part}`;
    parts.push(part);
  }
  return parts;
}

export function formatElement(parts: readonly IpsetPart[]): string {
  return parts.map(formatPart).join(",");
}

/** What makes two elements one: bitmap:ip,mac goes by the address alone. */
export function elementKey(parts: readonly IpsetPart[], type: IpsetType): string {
  return formatElement(type === "bitmap:ip,mac" ? parts.slice(0, 1) : parts);
}

function readPart(word: string, dimension: IpsetDimension, set: Ipset): Read {
  switch (dimension) {
    case "ip":
      return readAddress(word, set);
    case "net":
      return readNet(word, set);
    case "port":
      return set.type === "bitmap:port" ? readBitmapPort(word, set.storage) : readPort(word, familyOf(set));
    case "mac": {
      const mac = parseMac(word);
      if (mac === undefined) return "is no MAC address such as 02:42:AC:11:00:02";
      return mac === MAC_ZERO ? "is no MAC address a set can hold" : { kind: "mac", mac };
    }
    case "mark":
      return readMark(word, set.storage);
    case "iface":
      return readIface(word);
    case "set":
      return word === "" ? "is empty: the name of a set is expected" : { kind: "set", name: word };
    default:
      dimension satisfies never;
      throw new Error("unknown dimension");
  }
}

function readAddress(word: string, set: Ipset): Read {
  const { storage } = set;
  if (familyOf(set) === 6) {
    const prefix = parseAddressOrPrefix6(word);
    if (prefix === undefined || prefix.length !== 128)
      return "is no IPv6 address, as this set holds them one by one";
    const address = cut6(prefix.address, storage);
    return { kind: "net", address, length: 128 };
  }
  const prefix = parseAddressOrPrefix4(word);
  if (prefix === undefined || prefix.length !== 32)
    return "is no IPv4 address, as this set holds them one by one";
  const address = cut4(prefix.address, storage);
  if (storage.kind === "bitmap-ip") {
    const outside = address >>> 0 < storage.from >>> 0 || address >>> 0 > storage.to >>> 0;
    if (outside) return `is outside the set's range ${formatIpv4(storage.from)}-${formatIpv4(storage.to)}`;
  }
  return { kind: "net", address, length: 32 };
}

/** What is left of an address under a set's own mask. */
function cut4(address: Ipv4, storage: IpsetStorage): Ipv4 {
  return address & addressMaskOf(storage);
}

/** The mask an IPv4 set puts on addresses before it stores them or looks for them. */
export function addressMaskOf(storage: IpsetStorage): Ipv4 {
  if (storage.kind === "bitmap-ip") return storage.netmask === null ? -1 : maskOf(storage.netmask);
  if (storage.kind !== "hash" || storage.mask === null) return -1;
  if (storage.mask.kind === "netmask") return maskOf(storage.mask.length);
  return typeof storage.mask.address === "number" ? storage.mask.address : -1;
}

function cut6([a, b, c, d]: Ipv6Words, storage: IpsetStorage): Ipv6Words {
  const by = addressMask6Of(storage);
  return [(a & by[0]) >>> 0, (b & by[1]) >>> 0, (c & by[2]) >>> 0, (d & by[3]) >>> 0];
}

/** The mask an IPv6 set puts on them. */
export function addressMask6Of(storage: IpsetStorage): Ipv6Words {
  const mask = storage.kind === "hash" ? storage.mask : null;
  if (mask?.kind === "netmask") return mask6Of(mask.length);
  return mask === null || typeof mask.address === "number" ? mask6Of(128) : mask.address;
}

function readNet(word: string, set: Ipset): Read {
  if (familyOf(set) === 6) {
    const prefix = parseAddressOrPrefix6(word);
    return prefix === undefined ? "is no IPv6 prefix" : { kind: "net", ...networkOf6(prefix) };
  }
  const prefix = parseAddressOrPrefix4(word);
  return prefix === undefined ? "is no IPv4 prefix" : { kind: "net", ...networkOf(prefix) };
}

function readBitmapPort(word: string, storage: IpsetStorage): Read {
  const port = portOf(word.replace(/^(tcp|udp):/, ""));
  if (port === undefined) return "is no port from 0 to 65535";
  if (storage.kind === "bitmap-port" && (port < storage.from || port > storage.to)) {
    return `is outside the set's range ${storage.from}-${storage.to}`;
  }
  return { kind: "port", protocol: 0, port };
}

/** `tcp:80`, `icmp:echo-request`, `icmp:3/1`, `gre:0`; a port alone is TCP's. */
function readPort(word: string, family: 4 | 6): Read {
  const colon = word.indexOf(":");
  const protocol = colon === -1 ? IPPROTO_TCP : parseProtocol(word.slice(0, colon));
  if (protocol === undefined || protocol === 0) return "has no protocol that is known before its colon";
  const rest = word.slice(colon + 1);
  if (protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6) {
    const port = parseIcmpPort(rest, protocol === IPPROTO_ICMP ? 4 : 6);
    if (port === undefined) return "has no ICMP type behind its colon, such as echo-request or 3/1";
    if ((protocol === IPPROTO_ICMP) !== (family === 4)) return "is ICMP of the other family";
    return { kind: "port", protocol, port };
  }
  const port = portOf(rest);
  if (port === undefined) return "has no port from 0 to 65535";
  if (!WITH_PORTS.has(protocol) && port !== 0) return "has a port, which its protocol does not know: write 0";
  return { kind: "port", protocol, port };
}

function portOf(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 0xffff ? port : undefined;
}

function readMark(word: string, storage: IpsetStorage): Read {
  const mark = parseUint32(word);
  if (mark === undefined) return "is no mark: a number of 32 bits is expected";
  const mask = storage.kind === "hash" && storage.markmask !== null ? storage.markmask : 0xffff_ffff;
  return { kind: "mark", mark: (mark & mask) >>> 0 };
}

/** Decimal, or hexadecimal behind 0x. */
export function parseUint32(text: string): number | undefined {
  if (!/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text)) return undefined;
  const value = Number(text);
  return value <= 0xffff_ffff ? value : undefined;
}

function readIface(word: string): Read {
  const physdev = word.startsWith("physdev:");
  const name = physdev ? word.slice("physdev:".length) : word;
  if (name === "" || name.length > IFACE_LENGTH) return "is no name of an interface";
  return { kind: "iface", name, physdev, wildcard: false };
}

function formatPart(part: IpsetPart): string {
  switch (part.kind) {
    case "net":
      return formatNet(part.address, part.length);
    case "port":
      if (part.protocol === 0) return String(part.port);
      return `${formatProtocol(part.protocol)}:${formatPort(part.protocol, part.port)}`;
    case "mac":
      return formatMac(part.mac).toUpperCase();
    case "mark":
      return formatHex(part.mark);
    case "iface":
      return part.physdev ? `physdev:${part.name}` : part.name;
    case "set":
      return part.name;
    default:
      part satisfies never;
      throw new Error("unknown part");
  }
}

function formatNet(address: Ipv4 | Ipv6Words, length: number): string {
  if (typeof address === "number") return formatIpv4(address) + (length === 32 ? "" : `/${length}`);
  return formatIpv6(address) + (length === 128 ? "" : `/${length}`);
}

function formatPort(protocol: number, port: number): string {
  if (protocol === IPPROTO_ICMP) return formatIcmpPort(port, 4);
  if (protocol === IPPROTO_ICMPV6) return formatIcmpPort(port, 6);
  return String(port);
}

/** `ipset_print_hex`: all eight digits. */
export function formatHex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

/** An address of the set's family, for its bitmask. */
export function parseBitmask(text: string, family: 4 | 6): Ipv4 | Ipv6Words | undefined {
  return family === 4 ? parseIpv4(text) : parseIpv6(text);
}

export function formatBitmask(address: Ipv4 | Ipv6Words): string {
  return typeof address === "number" ? formatIpv4(address) : formatIpv6(address);
}
