import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DraftRuleset } from "../../../src/kernel/netfilter/draft-ruleset.ts";
import type { Ruleset } from "../../../src/kernel/netfilter/rule.ts";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import type { Operation } from "../../../src/kernel/operation.ts";
import { freshNodeRuleset } from "../../../src/proxy/iptables/fresh-node.ts";
import { operations } from "../../../src/proxy/iptables/operations.ts";
import { fullSync, IptablesProxier, type NodeRules } from "../../../src/proxy/iptables/proxier.ts";
import { restoreText } from "../../../src/proxy/iptables/restore-text.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { CASES, type ProxyCase } from "../cases.ts";
import { CONFIGURATION, NODE } from "../objects.ts";

const FOLDER = join(import.meta.dirname, "../../../fixtures/proxy");

function rulesOf({ services, slices, configuration, node }: ProxyCase): NodeRules {
  const proxier = new IptablesProxier(proxyModel(services, slices), { ...CONFIGURATION, ...configuration });
  return proxier.rulesFor({ ...NODE, ...node });
}

function applied(before: Ruleset | null, list: readonly Operation[]): Ruleset | null {
  const draft = new DraftRuleset(before);
  for (const operation of list) {
    if (operation.kind === "iptables-restore") {
      expect(draft.restore(operation.ruleset, operation.noflush)).toBeNull();
    } else if (operation.kind === "iptables-insert") {
      expect(draft.insert(operation.table, operation.chain, operation.index, operation.rule)).toBeNull();
    } else expect.unreachable(operation.kind);
  }
  return draft.finish();
}

describe("the text given to iptables-restore", () => {
  it.each(CASES)("$name", (given) => {
    const golden = readFileSync(join(FOLDER, `${given.name}.txt`), "utf8");
    expect(restoreText(fullSync(rulesOf(given)))).toBe(golden);
  });
});

describe("the operations of a sync", () => {
  it.each(CASES)("$name: a second time changes nothing, and no jump comes twice", (given) => {
    const sync = fullSync(rulesOf(given));
    const once = applied(null, operations(sync, null));
    const again = operations(sync, once);
    expect(again.map(({ kind }) => kind)).toEqual(["iptables-restore"]);
    const twice = applied(once, again);
    expect(formatIptablesSave(twice as Ruleset)).toBe(formatIptablesSave(once as Ruleset));
  });

  it.each(CASES)("$name: the state of a fresh node holds the rules of the text, in their order", (given) => {
    const rules = rulesOf(given);
    const text = restoreText(fullSync(rules));
    const fresh = freshNodeRuleset(rules, { kubelet: false, canaries: false });
    const chains = [...fresh.tables.values()].flatMap(({ chains }) => [...chains.values()]);
    for (const { name, rules: list, policy } of chains) {
      if (policy !== null) continue;
      const lines = text.split("\n").filter((line) => line.startsWith(`-A ${name} `));
      expect(list.length, name).toBeLessThanOrEqual(lines.length);
    }
    const count = chains.filter(({ policy }) => policy === null).reduce((n, { rules: r }) => n + r.length, 0);
    expect(count).toBe(text.split("\n").filter((line) => line.startsWith("-A ")).length);
  });
});
