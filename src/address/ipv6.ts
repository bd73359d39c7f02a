/**
 * IPv6 addresses as text and as four words. Parsing follows RFC 4291 section 2.2 as strictly as Go's
 * `netip.ParseAddr`, which Kubernetes uses; printing is the canonical form of RFC 5952. A zone (`%eth0`) is no part
 * of an address: `splitZone` takes it off where a format allows one.
 */

import { explainIpv4, formatIpv4, parseIpv4 } from "./ipv4.ts";

/** Four unsigned 32-bit words, the most significant first. */
export type Ipv6Words = readonly [number, number, number, number];

/** Undefined for anything but a strict IPv6 address; `explainIpv6` says why. */
export function parseIpv6(text: string): Ipv6Words | undefined {
  const result = read(text);
  return typeof result === "string" ? undefined : result;
}

/** One sentence on why `text` is not an IPv6 address. */
export function explainIpv6(text: string): string {
  const result = read(text);
  return `${JSON.stringify(text)} ${typeof result === "string" ? result : "is an IPv6 address"}`;
}

/** The address and the zone after `%` (RFC 4007 section 11), the zone undefined when there is none. */
export function splitZone(text: string): { readonly address: string; readonly zone: string | undefined } {
  const at = text.indexOf("%");
  return at === -1
    ? { address: text, zone: undefined }
    : { address: text.slice(0, at), zone: text.slice(at + 1) };
}

/** The words, or what is wrong as the end of a sentence. */
function read(text: string): Ipv6Words | string {
  if (text.trim() === "") return "is empty: an IPv6 address is expected, such as fd00::1";
  if (text.trim() !== text) return "has blanks around it: write the address alone";
  if (text.includes("%")) return "has a zone: a zone is no part of an address";
  if (text.includes("/")) return "has a prefix length: an address is expected here, not a prefix";
  if (text.startsWith("[")) return "is in brackets: write the address alone";
  if (!text.includes(":")) return "has no colon: it is not an IPv6 address";

  const halves = text.split("::");
  if (halves.length > 2) return "has :: more than once";
  const [left = "", right] = halves;
  const before = readGroups(left, right === undefined);
  if (typeof before === "string") return before;
  const after = right === undefined ? [] : readGroups(right, true);
  if (typeof after === "string") return after;

  const given = before.length + after.length;
  if (right === undefined && given !== 8) return `has ${given} groups: an IPv6 address has eight, or a ::`;
  if (right !== undefined && given > 7) return `has ${given} groups beside ::, which stands for at least one`;
  const groups = [...before, ...new Array<number>(8 - given).fill(0), ...after];
  const word = (i: number) => (((groups[2 * i] ?? 0) << 16) | (groups[2 * i + 1] ?? 0)) >>> 0;
  return [word(0), word(1), word(2), word(3)];
}

/** The 16-bit groups of one side of `::`. Only the end of the whole address may be a dotted quad, worth two groups. */
function readGroups(side: string, isEnd: boolean): number[] | string {
  if (side === "") return [];
  const groups: number[] = [];
  const parts = side.split(":");
  for (const [i, part] of parts.entries()) {
    if (part === "") return "has a single colon at its begin or end, or three in a row";
    if (part.includes(".")) {
      if (!isEnd || i !== parts.length - 1) return "has a dotted quad that is not at its end";
      const quad = parseIpv4(part);
      if (quad === undefined) return `has a bad dotted quad: ${explainIpv4(part)}`;
      groups.push(quad >>> 16, quad & 0xffff);
      continue;
    }
    if (!/^[0-9a-f]+$/i.test(part)) return `has a group that is not hexadecimal: ${JSON.stringify(part)}`;
    if (part.length > 4) return `has the group "${part}", which is longer than four digits`;
    groups.push(Number.parseInt(part, 16));
  }
  return groups;
}

/**
 * RFC 5952: lower case, no leading zeros, `::` for the first of the longest runs of at least two zero groups. An
 * IPv4-mapped address (::ffff:0:0/96) ends in a dotted quad, as section 5 recommends and Go prints it.
 */
export function formatIpv6(words: Ipv6Words): string {
  const [a, b, c, d] = words;
  if (a === 0 && b === 0 && c === 0xffff) return `::ffff:${formatIpv4(d | 0)}`;
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/**
 * As `inet_ntop` of the C library prints, and with it nft, ip and iptables: an address of which only the last 32 bits are not
 * zero ends in a dotted quad too, if the first 16 of them are not zero.
 */
export function formatIpv6Ntop(words: Ipv6Words): string {
  const [a, b, c, d] = words;
  return a === 0 && b === 0 && c === 0 && d >>> 16 !== 0 ? `::${formatIpv4(d | 0)}` : formatIpv6(words);
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: i - length + 1, length };
  }
  return best;
}
