/**
 * IPv4 prefixes. A prefix keeps the host bits it was written with, because `10.1.2.3/24` on a device is both an address
 * and its network; `networkOf` clears them, and `contains` never looks at them.
 */

import { explainIpv4, formatIpv4, type Ipv4, parseIpv4 } from "./ipv4.ts";

export type Prefix4 = { readonly address: Ipv4; readonly length: number };

/** An address and any mask: what netfilter matches by (`struct ipt_ip`). Only iptables knows masks with holes. */
export type Masked4 = { readonly address: Ipv4; readonly mask: Ipv4 };

/** `address/length`, both strict: no `/08`, no dotted mask, no bare address. */
export function parsePrefix4(text: string): Prefix4 | undefined {
  const slash = text.indexOf("/");
  if (slash === -1) return undefined;
  const address = parseIpv4(text.slice(0, slash));
  const length = parsePrefixLength(text.slice(slash + 1), 32);
  return address === undefined || length === undefined ? undefined : { address, length };
}

/** As `parsePrefix4`, and a bare address is its own /32. */
export function parseAddressOrPrefix4(text: string): Prefix4 | undefined {
  const address = parseIpv4(text);
  return address === undefined ? parsePrefix4(text) : { address, length: 32 };
}

/** As `parseAddressOrPrefix4`, and the length may be a dotted mask without holes: `10.0.0.0/255.0.0.0`. */
export function parseIptablesPrefix4(text: string): Prefix4 | undefined {
  const masked = parseMasked4(text);
  if (masked === undefined) return undefined;
  const length = lengthOfMask(masked.mask);
  return length === undefined ? undefined : { address: masked.address, length };
}

/** What iptables takes after `-s`: an address, alone or with a length or with any dotted mask. */
export function parseMasked4(text: string): Masked4 | undefined {
  const slash = text.indexOf("/");
  const mask = slash === -1 ? undefined : parseIpv4(text.slice(slash + 1));
  if (mask !== undefined) {
    const address = parseIpv4(text.slice(0, slash));
    return address === undefined ? undefined : { address, mask };
  }
  const prefix = parseAddressOrPrefix4(text);
  return prefix === undefined ? undefined : { address: prefix.address, mask: maskOf(prefix.length) };
}

/** As `iptables-save` prints it: a length where the mask has one, else the dotted mask. */
export function formatMasked4({ address, mask }: Masked4): string {
  return `${formatIpv4(address)}/${lengthOfMask(mask) ?? formatIpv4(mask)}`;
}

export function formatPrefix4({ address, length }: Prefix4): string {
  return `${formatIpv4(address)}/${length}`;
}

/** One sentence on why `text` is not an IPv4 prefix. */
export function explainPrefix4(text: string): string {
  if (parsePrefix4(text) !== undefined) return `${JSON.stringify(text)} is an IPv4 prefix`;
  const slash = text.indexOf("/");
  if (slash === -1) {
    return parseIpv4(text) === undefined
      ? explainIpv4(text)
      : `${JSON.stringify(text)} has no prefix length: write ${text}/32 for the single address`;
  }
  const address = text.slice(0, slash);
  if (parseIpv4(address) === undefined) return explainIpv4(address);
  return `${JSON.stringify(text)} ${faultOfLength(text.slice(slash + 1), 32)}`;
}

/** The decimal length of a prefix: 0 to `max`, no sign, no leading zero. */
export function parsePrefixLength(text: string, max: 32 | 128): number | undefined {
  if (!/^(0|[1-9]\d{0,2})$/.test(text)) return undefined;
  const length = Number(text);
  return length <= max ? length : undefined;
}

/** What is wrong with the text after the slash, as the end of a sentence. */
export function faultOfLength(text: string, max: 32 | 128): string {
  if (text === "") return "has nothing after the slash: a prefix length is expected";
  if (/^0\d+$/.test(text)) return `has a leading zero in its prefix length "${text}"`;
  if (/^\d+$/.test(text)) return `has the prefix length ${text}, which is above ${max}`;
  if (max === 32 && parseIpv4(text) !== undefined)
    return `has a dotted mask: write its length instead of "${text}"`;
  return `has a prefix length that is not a number from 0 to ${max}: ${JSON.stringify(text)}`;
}

/** The netmask of a length: 8 gives 255.0.0.0. */
export function maskOf(length: number): Ipv4 {
  return length === 0 ? 0 : -1 << (32 - length);
}

/** The length of a netmask, undefined for a mask with holes. */
export function lengthOfMask(mask: Ipv4): number | undefined {
  const length = Math.clz32(~mask);
  return maskOf(length) === mask ? length : undefined;
}

/** The same prefix with its host bits cleared. */
export function networkOf({ address, length }: Prefix4): Prefix4 {
  return { address: address & maskOf(length), length };
}

/** The first address: the network's own. */
export function firstOf({ address, length }: Prefix4): Ipv4 {
  return address & maskOf(length);
}

/** The last address: the broadcast address of a subnet with one (length below 31, RFC 3021). */
export function lastOf({ address, length }: Prefix4): Ipv4 {
  return address | ~maskOf(length);
}

/** How many addresses it spans, 1 to 2³². */
export function sizeOf({ length }: Prefix4): number {
  return 2 ** (32 - length);
}

export function contains(prefix: Prefix4, address: Ipv4): boolean {
  return ((prefix.address ^ address) & maskOf(prefix.length)) === 0;
}

/** Whether every address of `inner` is in `outer`. */
export function covers(outer: Prefix4, inner: Prefix4): boolean {
  return outer.length <= inner.length && contains(outer, inner.address);
}
