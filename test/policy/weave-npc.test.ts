import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Flow } from "../../src/policy/verdict/flow.ts";
import { PolicyVerdicts } from "../../src/policy/verdict/policy-verdict.ts";
import { weaveSetName } from "../../src/policy/weave-npc/names.ts";
import { workloadsOf } from "../../src/policy/workload.ts";
import { type YamlWorld, yamlWorld } from "../cluster/yaml-world.ts";
import { readText } from "../object/read.ts";
import { POLICIES } from "./policies.ts";
import { describeFlow, SHOP } from "./shop.ts";

/** weave-npc in whole clusters: what the objects say, by their own documentation, is where packets get. */

const PORTS = [
  ["tcp", 80],
  ["tcp", 5432],
  ["udp", 53],
] as const;

function disagreements(policies: string): string[] {
  const text = `${SHOP.trim()
    .replace(/^apiVersion[\s\S]*?items:\n/, "")
    .replaceAll(/^- (.*)$/gm, "---\n$1")}\n${policies}`;
  const world = yamlWorld(text, { cni: "weave" });
  const { map } = readText(`${SHOP}---\n${policies}`);
  const verdicts = new PolicyVerdicts(map, () => undefined);
  const workloads = workloadsOf(map);
  return workloads.flatMap((source) =>
    workloads.flatMap((destination) =>
      source === destination
        ? []
        : PORTS.flatMap(([proto, port]) => {
            const [from, to] = [source, destination].map((workload) => ({
              address: workload.addresses.find((address) => !address.includes(":")) ?? "",
              workload,
              node: null,
            }));
            if (from === undefined || to === undefined) throw new Error("no ends");
            const flow: Flow = {
              ...{ source: from, destination: to, protocol: proto.toUpperCase(), port, sourcePort: 40_000 },
            };
            const says = verdicts.of(flow).allowed;
            const went = gets(world, `${source.name}.${source.namespace}`, `${to.address}:${port}`, proto);
            return says === went ? [] : [`${describeFlow(flow)}: said ${says}, went ${went}`];
          }),
    ),
  );
}

/** Does a rule drop it? */
function gets(world: YamlWorld, from: string, to: string, proto: "tcp" | "udp"): boolean {
  const { reason } = world.trace(from, to, { proto }).verdict;
  if (!["answered", "rule-drop", "no-listener-tcp", "no-listener-udp"].includes(reason))
    throw new Error(`${from} -> ${to} ended by ${reason}, which no policy does`);
  return reason !== "rule-drop";
}

/** Sets of NetworkPolicies that it does not refuse. */
const OWN = Object.entries(POLICIES).filter(
  ([, text]) =>
    !/kind: (?!NetworkPolicy)/.test(text) &&
    !/projectcalico|endPort|port: [a-z]|fd00|::/.test(text) &&
    text.length > 0,
);

describe("what the objects say is what weave-npc's rules do", () => {
  it("there are policies of every kind", () => {
    expect(OWN.length).toBeGreaterThan(12);
  });

  it.each(OWN)("%s", (_name, text) => {
    expect(disagreements(text)).toEqual([]);
  });

  const selector = fc.constantFrom(
    ...[
      "{}",
      "{matchLabels: {app: web}}",
      "{matchExpressions: [{key: app, operator: NotIn, values: [web, db]}]}",
    ],
  );
  const space = fc.constantFrom("{}", "{matchLabels: {team: sales}}", "{matchLabels: {team: none}}");
  const peer = fc.oneof(
    selector.map((one) => `{podSelector: ${one}}`),
    space.map((one) => `{namespaceSelector: ${one}}`),
    fc.tuple(selector, space).map(([a, b]) => `{podSelector: ${a}, namespaceSelector: ${b}}`),
    fc.constantFrom(
      ...[
        "{ipBlock: {cidr: 10.1.1.0/24}}",
        "{ipBlock: {cidr: 0.0.0.0/0, except: [10.1.1.3/32, 10.1.2.0/24]}}",
      ],
    ),
  );
  const port = fc.constantFrom("{port: 80}", "{protocol: UDP}", "{protocol: UDP, port: 53}", "{port: 5432}");
  const list = (of: fc.Arbitrary<string>) =>
    fc.array(of, { maxLength: 2 }).map((all) => `[${all.join(", ")}]`);
  const rules = (field: string) =>
    list(fc.tuple(list(peer), list(port)).map(([peers, ports]) => `{${field}: ${peers}, ports: ${ports}}`));
  const policy = fc
    .tuple(
      fc.constantFrom("shop", "back", "tools"),
      selector,
      fc.constantFrom("[Ingress]", "[Egress]", "[Ingress, Egress]"),
      rules("from"),
      rules("to"),
    )
    .map(
      ([namespace, pods, types, ingress, egress]) =>
        `{podSelector: ${pods}, policyTypes: ${types}, ingress: ${ingress}, egress: ${egress}}|${namespace}`,
    );

  it("random policies", () => {
    fc.assert(
      fc.property(fc.array(policy, { minLength: 1, maxLength: 3 }), (policies) => {
        const text = policies.map((one, i) => {
          const [spec, namespace] = one.split("|");
          return `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p${i}, namespace: ${namespace}}\nspec: ${spec}\n`;
        });
        expect(disagreements(text.join(""))).toEqual([]);
      }),
      { numRuns: 8 },
    );
  });

  it("a policy with a named port is refused, which is said", () => {
    const named =
      "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}, ingress: [{ports: [{port: http}]}]}\n";
    const { cluster } = yamlWorld(
      `${SHOP.replace(/^\napiVersion[\s\S]*?items:\n/, "").replaceAll(/^- (.*)$/gm, "---\n$1")}\n${named}`,
      {
        cni: "weave",
      },
    );
    expect(cluster.assumptions.join("\n")).toContain(
      "NetworkPolicy shop/p: weave-npc refuses named ports and ranges of ports, and with them the policy",
    );
  });
});

describe("what weave-npc writes", () => {
  // As clusters have them: `iptables-save` of nodes with Weave 2.5 and later.
  it.each([
    ["ingress-default-allow:default", "weave-;rGqyMIl1HN^cfDki~Z$3]6!N"],
    ["ingress-default-allow:kube-system", "weave-P.B|!ZhkAr5q=XZ?3}tMBA+0"],
    ["ingress-default-allow:kube-public", "weave-Rzff}h:=]JaaJl/G;(XJpGjZ["],
    ["ingress-default-allow:kube-node-lease", "weave-]B*(W?)t*z5O17G044[gUo#$l"],
    ["egress-default-allow:default", "weave-s_+ChJId4Uy_$}G;WdH|~TK)I"],
    ["egress-default-allow:kube-system", "weave-E1ney4o[ojNrLk.6rOHi;7MPE"],
    ["egress-default-allow:kube-public", "weave-41s)5vQ^o/xWGz6a20N:~?#|E"],
    ["egress-default-allow:kube-node-lease", "weave-sui%__gZ}{kX~oZgI_Ttqp=Dp"],
  ])("the set of %s", (text, name) => {
    expect(weaveSetName(text)).toBe(name);
  });
});
