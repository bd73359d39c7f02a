import { sha1 } from "@noble/hashes/legacy.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";

/**
 * Names of weave-npc's sets: `weave-` and a text's SHA-1 as digits of base 85, the lowest first. The digits are read off the
 * names that clusters have (`weave-;rGqyMIl1HN^cfDki~Z$3]6!N` for "ingress-default-allow:default"); the one before `#` has been
 * in none of them.
 */
const DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789(){}[]+=_$%^!*|/?.;:@#~";

export function weaveSetName(text: string): string {
  let left = 0n;
  for (const byte of sha1(utf8ToBytes(text))) left = (left << 8n) | BigInt(byte);
  let name = "";
  for (; left > 0n; left /= 85n) name += DIGITS[Number(left % 85n)];
  return `weave-${name}`;
}
