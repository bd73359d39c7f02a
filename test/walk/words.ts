import type { IpAddress } from "../../src/address/ip.ts";
import { type Ipv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { type Ipv6Words, parseIpv6 } from "../../src/address/ipv6.ts";
import { parseAddressOrPrefix4 } from "../../src/address/prefix.ts";

/** Values written as the tools' words; what is none is a mistake of the test. */

export function ip(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

export function ip6(text: string): Ipv6Words {
  const address = parseIpv6(text);
  if (address === undefined) throw new Error(`${text} is no IPv6 address`);
  return address;
}

export function either(text: string): IpAddress {
  return text.includes(":") ? ip6(text) : ip(text);
}

export function prefix(text: string): { address: Ipv4; length: number } {
  if (text === "default") return { address: 0, length: 0 };
  const parsedPrefix = parseAddressOrPrefix4(text);
  if (parsedPrefix === undefined) throw new Error(`${text} is no prefix`);
  return parsedPrefix;
}

/** `dev eth0 metric 5`, as what each word says. */
export function pairs(words: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) found.set(words[i] as string, words[i + 1] ?? "");
  return found;
}
