import { describe, expect, it } from "vitest";
import { Felix, type FelixState } from "../../src/policy/felix/felix.ts";
import { setId, setName } from "../../src/policy/felix/names.ts";
import { ruleArguments } from "../../src/policy/felix/rule-text.ts";
import { FELIX_DEFAULTS } from "../../src/policy/felix/settings.ts";
import { workloadsOf } from "../../src/policy/workload.ts";
import { readText } from "../object/read.ts";
import { SHOP } from "./shop.ts";

/**
 * Names that Felix hashes from selectors, groups and Services, by its own recipe (`PolicyGroup.UniqueID`, `IPSetData.UniqueID`,
 * `updateprocessors`), computed once with Python's hashlib and written down.
 */

function stateOf(policies: string, minor = 29): FelixState {
  const { map, errors } = readText(`${SHOP}---\n${policies}`);
  expect(errors).toEqual([]);
  const workloads = workloadsOf(map)
    .filter(({ node }) => node === "n1")
    .map((workload) => ({ workload, device: `cali${workload.namespace}${workload.name}` }));
  return new Felix(map, { ...FELIX_DEFAULTS, minor }).stateFor({
    ...{ name: "n1", workloads, devices: [], tunnels: [], hosts: [], pools: [] },
  });
}

const cnp = (name: string, spec: string) =>
  `---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n`;
const np = (name: string, spec: string) =>
  `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n`;

function rulesOf(state: FelixState, chain: string): string[] {
  const filter = state.tables.find(({ name }) => name === "filter");
  return (filter?.chains.find(({ name }) => name === chain)?.rules ?? []).map(ruleArguments);
}

const ofWeb = (name: string, order: number) =>
  cnp(name, `{order: ${order}, selector: app == 'web', ingress: [{action: Allow, protocol: TCP}]}`);

describe("policies of one selector", () => {
  it("are asked by a chain of their own", () => {
    const state = stateOf(ofWeb("a", 1) + ofWeb("b", 2));
    expect(rulesOf(state, "cali-tw-calishopweb")).toContain(
      "-m mark --mark 0/0x20000 --jump cali-gi-I4IhDG0gabwpv2ln7zv9",
    );
    expect(rulesOf(state, "cali-gi-I4IhDG0gabwpv2ln7zv9")).toEqual([
      "--jump cali-pi-shop/default.a",
      "-m mark --mark 0/0x30000 --jump cali-pi-shop/default.b",
    ]);
  });

  it("are looked at for a verdict after five", () => {
    const state = stateOf(["a", "b", "c", "d", "e", "f", "g"].map(ofWeb).join(""));
    const [group = ""] = rulesOf(state, "cali-tw-calishopweb").flatMap(
      (rule) => /--jump (cali-gi-\S+)/.exec(rule)?.[1] ?? [],
    );
    expect(rulesOf(state, group).slice(4, 8)).toEqual([
      "-m mark --mark 0/0x30000 --jump cali-pi-shop/default.e",
      '-m comment --comment "Return on verdict" -m mark ! --mark 0/0x30000 --jump RETURN',
      "--jump cali-pi-shop/default.f",
      "-m mark --mark 0/0x30000 --jump cali-pi-shop/default.g",
    ]);
  });

  it("but for one between them, and before 3.27, are asked one by one", () => {
    const between = cnp("between", "{order: 2, selector: all(), ingress: [{action: Pass, protocol: UDP}]}");
    const apart = stateOf(ofWeb("a", 1) + between + ofWeb("b", 3));
    expect(rulesOf(apart, "cali-tw-calishopweb").filter((rule) => rule.includes("cali-pi-"))).toHaveLength(3);
    const old = rulesOf(stateOf(ofWeb("a", 1) + ofWeb("b", 2), 26), "cali-tw-calishopweb");
    expect(old.join("\n")).not.toContain("cali-gi-");
    expect(old.join("\n")).toContain("Start of policies");
    // The first rule of all clears both marks then.
    expect(rulesOf(stateOf(ofWeb("a", 1), 28), "cali-tw-calishopweb").join("\n")).not.toContain("Start of");
  });
});

describe("sets", () => {
  it.each([
    [
      "a NetworkPolicy's peer, its terms in one row",
      np(
        "a",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web, tier: front}}}]}]}",
      ),
      "cali40s:6lYo_fPcEyXquY4rdAQfUQd",
    ],
    [
      "service accounts before the selector",
      cnp(
        "a",
        "{selector: all(), ingress: [{action: Allow, source: {selector: app == 'web', serviceAccounts: {names: [b, a]}}}]}",
      ),
      "cali40s:sDirUDsqAmqPlZGoRgRPR7t",
    ],
    [
      "whom the selector leaves out, left out of the set",
      cnp(
        "a",
        "{selector: all(), ingress: [{action: Allow, source: {selector: app == 'web', notSelector: tier == 'x'}}]}",
      ),
      "cali40s:wAlwY2TMWHUvyWpacyUGhTG",
    ],
    [
      "a Service as a source",
      cnp("a", "{selector: all(), ingress: [{action: Allow, source: {services: {name: front}}}]}"),
      "cali40svcnoport:ic33K50p-zxkA0B",
    ],
    [
      "a Service as a destination",
      cnp("a", "{selector: all(), egress: [{action: Allow, destination: {services: {name: front}}}]}"),
      "cali40svc:tE3weO-yXkfD0a4qHg15H",
    ],
  ])("%s", (_name, policy, set) => {
    expect(stateOf(policy).sets.map(({ name }) => name)).toContain(set);
  });

  it("of a Service hold all its endpoints, ready or not, each with its slice's ports", () => {
    const { sets } = stateOf(
      cnp("a", "{selector: all(), egress: [{action: Allow, destination: {services: {name: front}}}]}"),
    );
    expect(sets.find(({ name }) => name === setName(setId("svc", "shop/front"), 4))).toMatchObject({
      type: "hash:ip,port",
      members: [
        "10.1.1.2,tcp:80",
        "10.1.1.2,udp:53",
        "10.1.2.2,tcp:80",
        "10.1.2.2,udp:53",
        "198.51.100.7,tcp:443",
      ],
    });
  });

  it("of named ports hold whom the rule chooses, so that the rule asks no other set", () => {
    const state = stateOf(
      cnp(
        "a",
        "{selector: all(), egress: [{action: Allow, protocol: TCP, destination: {selector: app == 'web', ports: [http]}}]}",
      ),
    );
    expect(state.sets.map(({ type }) => type)).toEqual(["hash:ip,port"]);
    expect(state.sets[0]?.members).toEqual(["10.1.1.2,tcp:80"]);
  });
});
