import type { Family } from "../../address/ip.ts";
import { BUILT_IN_CHAINS } from "../../kernel/netfilter/draft-ruleset.ts";
import type { Chain, Rule, Ruleset, Table } from "../../kernel/netfilter/rule.ts";
import { formatRuleArguments } from "../../kernel/netfilter/save/format.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { familyNumber } from "../canonical-address.ts";
import { FIREWALL_HOOKS, HOOKS, type Hook, hookRule } from "./hooks.ts";
import { parseTable } from "./parsed-rules.ts";
import type { NodeRules, Sync } from "./proxier.ts";
import { restoreRuleset } from "./restore-ruleset.ts";

/**
 * One sync as operations on a host whose rules are `current`: chains that jumps need, the jumps that are missing, then
 * what `restoreText` says. Applying them again changes nothing.
 */
export function operations(sync: Sync, current: Ruleset | null): Operation[] {
  const { origin, configuration } = sync.rules;
  const family = familyNumber(configuration.family);
  return [
    ...hookOperations(hooksOf(sync.rules), origin, current, family),
    { kind: "iptables-restore", family, ruleset: restoreRuleset(sync), noflush: true },
  ];
}

/** The chains that jumps go to, and the jumps that are missing, each on top of its chain. */
export function hookOperations(
  hooks: readonly Hook[],
  origin: Origin,
  current: Ruleset | null,
  family: Family,
): Operation[] {
  const missing = hooks.filter((hook) => !isThere(hook, parseHook(hook, origin, family), current));
  const prepared = preparation(hooks, current, family);
  return [
    ...(prepared === null ? [] : [prepared]),
    ...missing.map(
      (hook): Operation => ({
        kind: "iptables-insert",
        family,
        table: hook.table,
        chain: hook.from,
        index: 1,
        rule: parseHook(hook, origin, family),
      }),
    ),
  ];
}

function hooksOf({ filterChains }: NodeRules): readonly Hook[] {
  return [...HOOKS, ...FIREWALL_HOOKS].filter(
    ({ table, to }) => table !== "filter" || filterChains.includes(to),
  );
}

/** `iptables -N` of the chains jumped to; a table that was never used comes with its built-in chains. */
function preparation(hooks: readonly Hook[], current: Ruleset | null, family: Family): Operation | null {
  const tables = new Map<string, Table>();
  for (const name of ["filter", "nat"]) {
    const there = current?.tables.get(name);
    const builtIn = there === undefined ? (BUILT_IN_CHAINS.get(name) ?? []) : [];
    const wanted = new Set(hooks.filter(({ table }) => table === name).map(({ to }) => to));
    const chains = [
      ...builtIn.map((chain) => emptyChain(chain, "ACCEPT")),
      ...[...wanted].filter((chain) => !there?.chains.has(chain)).map((chain) => emptyChain(chain, null)),
    ];
    if (chains.length > 0) {
      tables.set(name, { name, chains: new Map(chains.map((chain) => [chain.name, chain])) });
    }
  }
  if (tables.size === 0) return null;
  return {
    kind: "iptables-restore",
    family,
    ruleset: { backend: current?.backend ?? "nft", tables },
    noflush: true,
  };
}

/** A chain as it is made, empty: a built-in one with its policy. */
export function emptyChain(name: string, policy: Chain["policy"]): Chain {
  return { name, policy, policyCounters: policy === null ? null : { packets: 0, bytes: 0 }, rules: [] };
}

/** Put there by this very agent, or by another one in the same words. */
function isThere(hook: Hook, wanted: Rule, current: Ruleset | null): boolean {
  const rules = current?.tables.get(hook.table)?.chains.get(hook.from)?.rules ?? [];
  if (rules.includes(wanted)) return true;
  const text = formatRuleArguments(wanted);
  return rules.some((rule) => formatRuleArguments(rule) === text);
}

const parsedHooks = new Map<string, Map<Origin, Rule>>();

export function parseHook(hook: Hook, origin: Origin, family: Family): Rule {
  const key = `${family} ${hook.table} ${hookRule(hook)}`;
  const byOrigin = parsedHooks.get(key) ?? new Map<Origin, Rule>();
  parsedHooks.set(key, byOrigin);
  let rule = byOrigin.get(origin);
  if (rule === undefined) {
    // The chain jumped from is declared as a user's: only where the rule goes to matters here.
    const lines = [hookRule({ ...hook, from: HOOK_STAND_IN })];
    const table = parseTable(hook.table, [HOOK_STAND_IN, hook.to], lines, origin, family);
    rule = table.chains.get(HOOK_STAND_IN)?.rules[0] as Rule;
    byOrigin.set(origin, rule);
  }
  return rule;
}

const HOOK_STAND_IN = "HOOK";
