import { parseIpv4 } from "../../address/ipv4.ts";
import { parseIpv6 } from "../../address/ipv6.ts";

/** Selectors of u32 as people write them (`match ip dport 80 0xffff`), packed into words as f_u32.c does. */

export interface U32Key {
  readonly value: number;
  readonly mask: number;
  /** Bytes from the IP header. */
  readonly at: number;
}

interface Field {
  /** Bytes of the value; 0: an address. */
  readonly size: 0 | 1 | 2;
  readonly at: number;
}

const PORTS = (at: number): Readonly<Record<string, Field>> => ({
  sport: { size: 2, at },
  dport: { size: 2, at: at + 2 },
  icmp_type: { size: 1, at },
  icmp_code: { size: 1, at: at + 1 },
});

const FIELDS: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  ip: {
    src: { size: 0, at: 12 },
    dst: { size: 0, at: 16 },
    tos: { size: 1, at: 1 },
    dsfield: { size: 1, at: 1 },
    protocol: { size: 1, at: 9 },
    ...PORTS(20),
  },
  ip6: {
    src: { size: 0, at: 8 },
    dst: { size: 0, at: 24 },
    protocol: { size: 1, at: 6 },
    ...PORTS(40),
  },
};

const RAW: Readonly<Record<string, number>> = { u32: 4, u16: 2, u8: 1 };

/**
 * What follows `match`.
 *
 * @returns its words and how many of the given were read, or a sentence on what is wrong
 */
export function readU32Match(
  words: readonly string[],
): { readonly keys: readonly U32Key[]; readonly read: number } | string {
  const [kind = "", first = "", second = "", third = ""] = words;
  const size = RAW[kind];
  if (size !== undefined) {
    const isPlaced = third === "at";
    const at = isPlaced ? Number(words[4]) : 0;
    if (!Number.isInteger(at) || at < 0 || at % size !== 0)
      return `match ${kind}: at ${words[4] ?? ""} is no place of ${size} bytes from the IP header`;
    const key = packed(Number(first), hex(second), size, at);
    return typeof key === "string" ? key : { keys: [key], read: isPlaced ? 5 : 3 };
  }
  const fields = Object.hasOwn(FIELDS, kind) ? FIELDS[kind] : undefined;
  if (fields === undefined) return `match ${kind}: is not built yet: ip, ip6, u32, u16 and u8 are`;
  const field = Object.hasOwn(fields, first) ? fields[first] : undefined;
  if (field === undefined)
    return `match ${kind} ${first}: is not built yet: ${Object.keys(fields).join(", ")} are`;
  if (field.size === 0) {
    const keys = kind === "ip" ? address4(second, field.at) : address6(second, field.at);
    return typeof keys === "string" ? `match ${kind} ${first}: ${keys}` : { keys, read: 3 };
  }
  const key = packed(Number(second), hex(third), field.size, field.at);
  return typeof key === "string" ? `match ${kind} ${first}: ${key}` : { keys: [key], read: 4 };
}

/** `pack_key`: keys at one place are one; null where they contradict each other. */
export function mergeKeys(keys: readonly U32Key[]): readonly U32Key[] | null {
  const merged: U32Key[] = [];
  for (const key of keys) {
    const i = merged.findIndex(({ at }) => at === key.at);
    const before = merged[i];
    if (before === undefined) merged.push(key);
    else if (((before.value ^ key.value) & before.mask & key.mask) !== 0) return null;
    else merged[i] = { value: before.value | key.value, mask: before.mask | key.mask, at: key.at };
  }
  return merged;
}

/** As `tc filter show` prints it. */
export function keyText({ value, mask, at }: U32Key): string {
  const digits = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
  return `match ${digits(value)}/${digits(mask)} at ${at}`;
}

/** Masks are hexadecimal with or without saying so. */
function hex(text: string): number {
  return /^(?:0x)?[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : Number.NaN;
}

/** A number of 1, 2 or 4 bytes in its word. */
function packed(value: number, mask: number, size: number, at: number): U32Key | string {
  const most = 2 ** (8 * size) - 1;
  if (![value, mask].every((number) => Number.isInteger(number) && number >= 0 && number <= most))
    return `a value and a mask of ${size} bytes are expected, such as 80 0x${"ff".repeat(size)}`;
  const shift = 8 * (4 - size - (at & 3));
  return { value: ((value & mask) << shift) | 0, mask: (mask << shift) | 0, at: at & ~3 };
}

function address4(text: string, at: number): readonly U32Key[] | string {
  const [host = "", bits = "32"] = text.split("/");
  const address = parseIpv4(host);
  const length = lengthOf(bits, 32);
  if (address === undefined || length === null) return `${JSON.stringify(text)} is no IPv4 prefix`;
  const mask = maskOfLength(length);
  return [{ value: address & mask, mask, at }];
}

function address6(text: string, at: number): readonly U32Key[] | string {
  const [host = "", bits = "128"] = text.split("/");
  const address = parseIpv6(host);
  const length = lengthOf(bits, 128);
  if (address === undefined || length === null) return `${JSON.stringify(text)} is no IPv6 prefix`;
  return address.flatMap((word, i) => {
    const mask = maskOfLength(Math.min(32, length - 32 * i));
    return mask === 0 ? [] : [{ value: word & mask, mask, at: at + 4 * i }];
  });
}

function lengthOf(text: string, most: number): number | null {
  return /^\d{1,3}$/.test(text) && Number(text) <= most ? Number(text) : null;
}

function maskOfLength(length: number): number {
  return length <= 0 ? 0 : -1 << (32 - length);
}
