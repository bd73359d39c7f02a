import type { KubernetesObject } from "../../object/kubernetes-object.ts";
import type { FieldPath } from "../../object/place.ts";

/** A rule in Felix's own spelling, which its hash is made of (`iptables/match_builder.go`, `actions.go`). */
export interface FelixRule {
  readonly comments: readonly string[];
  readonly match: string;
  /** "" for a rule that only bears its comments. */
  readonly action: string;
  readonly source: RuleSource | null;
}

/** What a rule was made from. */
export interface RuleSource {
  readonly object: KubernetesObject;
  readonly field: FieldPath;
}

export interface FelixChain {
  readonly name: string;
  readonly rules: readonly FelixRule[];
}

export function felixRule(match: string, action: string, ...comments: readonly string[]): FelixRule {
  return { comments, match, action, source: null };
}

/** `-A CHAIN HASH` and the rule: what its hash is made of, with a word where the hash will stand. */
export function hashedText(chain: string, rule: FelixRule): string {
  return ["-A", chain, "HASH", ruleArguments(rule)].filter((part) => part !== "").join(" ");
}

/** What stands behind the hash's comment. */
export function ruleArguments({ comments, match, action }: FelixRule): string {
  const written = comments.map((comment) => `-m comment --comment "${escaped(comment)}"`);
  return [...written, match, action].filter((part) => part !== "").join(" ");
}

/** What a shell might take for its own becomes `_` (`escapeComment`, `truncateComment`). */
function escaped(comment: string): string {
  return comment.replace(/[^\w @%+=:,./-]/g, "_").slice(0, MAX_COMMENT);
}

/** `XT_MAX_COMMENT_LEN`, less the final zero. */
const MAX_COMMENT = 255;

/** Several parts of a match; empty ones are left out. */
export function match(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

const hex = (value: number) => `0x${(value >>> 0).toString(16)}`;

export const markClear = (mask: number) => `-m mark --mark 0/${hex(mask)}`;
/** Is any bit of it set? */
export const markNotClear = (mask: number) => `-m mark ! --mark 0/${hex(mask)}`;
export const markSet = (mask: number) => `-m mark --mark ${hex(mask)}/${hex(mask)}`;
export const ctstate = (states: string) => `-m conntrack --ctstate ${states}`;
export const notCtstate = (states: string) => `-m conntrack ! --ctstate ${states}`;
export const fromDevice = (name: string) => `--in-interface ${name}`;
export const toDevice = (name: string) => `--out-interface ${name}`;

export const ACCEPT = "--jump ACCEPT";
export const DROP = "--jump DROP";
export const RETURN = "--jump RETURN";
export const jump = (chain: string) => `--jump ${chain}`;
export const goto = (chain: string) => `--goto ${chain}`;
export const setMark = (bits: number, mask = bits) => `--jump MARK --set-mark ${hex(bits)}/${hex(mask)}`;
export const clearMark = (bits: number) => `--jump MARK --set-mark 0/${hex(bits)}`;
