/**
 * What differs between addresses of IPv4 and of IPv6 in plain state: how they are read, written and compared. Code for both
 * families takes one of the two values here and is written once.
 */

import type { Family } from "./ip.ts";
import { explainIpv4, formatIpv4, type Ipv4, parseIpv4 } from "./ipv4.ts";
import { explainIpv6, formatIpv6, type Ipv6Words, parseIpv6 } from "./ipv6.ts";
import { contains, explainPrefix4, networkOf, parseAddressOrPrefix4 } from "./prefix.ts";
import { contains6, explainPrefix6, networkOf6, parseAddressOrPrefix6 } from "./prefix6.ts";

export interface PrefixOf<Address> {
  readonly address: Address;
  readonly length: number;
}

export interface AddressFamily<Address> {
  readonly number: Family;
  /** For messages. */
  readonly name: "IPv4" | "IPv6";
  /** Bits of an address. */
  readonly bits: 32 | 128;
  /** `0.0.0.0`, `::`. */
  readonly any: Address;
  parse(text: string): Address | undefined;
  explain(text: string): string;
  format(address: Address): string;
  same(one: Address, other: Address): boolean;
  /** A prefix; a bare address is one of all its bits. */
  parsePrefix(text: string): PrefixOf<Address> | undefined;
  explainPrefix(text: string): string;
  /** The same prefix with its host bits cleared. */
  networkOf(prefix: PrefixOf<Address>): PrefixOf<Address>;
  contains(prefix: PrefixOf<Address>, address: Address): boolean;
}

export const IPV4: AddressFamily<Ipv4> = {
  number: 4,
  name: "IPv4",
  bits: 32,
  any: 0,
  parse: parseIpv4,
  explain: explainIpv4,
  format: formatIpv4,
  same: (one, other) => one === other,
  parsePrefix: parseAddressOrPrefix4,
  explainPrefix: explainPrefix4,
  networkOf,
  contains,
};

export const IPV6: AddressFamily<Ipv6Words> = {
  number: 6,
  name: "IPv6",
  bits: 128,
  any: [0, 0, 0, 0],
  parse: parseIpv6,
  explain: explainIpv6,
  format: formatIpv6,
  same: (one, other) => one.every((word, i) => word === other[i]),
  parsePrefix: parseAddressOrPrefix6,
  explainPrefix: explainPrefix6,
  networkOf: networkOf6,
  contains: contains6,
};

/** Of two addresses that may be none. */
export function sameOrNone<Address>(
  of: AddressFamily<Address>,
  one: Address | null,
  other: Address | null,
): boolean {
  return one === other || (one !== null && other !== null && of.same(one, other));
}
