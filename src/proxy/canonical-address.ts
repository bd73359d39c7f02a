import type { Family } from "../address/ip.ts";
import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import { formatIpv6, parseIpv6 } from "../address/ipv6.ts";
import { contains, formatPrefix4, networkOf, parsePrefix4 } from "../address/prefix.ts";
import { contains6, formatPrefix6, networkOf6, parsePrefix6 } from "../address/prefix6.ts";

/**
 * Addresses in Services and EndpointSlices, as kube-proxy reads them: leading zeros are decimal (`010.1.2.003` is
 * 10.1.2.3), and the canonical form is what goes into rules and hashes.
 */

export type IpFamily = "IPv4" | "IPv6";

/** As the kernel room numbers it. */
export function familyNumber(family: IpFamily): Family {
  return family === "IPv4" ? 4 : 6;
}

/** The canonical text of an address of the family; undefined for another family, or for no address at all. */
export function canonicalAddress(text: string, family: IpFamily): string | undefined {
  if (family === "IPv4") {
    const bits = parseSloppyIpv4(text);
    return bits === undefined ? undefined : formatIpv4(bits);
  }
  const parsed = parseIpv6(text);
  return parsed === undefined ? undefined : formatIpv6(parsed);
}

/** The canonical text of a prefix of the family, host bits cleared. Blanks around it are trimmed. */
export function canonicalPrefix(text: string, family: IpFamily): string | undefined {
  const [address = "", length, ...more] = text.trim().split("/");
  if (length === undefined || more.length > 0) return undefined;
  const plain = `${canonicalAddress(address, family)}/${withoutLeadingZeros(length)}`;
  if (family === "IPv4") {
    const prefix = parsePrefix4(plain);
    return prefix === undefined ? undefined : formatPrefix4(networkOf(prefix));
  }
  const prefix = parsePrefix6(plain);
  return prefix === undefined ? undefined : formatPrefix6(networkOf6(prefix));
}

/** Whether a canonical prefix holds a canonical address. */
export function prefixHolds(prefix: string, address: string): boolean {
  const of4 = parsePrefix4(prefix);
  const bits = parseIpv4(address);
  if (of4 !== undefined && bits !== undefined) return contains(of4, bits);
  const of6 = parsePrefix6(prefix);
  const words = parseIpv6(address);
  return of6 !== undefined && words !== undefined && contains6(of6, words);
}

/** `ip:port`, or `[ip]:port`. */
export function socketAddressText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

export function isLoopback(address: string, family: IpFamily): boolean {
  return family === "IPv4" ? address.startsWith("127.") : address === "::1";
}

function parseSloppyIpv4(text: string): Ipv4 | undefined {
  return /^\d+(\.\d+){3}$/.test(text)
    ? parseIpv4(text.split(".").map(withoutLeadingZeros).join("."))
    : undefined;
}

function withoutLeadingZeros(digits: string): string {
  return digits.replace(/^0+(?=\d)/, "");
}
