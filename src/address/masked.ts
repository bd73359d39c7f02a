/** An address of either family under any mask: what netfilter matches by. A mask with holes is no prefix. */

import { type Family, type IpAddress, inetNtop } from "./ip.ts";
import { type Ipv6Words, parseIpv6 } from "./ipv6.ts";
import { formatMasked4, lengthOfMask, type Masked4, parseMasked4 } from "./prefix.ts";
import { mask6Of, parseAddressOrPrefix6 } from "./prefix6.ts";

/** `struct ip6t_ip6`'s address and mask. */
export type Masked6 = { readonly address: Ipv6Words; readonly mask: Ipv6Words };

export type Masked = Masked4 | Masked6;

export function isMasked4(masked: Masked): masked is Masked4 {
  return typeof masked.mask === "number";
}

/** What ip6tables takes after `-s`: an address, alone or with a length or with a mask written as an address. */
function parseMasked6(text: string): Masked6 | undefined {
  const slash = text.indexOf("/");
  const mask = slash === -1 ? undefined : parseIpv6(text.slice(slash + 1));
  if (mask !== undefined) {
    const address = parseIpv6(text.slice(0, slash));
    return address === undefined ? undefined : { address, mask };
  }
  const prefix = parseAddressOrPrefix6(text);
  return prefix === undefined ? undefined : { address: prefix.address, mask: mask6Of(prefix.length) };
}

export function parseMasked(text: string, family: Family): Masked | undefined {
  return family === 6 ? parseMasked6(text) : parseMasked4(text);
}

/** As `iptables-save` and `ip6tables-save` print it: a length where the mask has one, else the mask as an address. */
export function formatMasked(masked: Masked): string {
  if (isMasked4(masked)) return formatMasked4(masked);
  const { address, mask } = masked;
  return `${inetNtop(address)}/${lengthOfMask6(mask) ?? inetNtop(mask)}`;
}

/** The length of a netmask, undefined for a mask with holes. */
function lengthOfMask6(mask: Ipv6Words): number | undefined {
  const length = mask.reduce((ones, word) => ones + Math.clz32(~word), 0);
  return mask6Of(length).every((word, i) => word === mask[i]) ? length : undefined;
}

/** The length of a prefix, undefined where its mask has holes. */
export function lengthOfMasked(masked: Masked): number | undefined {
  return isMasked4(masked) ? lengthOfMask(masked.mask) : lengthOfMask6(masked.mask);
}

/** The same with the bits outside the mask cleared. */
export function withoutHostBits(masked: Masked): Masked {
  if (isMasked4(masked)) {
    const address = masked.address & masked.mask;
    return address === masked.address ? masked : { address, mask: masked.mask };
  }
  const { address, mask } = masked;
  return { address: and6(address, mask), mask };
}

/** The one address it stands for, null where the mask leaves any bit open. */
export function singleAddress(masked: Masked): IpAddress | null {
  if (isMasked4(masked)) return masked.mask === -1 ? masked.address : null;
  return lengthOfMask6(masked.mask) === 128 ? masked.address : null;
}

/** Is every address in it? */
export function isAnywhere(masked: Masked): boolean {
  return isMasked4(masked) ? masked.mask === 0 : masked.mask.every((word) => word === 0);
}

function and6(a: Ipv6Words, b: Ipv6Words): Ipv6Words {
  return [(a[0] & b[0]) >>> 0, (a[1] & b[1]) >>> 0, (a[2] & b[2]) >>> 0, (a[3] & b[3]) >>> 0];
}
