import { sha224, sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Family } from "../../address/ip.ts";
import { type FelixRule, hashedText } from "./rule-text.ts";

/** The names that Felix makes from what they are for (felix `hashutils`, `iptables/chain.go`, `ipsets`). */

/** What the name of every workload's device begins with (FelixConfiguration `interfacePrefix`). */
export const WORKLOAD_DEVICES = "cali+";

/** The longest name that iptables takes for a chain. */
export const MAX_CHAIN_LENGTH = 28;

/** The prefix and the id; an id that is too long becomes `_` and as much of its hash as there is room for. */
export function chainName(prefix: string, id: string): string {
  const length = prefix.length + id.length;
  // One of exactly that length that begins like a hash would be taken for one.
  const isShort = length < MAX_CHAIN_LENGTH || (length === MAX_CHAIN_LENGTH && !id.startsWith("_"));
  if (isShort) return prefix + id;
  return `${prefix}_${base64url(sha256(utf8ToBytes(id)))}`.slice(0, MAX_CHAIN_LENGTH);
}

/** What an IP set's id is made of: `s` for those that a selector chooses, `n` for named ports. */
export function setId(prefix: string, content: string): string {
  return `${prefix}:${base64url(sha224(utf8ToBytes(`${prefix}:${content}`)))}`;
}

/** `IPSET_MAXNAMELEN`, less the final zero. */
const MAX_SET_LENGTH = 31;

export function setName(id: string, family: Family): string {
  return `cali${family}0${id}`.slice(0, MAX_SET_LENGTH);
}

/**
 * The hash that each rule bears in its first comment, by which Felix knows its rules again: of the rule and all before it.
 * `seed` is the chain, or stands for it in a list that is kept apart.
 */
export function ruleHashes(seed: string, rules: readonly FelixRule[]): string[] {
  let hash = sha224(utf8ToBytes(seed));
  return rules.map((rule) => {
    // Felix renders the rule into the very list it hashes, which is named after its seed.
    hash = sha224(concatBytes(hash, utf8ToBytes(hashedText(seed, rule))));
    return base64url(hash).slice(0, HASH_LENGTH);
  });
}

const HASH_LENGTH = 16;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** RFC 4648, section 5, without padding. */
export function base64url(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const bits = (a << 16) | (b << 8) | c;
    const digits = Math.min(bytes.length - i, 3) + 1;
    for (let digit = 0; digit < digits; digit++) text += ALPHABET.charAt((bits >>> (18 - 6 * digit)) & 63);
  }
  return text;
}
