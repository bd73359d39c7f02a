import type { Family } from "../address/ip.ts";
import { parseIpv4 } from "../address/ipv4.ts";
import { parseIpv6 } from "../address/ipv6.ts";
import { contains, parseAddressOrPrefix4 } from "../address/prefix.ts";
import { contains6, parseAddressOrPrefix6 } from "../address/prefix6.ts";

/** Addresses and prefixes as policies write them: of either family, as text. */
export function familyOf(net: string): Family {
  return net.includes(":") ? 6 : 4;
}

/** Is the address in the prefix, or the same address? Of different families never. */
export function holds(net: string, address: string): boolean {
  const [prefix4, address4] = [parseAddressOrPrefix4(net), parseIpv4(address)];
  if (prefix4 !== undefined && address4 !== undefined) return contains(prefix4, address4);
  const [prefix6, address6] = [parseAddressOrPrefix6(net), parseIpv6(address)];
  return prefix6 !== undefined && address6 !== undefined && contains6(prefix6, address6);
}
