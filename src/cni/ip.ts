import type { IpAddress } from "../address/ip.ts";
import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import { formatIpv6, type Ipv6Words, parseIpv6 } from "../address/ipv6.ts";
import { parsePrefixLength } from "../address/prefix.ts";

/**
 * Addresses of both families as one kind of value, so that an allocator counts through either alike. Plugins run once
 * for a container, not for a packet: big integers are quick enough.
 */
export interface Ip {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** An address with the length of its network's prefix: `10.22.0.2/16`. */
export interface IpNet {
  readonly ip: Ip;
  readonly length: number;
}

export function parseIp(text: string): Ip | undefined {
  const four = parseIpv4(text);
  if (four !== undefined) return { family: 4, value: BigInt(four >>> 0) };
  const six = parseIpv6(text);
  if (six === undefined) return undefined;
  return fromWords(six);
}

/** Of a BGP session's other end, with a port or without: `10.0.0.1:179`, `[fd00::1]:179`. */
export function peerAddressOf(text: string): string {
  const [, six] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? [];
  if (six !== undefined) return six;
  return /^[\d.]+:\d+$/.test(text) ? (text.split(":")[0] ?? "") : text;
}

export function formatIp(ip: Ip): string {
  return ip.family === 4 ? formatIpv4(toIpv4(ip)) : formatIpv6(toWords(ip));
}

/** The 32 bits as the kernel room holds them. */
export function toIpv4({ value }: Ip): Ipv4 {
  return Number(value) | 0;
}

export function fromAddress(address: IpAddress): Ip {
  return typeof address === "number" ? fromIpv4(address) : fromWords(address);
}

export function fromIpv4(address: Ipv4): Ip {
  return { family: 4, value: BigInt(address >>> 0) };
}

/** The four words as the kernel room holds them. */
export function toWords({ value }: Ip): Ipv6Words {
  const word = (shift: bigint) => Number((value >> shift) & 0xffff_ffffn);
  return [word(96n), word(64n), word(32n), word(0n)];
}

export function fromWords(words: Ipv6Words): Ip {
  return { family: 6, value: words.reduce((value, word) => (value << 32n) | BigInt(word >>> 0), 0n) };
}

export function toAddress(ip: Ip): IpAddress {
  return ip.family === 4 ? toIpv4(ip) : toWords(ip);
}

/** `10.22.0.0/16`; the address may have bits beyond the prefix. */
export function parseIpNet(text: string): IpNet | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const ip = parseIp(text.slice(0, slash));
  if (ip === undefined) return undefined;
  const length = parsePrefixLength(text.slice(slash + 1), ip.family === 4 ? 32 : 128);
  return length === undefined ? undefined : { ip, length };
}

export function formatIpNet({ ip, length }: IpNet): string {
  return `${formatIp(ip)}/${length}`;
}

export function bitsOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

export function networkOf({ ip, length }: IpNet): IpNet {
  const host = BigInt(bitsOf(ip.family) - length);
  return { ip: { family: ip.family, value: (ip.value >> host) << host }, length };
}

/** The highest address of the network: IPv4's broadcast address. */
export function lastOf(net: IpNet): Ip {
  const host = BigInt(bitsOf(net.ip.family) - net.length);
  return { family: net.ip.family, value: networkOf(net).ip.value + (1n << host) - 1n };
}

export function sameNet(a: IpNet, b: IpNet): boolean {
  return a.length === b.length && sameIp(a.ip, b.ip);
}

/** Is every address of `inner` in `outer`? */
export function coversNet(outer: IpNet, inner: IpNet): boolean {
  return outer.length <= inner.length && containsIp(outer, inner.ip);
}

export function containsIp(net: IpNet, ip: Ip): boolean {
  if (ip.family !== net.ip.family) return false;
  const host = BigInt(bitsOf(ip.family) - net.length);
  return ip.value >> host === net.ip.value >> host;
}

export function plus({ family, value }: Ip, difference: bigint): Ip {
  return { family, value: value + difference };
}

export function sameIp(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.value === b.value;
}

export function isDefault({ ip, length }: IpNet): boolean {
  return length === 0 && ip.value === 0n;
}
