/**
 * IPv4 addresses as text and as bits. The text form is the strict one Kubernetes accepts (Go's `netip.ParseAddr`):
 * four decimal numbers of 0 to 255, joined by dots, nothing else. The looser forms of `inet_aton(3)` (octal,
 * hexadecimal, fewer than four parts) are refused, because two programs would read two addresses from them.
 */

/**
 * The 32 bits of an address as a signed int32, so that it stays a small integer on the hot path.
 * Equality is plain `===`; for order compare `a >>> 0`.
 */
export type Ipv4 = number;

const DOT = 46;
const ZERO = 48;

/** Undefined for anything but a strict dotted quad; `explainIpv4` says why. */
export function parseIpv4(text: string): Ipv4 | undefined {
  if (text.length < 7 || text.length > 15) return undefined;
  let bits = 0;
  let parts = 0;
  let part = 0;
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === DOT) {
      if (digits === 0 || parts === 3) return undefined;
      bits = (bits << 8) | part;
      parts++;
      part = 0;
      digits = 0;
      continue;
    }
    const digit = char - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    if (digits > 0 && part === 0) return undefined;
    part = part * 10 + digit;
    digits++;
    if (part > 255) return undefined;
  }
  return digits > 0 && parts === 3 ? (bits << 8) | part : undefined;
}

export function formatIpv4(bits: Ipv4): string {
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

/** One sentence on why `text` is not an IPv4 address. */
export function explainIpv4(text: string): string {
  return `${JSON.stringify(text)} ${fault(text)}`;
}

function fault(text: string): string {
  if (text === "") return "is empty: an IPv4 address is four numbers from 0 to 255, such as 10.0.0.1";
  if (parseIpv4(text) !== undefined) return "is an IPv4 address";
  if (text.trim() === "") return "is blank: an IPv4 address is four numbers from 0 to 255, such as 10.0.0.1";
  if (text.trim() !== text) return "has blanks around it: write the address alone";
  if (text.includes("/")) return "has a prefix length: an address is expected here, not a prefix";
  if (text.includes(":")) return "contains a colon: an IPv4 address has neither a port nor IPv6 groups";
  const parts = text.split(".");
  for (const [i, part] of parts.entries()) {
    const found = faultOfPart(part, i, parts.length);
    if (found !== undefined) return found;
  }
  const count = `${parts.length} ${parts.length === 1 ? "part" : "parts"}`;
  return `has ${count}: an IPv4 address has exactly four, short forms are not read`;
}

function faultOfPart(part: string, index: number, count: number): string | undefined {
  if (part === "") {
    if (index === 0) return "begins with a dot";
    return index === count - 1 ? "ends with a dot" : "has two dots in a row";
  }
  if (/^0x/i.test(part)) return `has a hexadecimal part "${part}": only decimal numbers are read`;
  if (!/^\d+$/.test(part)) return `has a part that is not a decimal number: ${JSON.stringify(part)}`;
  if (part.length > 1 && part.startsWith("0")) {
    return `has a leading zero in "${part}": some programs would read it as octal, so write ${BigInt(part)}`;
  }
  if (count === 4 && (part.length > 3 || Number(part) > 255))
    return `has the part ${part}, which is above 255`;
  return undefined;
}
