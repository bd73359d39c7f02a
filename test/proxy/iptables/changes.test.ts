import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DraftRuleset } from "../../../src/kernel/netfilter/draft-ruleset.ts";
import type { Ruleset } from "../../../src/kernel/netfilter/rule.ts";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import { freshNodeRuleset } from "../../../src/proxy/iptables/fresh-node.ts";
import { operations } from "../../../src/proxy/iptables/operations.ts";
import { fullSync, IptablesProxier, partialSync } from "../../../src/proxy/iptables/proxier.ts";
import { restoreRuleset } from "../../../src/proxy/iptables/restore-ruleset.ts";
import { restoreText } from "../../../src/proxy/iptables/restore-text.ts";
import { changedModel, proxyModel } from "../../../src/proxy/model.ts";
import { NAMES, objectsOf, pair, type Wanted, wanted } from "../changing.ts";
import { CONFIGURATION, NODE } from "../objects.ts";

describe("a sequence of changes", () => {
  it("taken one by one is what all of it at once comes to: text, rules, and the node's state", () => {
    fc.assert(
      fc.property(
        fc.array(wanted(), { maxLength: 6 }),
        fc.array(wanted(), { minLength: 1, maxLength: 8 }),
        (first, changes) => {
          const now = new Map<string, Wanted>(first.map((one) => [one.name, one]));
          const all = () => {
            const parts = [...now.values()].map(objectsOf);
            return proxyModel(
              parts.flatMap(({ services }) => services),
              parts.flatMap(({ slices }) => slices),
            );
          };
          let proxier = new IptablesProxier(all(), CONFIGURATION);
          let rules = proxier.rulesFor(NODE);
          let state = freshNodeRuleset(rules, { kubelet: true, canaries: true });
          for (const change of changes) {
            now.set(change.name, change);
            const [namespace = "", name = ""] = change.name.split("/");
            const { services, slices } = objectsOf(change);
            proxier = proxier.after(changedModel(proxier.model, [{ namespace, name }], services, slices));
            const after = proxier.rulesFor(NODE);
            const sync = partialSync(after, rules);
            state = applied(state, operations(sync, state));
            rules = after;

            const fresh = new IptablesProxier(all(), CONFIGURATION).rulesFor(NODE);
            expect(restoreText(fullSync(rules))).toBe(restoreText(fullSync(fresh)));
            expect(saved(restoreRuleset(fullSync(rules)))).toEqual(saved(restoreRuleset(fullSync(fresh))));
            const whole = freshNodeRuleset(fresh, { kubelet: true, canaries: true });
            const alive = new Set(whole.tables.get("nat")?.chains.keys());
            // A stale chain is emptied, and deleted by another command.
            expect(saved(state).filter((line) => line.startsWith("-A"))).toEqual(
              saved(whole).filter((line) => line.startsWith("-A")),
            );
            for (const [chain, { rules: left }] of state.tables.get("nat")?.chains ?? []) {
              if (!alive.has(chain)) expect(left).toEqual([]);
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it("makes nothing anew of a Service that stayed", () => {
    const model = proxyModel(
      ...pair(NAMES.map((name) => ({ name, ports: ["x"], endpoints: [1, 3], local: false }))),
    );
    const before = new IptablesProxier(model, CONFIGURATION);
    const old = before.rulesFor(NODE).services;
    const { services, slices } = objectsOf({ name: "a/c", ports: ["x"], endpoints: [5], local: false });
    const after = before.after(changedModel(model, [{ namespace: "a", name: "c" }], services, slices));
    const made = after.rulesFor(NODE).services;
    expect(made.filter((one, i) => one !== old[i]).map(({ model: { port } }) => port.name)).toEqual([
      "a/c:x",
    ]);
    const sync = partialSync(after.rulesFor(NODE), before.rulesFor(NODE));
    expect([...sync.written].map(({ model: { port } }) => port.name)).toEqual(["a/c:x"]);
  });
});

function applied(before: Ruleset, list: ReturnType<typeof operations>): Ruleset {
  const draft = new DraftRuleset(before);
  for (const operation of list) {
    const fault =
      operation.kind === "iptables-restore"
        ? draft.restore(operation.ruleset, operation.noflush)
        : operation.kind === "iptables-insert"
          ? draft.insert(operation.table, operation.chain, operation.index, operation.rule)
          : operation.kind;
    if (fault !== null) throw new Error(fault);
  }
  return draft.finish() as Ruleset;
}

function saved(ruleset: Ruleset): string[] {
  return formatIptablesSave(ruleset).split("\n").sort();
}
