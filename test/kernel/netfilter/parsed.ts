import type { Family } from "../../../src/address/ip.ts";
import type { Rule, Ruleset } from "../../../src/kernel/netfilter/rule.ts";
import { parseIptablesSave } from "../../../src/kernel/netfilter/save/parse.ts";
import type { LineError } from "../../../src/kernel/tool-text.ts";
import { BUILT_IN_CHAINS } from "./built-in-chains.ts";

/** Reading rules in tests, where an unexpected fault should fail loudly. */

export function parsed(text: string, family: Family = 4): Ruleset {
  const result = parseIptablesSave(text, { family });
  if (result.kind === "invalid") throw new Error(JSON.stringify(result.errors, null, 2));
  return result.ruleset;
}

export function faultsOfDump(text: string, family: Family = 4): readonly LineError[] {
  const result = parseIptablesSave(text, { family });
  return result.kind === "invalid" ? result.errors : [];
}

export interface RulePlace {
  readonly table?: string;
  readonly chain?: string;
  /** Chains made by a user, beside `mine`. */
  readonly chains?: readonly string[];
  readonly family?: Family;
}

/** A dump with one rule: in INPUT of filter unless said. */
export function dumpWithRule(text: string, place: RulePlace = {}): string {
  const { table = "filter", chain = BUILT_IN_CHAINS[table]?.[0] ?? "INPUT", chains = [] } = place;
  const lines = [
    `*${table}`,
    ...(BUILT_IN_CHAINS[table] ?? []).map((name) => `:${name} ACCEPT [0:0]`),
    ...["mine", ...chains].map((name) => `:${name} - [0:0]`),
    `-A ${chain} ${text}`,
    "COMMIT",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

export function parsedRule(text: string, place: RulePlace = {}): Rule {
  for (const { chains } of parsed(dumpWithRule(text, place), place.family).tables.values()) {
    for (const { rules } of chains.values()) {
      if (rules[0] !== undefined) return rules[0];
    }
  }
  throw new Error("no rule");
}

export function faultsOfRule(text: string, place: RulePlace = {}): string[] {
  return faultsOfDump(dumpWithRule(text, place), place.family).map(({ message }) => message);
}
