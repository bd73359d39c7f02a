/**
 * An address of either family in plain state: IPv4 as its bits, IPv6 as its four words. The kernel's path holds the second
 * as a handle instead (`ip6-handle.ts`).
 */

import { explainIpv4, formatIpv4, type Ipv4, parseIpv4 } from "./ipv4.ts";
import { explainIpv6, formatIpv6, type Ipv6Words, parseIpv6 } from "./ipv6.ts";

export type IpAddress = Ipv4 | Ipv6Words;

/** The number by which kernels, rule sets and packets name a family. */
export type Family = 4 | 6;

export function familyOfAddress(address: IpAddress): Family {
  return typeof address === "number" ? 4 : 6;
}

/** Either family, each as strictly as its own parser; no zone. */
export function parseIp(text: string): IpAddress | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

export function formatIp(address: IpAddress): string {
  return typeof address === "number" ? formatIpv4(address) : formatIpv6(address);
}

/** As inet_ntop(3) of glibc, and so every tool of a Linux host, prints it: `::192.0.2.1` for an IPv4-compatible address. */
export function inetNtop(address: IpAddress): string {
  if (typeof address === "number") return formatIpv4(address);
  const [a, b, c, d] = address;
  return a === 0 && b === 0 && c === 0 && d >>> 16 !== 0 ? `::${formatIpv4(d | 0)}` : formatIpv6(address);
}

export function sameIp(one: IpAddress, other: IpAddress): boolean {
  if (typeof one === "number" || typeof other === "number") return one === other;
  return one.every((word, i) => word === other[i]);
}

/** 224.0.0.0/4, ff00::/8. */
export function isGroupIp(address: IpAddress): boolean {
  return typeof address === "number" ? address >>> 28 === 0xe : address[0] >>> 24 === 0xff;
}

/** One sentence on why `text` is no address of either family. */
export function explainIp(text: string): string {
  return text.includes(":") ? explainIpv6(text) : explainIpv4(text);
}
