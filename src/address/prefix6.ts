/** IPv6 prefixes; like IPv4's (`prefix.ts`) they keep the host bits they were written with. */

import { explainIpv6, formatIpv6, type Ipv6Words, parseIpv6 } from "./ipv6.ts";
import { faultOfLength, maskOf, parsePrefixLength } from "./prefix.ts";

export type Prefix6 = { readonly address: Ipv6Words; readonly length: number };

/** `address/length`, both strict. */
export function parsePrefix6(text: string): Prefix6 | undefined {
  const slash = text.indexOf("/");
  if (slash === -1) return undefined;
  const address = parseIpv6(text.slice(0, slash));
  const length = parsePrefixLength(text.slice(slash + 1), 128);
  return address === undefined || length === undefined ? undefined : { address, length };
}

/** As `parsePrefix6`, and a bare address is its own /128. */
export function parseAddressOrPrefix6(text: string): Prefix6 | undefined {
  const address = parseIpv6(text);
  return address === undefined ? parsePrefix6(text) : { address, length: 128 };
}

export function formatPrefix6({ address, length }: Prefix6): string {
  return `${formatIpv6(address)}/${length}`;
}

/** One sentence on why `text` is not an IPv6 prefix. */
export function explainPrefix6(text: string): string {
  if (parsePrefix6(text) !== undefined) return `${JSON.stringify(text)} is an IPv6 prefix`;
  const slash = text.indexOf("/");
  if (slash === -1) {
    return parseIpv6(text) === undefined
      ? explainIpv6(text)
      : `${JSON.stringify(text)} has no prefix length: write ${text}/128 for the single address`;
  }
  const address = text.slice(0, slash);
  if (parseIpv6(address) === undefined) return explainIpv6(address);
  return `${JSON.stringify(text)} ${faultOfLength(text.slice(slash + 1), 128)}`;
}

/** The netmask of a length as four words. */
export function mask6Of(length: number): Ipv6Words {
  return [maskWord(length, 0), maskWord(length, 1), maskWord(length, 2), maskWord(length, 3)];
}

/** The same prefix with its host bits cleared. */
export function networkOf6({ address: [a, b, c, d], length }: Prefix6): Prefix6 {
  const mask = mask6Of(length);
  return {
    address: [(a & mask[0]) >>> 0, (b & mask[1]) >>> 0, (c & mask[2]) >>> 0, (d & mask[3]) >>> 0],
    length,
  };
}

export function contains6({ address: own, length }: Prefix6, address: Ipv6Words): boolean {
  return (
    ((own[0] ^ address[0]) & maskWord(length, 0)) === 0 &&
    ((own[1] ^ address[1]) & maskWord(length, 1)) === 0 &&
    ((own[2] ^ address[2]) & maskWord(length, 2)) === 0 &&
    ((own[3] ^ address[3]) & maskWord(length, 3)) === 0
  );
}

/** Whether every address of `inner` is in `outer`. */
export function covers6(outer: Prefix6, inner: Prefix6): boolean {
  return outer.length <= inner.length && contains6(outer, inner.address);
}

/** Word `i` (0 the most significant) of the netmask of `length`, unsigned; `i` 0 with a length up to 32 is IPv4's. */
export function maskWord(length: number, i: number): number {
  return maskOf(Math.min(32, Math.max(0, length - 32 * i))) >>> 0;
}
