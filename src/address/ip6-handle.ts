/**
 * IPv6 addresses on the path: interned for the life of the process, so that a packet holds a small integer. Two handles are
 * equal exactly when the addresses are; prefixes and sets read the words. A handle never leaves the process: plain state,
 * files and messages hold words or text. The look-ups by handle are code that runs per packet.
 */

import type { Family, IpAddress } from "./ip.ts";
import { formatIpv4 } from "./ipv4.ts";
import { formatIpv6, type Ipv6Words } from "./ipv6.ts";
import { socketAddressText } from "./socket-address.ts";

/** A handle made by `internIpv6`; nothing else makes one. */
export type Ip6 = number;

/** By handle, four words each, signed. */
let words = new Int32Array(4 * 64);
let count = 0;
/** Open addressing: handle + 1, 0 for free. A power of two. */
let slots = new Int32Array(256);

/** `::`, so that "no address" is 0 in both families. */
export const IP6_ANY: Ip6 = intern(0, 0, 0, 0);
/** `::1`. */
export const IP6_LOOPBACK: Ip6 = intern(0, 0, 0, 1);

/** The handle of an address. */
export function internIpv6([a, b, c, d]: Ipv6Words): Ip6 {
  return intern(a | 0, b | 0, c | 0, d | 0);
}

/** As `internIpv6`, of four signed words. Runs per packet where a translation or a tunnel makes an address. */
export function intern(a: number, b: number, c: number, d: number): Ip6 {
  let slot = hash(a, b, c, d) & (slots.length - 1);
  for (let found = slots[slot] as number; found !== 0; found = slots[slot] as number) {
    const at = (found - 1) * 4;
    if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d)
      return found - 1;
    slot = (slot + 1) & (slots.length - 1);
  }
  const handle = count++;
  if (count * 4 > words.length) {
    const larger = new Int32Array(words.length * 2);
    larger.set(words);
    words = larger;
  }
  const at = handle * 4;
  words[at] = a;
  words[at + 1] = b;
  words[at + 2] = c;
  words[at + 3] = d;
  slots[slot] = handle + 1;
  if (count * 2 > slots.length) rehash();
  return handle;
}

function rehash(): void {
  slots = new Int32Array(slots.length * 2);
  for (let handle = 0; handle < count; handle++) {
    let slot =
      hash(word6(handle, 0), word6(handle, 1), word6(handle, 2), word6(handle, 3)) & (slots.length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = handle + 1;
  }
}

/** A hash of an address's words: the same in every process, as a handle is not. */
export function hash6(handle: Ip6): number {
  return hash(word6(handle, 0), word6(handle, 1), word6(handle, 2), word6(handle, 3));
}

function hash(a: number, b: number, c: number, d: number): number {
  let h =
    Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77) ^ Math.imul(c, 0xc2b2ae3d) ^ Math.imul(d, 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

/** Word `i` (0 the most significant) of an address, signed. */
export function word6(handle: Ip6, i: number): number {
  return words[handle * 4 + i] as number;
}

/** The four words, for plain state. */
export function wordsOf6(handle: Ip6): Ipv6Words {
  return [word6(handle, 0) >>> 0, word6(handle, 1) >>> 0, word6(handle, 2) >>> 0, word6(handle, 3) >>> 0];
}

/** Do the first `length` bits of two addresses agree (`ipv6_prefix_equal`)? */
export function samePrefix6(one: Ip6, other: Ip6, length: number): boolean {
  const a = one * 4;
  const b = other * 4;
  let left = length;
  for (let i = 0; left > 0; i++, left -= 32) {
    const mask = left >= 32 ? -1 : -1 << (32 - left);
    if (((words[a + i] as number) ^ (words[b + i] as number)) & mask) return false;
  }
  return true;
}

/** An address under a mask that is held as an address. Runs per packet. */
export function masked6(address: Ip6, mask: Ip6): Ip6 {
  return intern(
    word6(address, 0) & word6(mask, 0),
    word6(address, 1) & word6(mask, 1),
    word6(address, 2) & word6(mask, 2),
    word6(address, 3) & word6(mask, 3),
  );
}

/** The network of an address: its first `length` bits, the others cleared. Runs per packet. */
export function network6(address: Ip6, length: number): Ip6 {
  return intern(
    kept(word6(address, 0), length),
    kept(word6(address, 1), length - 32),
    kept(word6(address, 2), length - 64),
    kept(word6(address, 3), length - 96),
  );
}

/** The first `bits` bits of a word; all of it from 32 on, none below 1. */
function kept(word: number, bits: number): number {
  return bits >= 32 ? word : bits <= 0 ? 0 : word & (-1 << (32 - bits));
}

/** Order of two addresses as 128-bit numbers: below, at or above 0. Runs per packet. */
export function compare6(one: Ip6, other: Ip6): number {
  for (let i = 0; i < 4; i++) {
    const differing = (word6(one, i) >>> 0) - (word6(other, i) >>> 0);
    if (differing !== 0) return differing;
  }
  return 0;
}

/** Bits the beginnings of two addresses share, 0–128 (`ipv6_addr_diff`). */
export function commonPrefix6(one: Ip6, other: Ip6): number {
  for (let i = 0; i < 4; i++) {
    const differing = word6(one, i) ^ word6(other, i);
    if (differing !== 0) return 32 * i + Math.clz32(differing);
  }
  return 128;
}

/** ff00::/8. */
export function isMulticast6(address: Ip6): boolean {
  return word6(address, 0) >>> 24 === 0xff;
}

/** fe80::/10. */
export function isLinkLocal6(address: Ip6): boolean {
  return word6(address, 0) >>> 22 === 0x3fa;
}

/** Scope of a multicast group, the low four bits of its second byte (RFC 4291 2.7): 1 interface, 2 link, 5 site, 14 global. */
export function groupScope6(address: Ip6): number {
  return (word6(address, 0) >>> 16) & 0xf;
}

/** The address's solicited-node group, ff02::1:ff00:0/104 (RFC 4291 2.7.1). */
export function solicitedNode6(address: Ip6): Ip6 {
  return intern(0xff020000 | 0, 0, 1, 0xff000000 | (word6(address, 3) & 0xffffff));
}

/** An address as the path holds it, in plain state's form: `family` says whether it is bits or a handle. */
export function addressOnPath(address: IpAddress): number {
  return typeof address === "number" ? address : internIpv6(address);
}

/** The inverse of `addressOnPath`. */
export function plainAddress(family: Family, address: number): IpAddress {
  return family === 4 ? address : wordsOf6(address);
}

/** An address as the path holds it, with a port: `10.0.0.1:80`, `[fd00::1]:80`. */
export function socketAddressOnPath(family: number, address: number, port: number): string {
  return socketAddressText(formatOnPath(family, address), port);
}

/** Text of an address as the path holds it. */
export function formatOnPath(family: number, address: number): string {
  return family === 6 ? formatIpv6(wordsOf6(address)) : formatIpv4(address);
}
