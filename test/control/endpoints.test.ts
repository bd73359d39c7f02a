import { describe, expect, it } from "vitest";
import type { ObjectMap } from "../../src/object/object-map.ts";
import { deployment, node, reconciled, service, yaml } from "./cluster.ts";

function pod(name: string, ports: string, status = "{podIP: 10.244.0.9}", spec = "", metadata = ""): string {
  return `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, labels: {app: web}${metadata}}, spec: {nodeName: n1, ${spec}containers: [{name: c, ports: [${ports}]}]}, status: ${status}}`;
}

/** `address:port… conditions`, one line an endpoint. */
function endpointsOf(map: ObjectMap): string[] {
  return map.list("EndpointSlice").flatMap(({ endpoints, ports = [] }) =>
    endpoints.map(({ addresses, conditions = {} }) => {
      const states = Object.entries(conditions)
        .filter(([, value]) => value)
        .map(([name]) => name);
      return [addresses[0], ...ports.map(({ name, port }) => `${name}:${port}`), ...states].join(" ");
    }),
  );
}

const HTTP = "{name: http, containerPort: 8080}";

describe("endpoints from selectors", () => {
  it.each([
    ["a ready pod", [pod("a", HTTP)], ["10.244.0.9 :8080 ready serving"]],
    [
      "a pod whose Ready is False",
      [pod("a", HTTP, "{podIP: 10.244.0.9, phase: Running, conditions: [{type: Ready, status: 'False'}]}")],
      ["10.244.0.9 :8080"],
    ],
    [
      "a pod that is going",
      [pod("a", HTTP, undefined, "", ", deletionTimestamp: '2026-01-01T00:00:00Z'")],
      ["10.244.0.9 :8080 serving terminating"],
    ],
    ["a pod that has ended is none", [pod("a", HTTP, "{podIP: 10.244.0.9, phase: Failed}")], []],
    [
      "named ports may differ by pod",
      [pod("a", HTTP, "{podIP: 10.244.0.8}"), pod("b", "{name: http, containerPort: 9090}")],
      ["10.244.0.8 :8080 ready serving", "10.244.0.9 :9090 ready serving"],
    ],
    ["a pod without the named port is none", [pod("a", "{name: https, containerPort: 1}")], []],
    [
      "a name of another protocol is not meant",
      [pod("a", "{name: http, containerPort: 1, protocol: UDP}")],
      [],
    ],
  ])("%s", (_name, pods, expected) => {
    const map = reconciled(yaml(node("n1"), service("web"), ...pods));
    expect(endpointsOf(map).sort()).toEqual(expected);
  });

  it("publishNotReadyAddresses makes all ready", () => {
    const unready = pod(
      "a",
      HTTP,
      "{podIP: 10.244.0.9, phase: Running, conditions: [{type: Ready, status: 'False'}]}",
    );
    const map = reconciled(
      yaml(
        node("n1"),
        service("web", "publishNotReadyAddresses: true, ports: [{port: 80, targetPort: http}]"),
        unready,
      ),
    );
    expect(endpointsOf(map)).toEqual(["10.244.0.9 :8080 ready"]);
  });

  it("a headless Service without ports has endpoints without ports", () => {
    const map = reconciled(yaml(node("n1"), service("web", "clusterIP: None"), pod("a", HTTP)));
    expect(endpointsOf(map)).toEqual(["10.244.0.9 ready serving"]);
  });

  it("endpoints name their node, zone, pod and host name", () => {
    const map = reconciled(
      yaml(
        node("n1", "labels: {topology.kubernetes.io/zone: z1}"),
        service("web"),
        pod("a", HTTP, undefined, "hostname: a, subdomain: web, "),
      ),
    );
    expect(map.list("EndpointSlice")[0]?.endpoints[0]).toMatchObject({
      nodeName: "n1",
      zone: "z1",
      hostname: "a",
      targetRef: { kind: "Pod", namespace: "default", name: "a" },
    });
  });

  it("a hundred endpoints a slice", () => {
    const map = reconciled(yaml(node("n1"), deployment("web", 250), service("web")));
    expect(
      map
        .list("EndpointSlice")
        .map(({ endpoints }) => endpoints.length)
        .sort(),
    ).toEqual([100, 100, 50]);
  });

  it("observed slices are kept, and none is made beside them", () => {
    const slice =
      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, endpoints: [{addresses: [10.1.1.1]}], ports: [{port: 7}]}";
    const map = reconciled(yaml(node("n1"), service("web"), slice, pod("a", HTTP)));
    expect(map.list("EndpointSlice").map(({ metadata }) => metadata.name)).toEqual(["s"]);
  });
});

describe("Endpoints become slices", () => {
  const endpoints =
    "{apiVersion: v1, kind: Endpoints, metadata: {name: web}, subsets: [{addresses: [{ip: 192.168.1.9}, {ip: 'fd00::9'}], notReadyAddresses: [{ip: 192.168.1.10}], ports: [{name: x, port: 3306}]}]}";
  const bare = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{name: x, port: 80}]}}";

  it("of a Service without a selector, by family", () => {
    expect(endpointsOf(reconciled(yaml(bare, endpoints))).sort()).toEqual([
      "192.168.1.10 x:3306",
      "192.168.1.9 x:3306 ready",
      "fd00::9 x:3306 ready",
    ]);
  });

  it("of a dump without slices, though pods would match", () => {
    const map = reconciled(yaml(node("n1"), service("web"), endpoints, pod("a", HTTP)));
    expect(endpointsOf(map)).toHaveLength(3);
  });

  it("of no Service they are something else's", () => {
    expect(endpointsOf(reconciled(endpoints))).toEqual([]);
  });
});
