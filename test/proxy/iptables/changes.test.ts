import fc from "fast-check";
import type { Service } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
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
import { CONFIGURATION, NODE, service, slice } from "../objects.ts";

// Names between which others come in the order of rules: a/b, a/b-c:x, a/b:y.
const NAMES = ["a/b", "a/b-c", "a/b0", "a/c", "b/a", "b/b"] as const;
const PORTS = [[""], ["x"], ["x", "y"], ["y", "z", "x"]] as const;

/** What there is of one name: nothing, or a Service with its endpoints. */
interface Wanted {
  readonly name: string;
  readonly ports: readonly string[] | null;
  readonly endpoints: readonly number[];
  readonly local: boolean;
}

const wanted = (): fc.Arbitrary<Wanted> =>
  fc.record({
    name: fc.constantFrom(...NAMES),
    ports: fc.option(fc.constantFrom(...PORTS), { freq: 5 }),
    endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
    local: fc.boolean(),
  });

function objectsOf({ name, ports, endpoints, local }: Wanted): {
  services: Service[];
  slices: EndpointSlice[];
} {
  if (ports === null) return { services: [], slices: [] };
  const at = NAMES.indexOf(name as (typeof NAMES)[number]);
  const made = service(name, {
    clusterIP: `10.96.0.${10 + at}`,
    ports: ports.map((port, i) => ({
      ...(port === "" ? {} : { name: port }),
      port: 80 + i,
      nodePort: 30_000 + at * 8 + i,
    })),
    type: "NodePort",
    ...(local ? { internalTrafficPolicy: "Local" } : {}),
  });
  const list = endpoints.map((number) => ({
    ip: `10.1.${at}.${number}`,
    on: number % 2 === 0 ? "n1" : "n2",
  }));
  return {
    services: [made],
    slices: [
      slice(
        name,
        ports.map((port, i) => `${port}:${8080 + i}`),
        list,
      ),
    ],
  };
}

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

function pair(list: readonly Wanted[]): [Service[], EndpointSlice[]] {
  const parts = list.map(objectsOf);
  return [parts.flatMap(({ services }) => services), parts.flatMap(({ slices }) => slices)];
}

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
