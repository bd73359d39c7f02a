import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Ruleset } from "../../../src/kernel/netfilter/rule.ts";
import { chooseEndpoints } from "../../../src/proxy/choose-endpoints.ts";
import type { Endpoint } from "../../../src/proxy/endpoints.ts";
import { freshNodeRuleset } from "../../../src/proxy/iptables/fresh-node.ts";
import { IptablesProxier } from "../../../src/proxy/iptables/proxier.ts";
import { type PortModel, proxyModel } from "../../../src/proxy/model.ts";
import { featuresOf } from "../../../src/proxy/versions.ts";
import { someEndpoints } from "../arbitrary-endpoints.ts";
import { CASES, type ProxyCase } from "../cases.ts";
import { ends, type Flow, flow } from "../flows.ts";
import { CONFIGURATION, type EndpointText, NODE, service, slice } from "../objects.ts";

function rulesetOf({ services, slices, configuration, node }: Omit<ProxyCase, "name">): Ruleset {
  const proxier = new IptablesProxier(proxyModel(services, slices), { ...CONFIGURATION, ...configuration });
  return freshNodeRuleset(proxier.rulesFor({ ...NODE, ...node }), { kubelet: false, canaries: false });
}

function rulesetOfCase(name: string): Ruleset {
  const found = CASES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no case ${name}`);
  return rulesetOf(found);
}

const CLUSTER_IP = { to: "10.96.0.10", port: 80 };
const VIP = { to: "203.0.113.9", port: 80 };
const EXTERNAL_IP = { to: "192.0.2.1", port: 80 };
const NODE_PORT = { to: "192.168.1.1", port: 30080 };
const LOCALHOST = { to: "127.0.0.1", port: 30080 };
const A = "10.1.0.2:8080";
const B = "10.1.1.2:8080";
const MASQ = (endpoint: string): string => `${endpoint} masqueraded`;

describe("where packets go", () => {
  it.each<[string, Flow["from"], { to: string; port: number }, string[]]>([
    ["cluster-ip", "pod", CLUSTER_IP, [A, B]],
    ["cluster-ip", "outside", CLUSTER_IP, [MASQ(A), MASQ(B)]],
    ["cluster-ip", "10.1.0.2", CLUSTER_IP, [MASQ(A), B]],
    ["cluster-ip", "pod", { to: "10.96.0.10", port: 81 }, ["10.96.0.10:81"]],
    ["masquerade-all", "pod", CLUSTER_IP, [MASQ(A)]],
    ["masquerade-all", "pod", NODE_PORT, [A]],
    ["no-detector", "outside", CLUSTER_IP, [A]],
    ["no-detector", "pod", NODE_PORT, [A]],
    ["bridge-interface", "pod", NODE_PORT, [A]],
    ["bridge-interface", "outside", CLUSTER_IP, [MASQ(A)]],
    ["node-port", "outside", NODE_PORT, [MASQ(B)]],
    ["node-port", "pod", NODE_PORT, [MASQ(B)]],
    ["node-port", "node", LOCALHOST, [B]],
    ["localhost-off", "node", LOCALHOST, ["no-listener-tcp"]],
    ["node-port-addresses", "pod", { to: "10.1.0.1", port: 30080 }, ["no-listener-tcp"]],
    ["node-port-addresses", "pod", NODE_PORT, [MASQ(A)]],
    ["load-balancer", "outside", VIP, [MASQ(B)]],
    ["load-balancer-proxy", "outside", VIP, ["203.0.113.9:80"]],
    ["source-ranges", "outside", VIP, [MASQ(B)]],
    ["source-ranges", "pod", VIP, ["rule-drop"]],
    ["source-ranges", "pod", NODE_PORT, [MASQ(B)]],
    ["source-ranges-node", "node", VIP, [B]],
    ["source-ranges-no-endpoints", "outside", VIP, ["rule-reject"]],
    ["internal-local", "pod", CLUSTER_IP, [A]],
    ["internal-local-none", "pod", CLUSTER_IP, ["rule-drop"]],
    ["internal-local-none", "node", CLUSTER_IP, ["rule-drop"]],
    ["internal-local-node-port", "outside", NODE_PORT, [MASQ(A), MASQ(B)]],
    ["external-local", "outside", NODE_PORT, [A]],
    ["external-local", "pod", NODE_PORT, [A, B]],
    ["external-local-none", "outside", VIP, ["rule-drop"]],
    ["external-local-none", "outside", EXTERNAL_IP, ["rule-drop"]],
    ["external-local-none", "outside", NODE_PORT, ["rule-drop"]],
    ["external-local-none", "pod", VIP, [B]],
    ["external-local-none", "node", NODE_PORT, [B]],
    ["external-local-none", "outside", CLUSTER_IP, [MASQ(B)]],
    ["no-endpoints", "pod", CLUSTER_IP, ["rule-reject"]],
    ["no-endpoints", "outside", EXTERNAL_IP, ["rule-reject"]],
    ["no-endpoints", "outside", NODE_PORT, ["rule-reject"]],
    ["no-endpoints", "node", CLUSTER_IP, ["rule-reject"]],
    ["terminating-local", "outside", NODE_PORT, [A]],
    ["terminating-local", "pod", NODE_PORT, [B]],
    ["terminating-remote", "outside", NODE_PORT, ["rule-drop"]],
    ["zone-hints", "pod", CLUSTER_IP, ["10.1.1.3:8080"]],
  ])("%s: from %s to %j", (name, from, target, expected) => {
    expect(ends(rulesetOfCase(name), { from, ...target })).toEqual(expected);
  });

  it("UDP and TCP on one port are apart", () => {
    const rules = rulesetOfCase("three-protocols");
    expect(ends(rules, { from: "pod", to: "10.96.0.20", port: 7000, proto: "udp" })).toEqual([
      "10.1.0.2:7000",
    ]);
  });
});

const aService = fc.record({
  endpoints: someEndpoints,
  hinted: fc.boolean(),
  internalLocal: fc.boolean(),
  externalLocal: fc.boolean(),
});

interface Made {
  readonly rules: Ruleset;
  readonly cluster: readonly Endpoint[];
  readonly local: readonly Endpoint[];
  readonly hasEndpoints: boolean;
}

function make(given: typeof aService extends fc.Arbitrary<infer T> ? T : never): Made {
  const endpoints = given.endpoints.map(
    ({ zones, ...rest }): EndpointText => (given.hinted ? { ...rest, zones } : rest),
  );
  const services = [
    service("shop/web", {
      type: "NodePort",
      clusterIP: "10.96.0.10",
      ports: [{ name: "http", port: 80, nodePort: 30080 }],
      internalTrafficPolicy: given.internalLocal ? "Local" : "Cluster",
      externalTrafficPolicy: given.externalLocal ? "Local" : "Cluster",
    }),
  ];
  const slices = [slice("shop/web", ["http:8080"], endpoints)];
  const [model] = proxyModel(services, slices).ports as [PortModel];
  const place = { node: "n1", zone: "z1" };
  const features = featuresOf("1.34", {});
  const { cluster, local, hasEndpoints } = chooseEndpoints(
    model.port,
    model.endpoints.endpoints,
    place,
    features,
  );
  return { rules: rulesetOf({ services, slices }), cluster, local, hasEndpoints };
}

function expectSpread(
  { rules, hasEndpoints }: Made,
  asked: Flow,
  list: readonly Endpoint[],
  masqueraded: boolean,
): void {
  const found = flow(rules, asked);
  if (list.length === 0) {
    const to = hasEndpoints ? "rule-drop" : "rule-reject";
    expect(found).toEqual([{ to, masqueraded: false, odds: 1 }]);
    return;
  }
  expect(found.map(({ to }) => to)).toEqual(list.map(({ text }) => text).sort());
  for (const end of found) {
    expect(end.masqueraded).toBe(masqueraded);
    expect(end.odds).toBeCloseTo(1 / list.length, 8);
  }
}

describe("laws", () => {
  it("a pod reaches the chosen endpoints by the cluster IP with equal odds and its own address", () => {
    fc.assert(
      fc.property(aService, (given) => {
        const made = make(given);
        const list = given.internalLocal ? made.local : made.cluster;
        expectSpread(made, { from: "pod", ...CLUSTER_IP }, list, false);
      }),
      { numRuns: 60 },
    );
  });

  it("from outside the cluster IP is masqueraded", () => {
    fc.assert(
      fc.property(aService, (given) => {
        const made = make(given);
        const list = given.internalLocal ? made.local : made.cluster;
        expectSpread(made, { from: "outside", ...CLUSTER_IP }, list, true);
      }),
      { numRuns: 40 },
    );
  });

  it("from outside a node port goes to the Cluster list masqueraded, or to the Local list as it is", () => {
    fc.assert(
      fc.property(aService, (given) => {
        const made = make(given);
        const list = given.externalLocal ? made.local : made.cluster;
        expectSpread(made, { from: "outside", ...NODE_PORT }, list, !given.externalLocal);
      }),
      { numRuns: 60 },
    );
  });

  it("a pod reaches the whole Cluster list by a node port, whatever the policy", () => {
    fc.assert(
      fc.property(aService, (given) => {
        const made = make(given);
        expectSpread(made, { from: "pod", ...NODE_PORT }, made.cluster, !given.externalLocal);
      }),
      { numRuns: 40 },
    );
  });
});
