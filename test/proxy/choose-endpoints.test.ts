import type { ServiceSpec } from "kubernetes-types/core/v1.js";
import { describe, expect, it } from "vitest";
import { type ChosenEndpoints, chooseEndpoints } from "../../src/proxy/choose-endpoints.ts";
import { endpointsOn, joinEndpoints, joinKey, NO_ENDPOINTS } from "../../src/proxy/endpoints.ts";
import { type ServicePort, servicePorts } from "../../src/proxy/service-ports.ts";
import { featuresOf } from "../../src/proxy/versions.ts";
import { type EndpointText, service, slice } from "./objects.ts";

function choose(spec: ServiceSpec, endpoints: readonly EndpointText[], version = "1.34"): ChosenEndpoints {
  const ports = [{ name: "http", port: 80, ...spec.ports?.[0] }];
  const port = servicePorts(
    [service("shop/web", { clusterIP: "10.96.0.1", ...spec, ports })],
    "IPv4",
  )[0] as ServicePort;
  const joined = joinEndpoints([slice("shop/web", ["http:8080"], endpoints)], "IPv4");
  const found = joined.get(joinKey("shop", "web", "http", "tcp")) ?? NO_ENDPOINTS;
  return chooseEndpoints(port, endpointsOn("n1", found), { node: "n1", zone: "z1" }, featuresOf(version, {}));
}

/** `.2` for 10.0.0.2 */
function last(endpoints: ChosenEndpoints["cluster"]): string {
  return endpoints.map(({ ip }) => ip.replace("10.0.0", "")).join(" ");
}

const on = (ip: number, node: string, more: object = {}): EndpointText => ({
  ip: `10.0.0.${ip}`,
  on: node,
  ...more,
});
const LEAVING = { ready: false, serving: true, terminating: true };
const GONE = { ready: false, serving: false, terminating: true };
const CLUSTER: ServiceSpec = {};
const INTERNAL: ServiceSpec = { internalTrafficPolicy: "Local" };
const EXTERNAL: ServiceSpec = {
  type: "NodePort",
  externalTrafficPolicy: "Local",
  ports: [{ name: "http", port: 80, nodePort: 30080 }],
};

describe("conditions and policies", () => {
  it.each<[string, ServiceSpec, EndpointText[], string, string, boolean]>([
    ["ready ones everywhere", CLUSTER, [on(1, "n1"), on(2, "n2")], ".1 .2", "", true],
    ["no node's name is remote", INTERNAL, [{ ip: "10.0.0.1" }], "", "", true],
    ["iTP Local", INTERNAL, [on(1, "n1"), on(2, "n2")], "", ".1", true],
    ["eTP Local needs both", EXTERNAL, [on(1, "n1"), on(2, "n2")], ".1 .2", ".1", true],
    ["not ready", CLUSTER, [on(1, "n1", { ready: false })], "", "", false],
    [
      "serving but neither ready nor terminating",
      CLUSTER,
      [on(1, "n1", { ready: false, serving: true })],
      "",
      "",
      false,
    ],
    [
      "terminating serves when none is ready",
      CLUSTER,
      [on(1, "n1", LEAVING), on(2, "n2", GONE)],
      ".1",
      "",
      true,
    ],
    ["terminating waits while one is ready", CLUSTER, [on(1, "n1", LEAVING), on(2, "n2")], ".2", "", true],
    ["terminating and no longer serving", CLUSTER, [on(1, "n1", GONE)], "", "", false],
    ["the two fallbacks are independent", EXTERNAL, [on(1, "n1", LEAVING), on(2, "n2")], ".2", ".1", true],
    ["a remote terminating one is an endpoint", EXTERNAL, [on(2, "n2", LEAVING)], ".2", "", true],
    ["a remote one is an endpoint for iTP Local", INTERNAL, [on(2, "n2")], "", "", true],
    ["serving unset is as ready", CLUSTER, [on(1, "n1", { ready: false, terminating: true })], "", "", false],
    ["ready while terminating", CLUSTER, [on(1, "n1", { terminating: true })], ".1", "", true],
  ])("%s", (_title, spec, endpoints, cluster, local, hasEndpoints) => {
    const chosen = choose(spec, endpoints);
    expect([last(chosen.cluster), last(chosen.local), chosen.hasEndpoints]).toEqual([
      cluster,
      local,
      hasEndpoints,
    ]);
    const either = new Set([...chosen.cluster, ...chosen.local]);
    expect(new Set(chosen.reachable)).toEqual(either);
  });
});

describe("hints", () => {
  const zones = (...names: string[]) => ({ zones: names });
  it.each<[string, ServiceSpec, EndpointText[], string, string]>([
    ["this zone's", CLUSTER, [on(1, "n1", zones("z1")), on(2, "n2", zones("z2"))], ".1", "1.34"],
    ["several zones", CLUSTER, [on(1, "n1", zones("z2", "z1")), on(2, "n2", zones("z2"))], ".1", "1.34"],
    ["none for this zone", CLUSTER, [on(1, "n1", zones("z2")), on(2, "n2", zones("z3"))], ".1 .2", "1.34"],
    ["one without", CLUSTER, [on(1, "n1", zones("z1")), on(2, "n2")], ".1 .2", "1.34"],
    [
      "an unready one does not block",
      CLUSTER,
      [on(1, "n1", zones("z1")), on(2, "n2", { ready: false })],
      ".1",
      "1.34",
    ],
    [
      "an unready one is no candidate",
      CLUSTER,
      [on(1, "n1", { ...zones("z1"), ready: false }), on(2, "n2", zones("z2"))],
      ".2",
      "1.34",
    ],
    [
      "terminating ones are not narrowed",
      CLUSTER,
      [on(1, "n1", { ...zones("z1"), ...LEAVING }), on(2, "n2", { ...zones("z2"), ...LEAVING })],
      ".1 .2",
      "1.34",
    ],
    [
      "this node's before this zone's",
      CLUSTER,
      [on(1, "n1", { ...zones("z1"), nodes: ["n1"] }), on(2, "n2", { ...zones("z1"), nodes: ["n2"] })],
      ".1",
      "1.34",
    ],
    [
      "none for this node: this zone's",
      CLUSTER,
      [on(1, "n3", { ...zones("z1"), nodes: ["n3"] }), on(2, "n2", { ...zones("z2"), nodes: ["n2"] })],
      ".1",
      "1.34",
    ],
    [
      "nodes are not looked at by an old release",
      CLUSTER,
      [on(1, "n1", { ...zones("z1"), nodes: ["n1"] }), on(2, "n2", { ...zones("z1"), nodes: ["n2"] })],
      ".1 .2",
      "1.32",
    ],
    [
      "an older one wants the annotation",
      CLUSTER,
      [on(1, "n1", zones("z1")), on(2, "n2", zones("z2"))],
      ".1 .2",
      "v1.28.1",
    ],
    [
      "any other version is the newest",
      CLUSTER,
      [on(1, "n1", { nodes: ["n1"] }), on(2, "n2", { nodes: ["n2"] })],
      ".1",
      "",
    ],
  ])("%s", (_title, spec, endpoints, cluster, version) => {
    expect(last(choose(spec, endpoints, version).cluster)).toBe(cluster);
  });

  it("never narrow the Local list", () => {
    expect(last(choose(INTERNAL, [on(1, "n1", zones("z2")), on(2, "n2", zones("z1"))]).local)).toBe(".1");
  });

  it.each([
    ["1.33", {}, { nodeHints: false, hintsWithoutAnnotation: true }],
    ["1.33", { PreferSameTrafficDistribution: true }, { nodeHints: true, hintsWithoutAnnotation: true }],
    ["1.32", { ServiceTrafficDistribution: false }, { nodeHints: false, hintsWithoutAnnotation: false }],
    ["1.33", { ServiceTrafficDistribution: false }, { nodeHints: false, hintsWithoutAnnotation: true }],
    ["1.30", {}, { nodeHints: false, hintsWithoutAnnotation: false }],
  ])("release %s with gates %j", (version, gates, features) => {
    expect(featuresOf(version, gates)).toMatchObject(features);
  });
});

describe("joining slices", () => {
  it("orders by the text of address and port, in which a digit stands before the colon", () => {
    const joined = joinEndpoints([slice("a/b", [":80"], ["10.1.1.1", "10.1.1.11", "10.1.1.2"])], "IPv4");
    expect(joined.get(joinKey("a", "b", "", "tcp"))?.endpoints.map(({ text }) => text)).toEqual([
      "10.1.1.11:80",
      "10.1.1.1:80",
      "10.1.1.2:80",
    ]);
  });

  it("takes the local of two copies, on the node it is local to", () => {
    const joined = joinEndpoints(
      [
        slice("a/b", [":80"], [{ ip: "10.0.0.1", on: "n2" }], "1"),
        slice("a/b", [":80"], [{ ip: "10.0.0.1", on: "n1", ready: false }], "2"),
      ],
      "IPv4",
    );
    const found = joined.get(joinKey("a", "b", "", "tcp")) ?? NO_ENDPOINTS;
    expect(endpointsOn("n1", found)).toMatchObject([{ nodeName: "n1", ready: false }]);
    expect(endpointsOn("n2", found)).toMatchObject([{ nodeName: "n2", ready: true }]);
    expect(endpointsOn("n3", found)).toMatchObject([{ nodeName: "n2", ready: true }]);
  });

  it("leaves out slices of another family, without a Service, and ports without a name or number", () => {
    const good = slice("a/b", [":80"], ["10.0.0.1"]);
    const { name: _name, ...unnamed } = good.ports?.[0] ?? {};
    expect(joinEndpoints([{ ...good, addressType: "IPv6" }], "IPv4").size).toBe(0);
    expect(joinEndpoints([{ ...good, metadata: { ...good.metadata, labels: {} } }], "IPv4").size).toBe(0);
    expect(joinEndpoints([{ ...good, ports: [unnamed] }], "IPv4").size).toBe(0);
    expect(joinEndpoints([slice("a/b", [":0"], ["10.0.0.1"])], "IPv4").size).toBe(0);
  });

  it("uses the first address of an endpoint alone", () => {
    const two = slice("a/b", [":80"], ["10.0.0.1"]);
    const both = { ...two, endpoints: [{ addresses: ["10.0.0.1", "10.0.0.2"] }, { addresses: [] }] };
    expect(joinEndpoints([both], "IPv4").get(joinKey("a", "b", "", "tcp"))?.endpoints).toHaveLength(1);
  });
});
