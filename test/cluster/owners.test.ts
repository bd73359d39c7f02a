import { describe, expect, it } from "vitest";
import { mergeWorlds } from "../../src/cli/merge-worlds.ts";
import { originText, ownerOf } from "../../src/world/origin-text.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { isRecord, valuesIn } from "./values.ts";
import { nodes, yamlWorld } from "./yaml-world.ts";

const SHOP = `${nodes("192.168.50.10", "192.168.50.11")}---
apiVersion: v1
kind: Service
metadata:
  name: db
  namespace: shop
spec:
  clusterIP: 10.96.0.50
  selector: {app: db}
  ports:
    - name: metrics
      port: 9100
    - name: sql
      port: 5432
      targetPort: 15432
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
        - name: exporter
          ports: [{containerPort: 9100}]
        - name: server
          ports: [{containerPort: 15432}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: n0, containers: [{name: c}]}
`;

const line = (text: string) => SHOP.split("\n").findIndex((row) => row.includes(text)) + 1;
const world = () => yamlWorld(SHOP, {}, "shop.yaml");

describe("whose rules a packet met", () => {
  const { outcomes } = world().trace("client", "10.96.0.50:5432");
  const rules = outcomes.flatMap((outcome) => outcome.rules);
  const owned = (part: string) => rules.find(({ text }) => text.includes(part));

  it("each endpoint has its odds", () => {
    expect(outcomes.map(({ probability }) => `${probability?.num}/${probability?.den}`)).toEqual([
      "1/2",
      "1/2",
    ]);
    expect(new Set(outcomes.map(({ servers }) => servers[0]?.host))).toEqual(
      new Set(["db-0.shop", "db-1.shop"]),
    );
  });

  it("the Service's are its port's, by file and line of the port", () => {
    expect(owned("-A KUBE-SERVICES")).toMatchObject({
      source: `shop.yaml:${line("port: 5432") - 1}`,
      owner: { kind: "Service", namespace: "shop", name: "db", field: "spec.ports[1]" },
    });
    expect(owned("-A KUBE-SVC")?.owner).toEqual(owned("-A KUBE-SERVICES")?.owner);
  });

  it("an endpoint's are the Service's, where its EndpointSlice was made from it", () => {
    expect(owned("-j DNAT")?.owner).toEqual(owned("-A KUBE-SERVICES")?.owner);
  });

  it("an endpoint's are its EndpointSlice's, where somebody wrote one", () => {
    const given = `${nodes("192.168.50.10")}---
apiVersion: v1
kind: Service
metadata: {name: old}
spec: {clusterIP: 10.96.0.60, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: old-1, labels: {kubernetes.io/service-name: old}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
  - addresses: [192.168.50.77]
`;
    const found = yamlWorld(given, {}, "old.yaml")
      .trace("n0", "10.96.0.60:80")
      .outcomes[0]?.rules.find(({ text }) => text.includes("-j DNAT"));
    const at = given.split("\n").findIndex((row) => row.includes("192.168.50.77")) + 1;
    expect(found).toMatchObject({
      source: `old.yaml:${at}`,
      owner: { kind: "EndpointSlice", namespace: "default", name: "old-1", field: "endpoints[0]" },
    });
  });

  it("kube-proxy's own are its configuration's, flannel's its own", () => {
    expect(owned("-A PREROUTING")?.owner?.kind).toBe("KubeProxyConfiguration");
    expect(owned("-A POSTROUTING")?.owner).toMatchObject({ kind: "KubeProxyConfiguration" });
    expect(owned("-A FLANNEL-POSTRTG")?.owner?.kind).toMatch(/^(Node|ConfigMap)$/);
  });

  it("every rule met has an owner but the kubelet's", () => {
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.filter(({ owner, text }) => owner === undefined && !text.includes("KUBE-FIREWALL"))).toEqual(
      [],
    );
  });
});

describe("whose state a host holds", () => {
  const { cluster } = world();
  const n0 = cluster.world.hosts.get("n0");
  const ownerAt = (origin: number | undefined) => ownerOf(cluster.world, origin ?? 0);

  it("what leads to another node is that Node's, the same number on all nodes", () => {
    const route = n0?.routes.find(
      ({ nextHops }) => nextHops[0]?.dev === "flannel.1" && nextHops[0].gateway !== null,
    );
    const wanted = { kind: "Node", name: "n1", field: "spec.podCIDR" };
    expect(ownerAt(route?.origin)).toEqual(wanted);
    expect(originText(cluster.world, route?.origin ?? 0)).toBe(`shop.yaml:${line("podCIDR: 10.244.1.0/24")}`);
    expect(ownerAt(n0?.neighbours.find(({ dev }) => dev === "flannel.1")?.origin)).toEqual(wanted);
    expect(ownerAt(n0?.fdb.find(({ dev }) => dev === "flannel.1")?.origin)).toEqual(wanted);
  });

  it("a pod's card, address and routes, and the other end of its cable, are the Pod's", () => {
    const client = cluster.world.hosts.get("client");
    const wanted = { kind: "Pod", namespace: "default", name: "client" };
    expect(ownerAt(client?.devices.find(({ name }) => name === "eth0")?.origin)).toEqual(wanted);
    expect(ownerAt(client?.addresses.find(({ dev }) => dev === "eth0")?.origin)).toEqual(wanted);
    expect(ownerAt(client?.routes.find(({ dst }) => dst.length === 0)?.origin)).toEqual(wanted);
    const wire = cluster.world.wires.find(({ a, b }) => a.host === "client" || b.host === "client");
    const end = wire?.a.host === "n0" ? wire.a : wire?.b;
    expect(ownerAt(n0?.devices.find(({ name }) => name === end?.device)?.origin)).toEqual(wanted);
  });

  it("the bridge that pods share is the Node's", () => {
    const wanted = { kind: "Node", name: "n0", field: "spec.podCIDR" };
    expect(ownerAt(n0?.devices.find(({ name }) => name === "cni0")?.origin)).toEqual(wanted);
    expect(ownerAt(n0?.addresses.find(({ dev }) => dev === "cni0")?.origin)).toEqual(wanted);
  });

  it("a socket is the container's port", () => {
    const { sockets } = cluster.world.hosts.get("db-0.shop") ?? {};
    const owners =
      sockets?.kind === "listed" ? sockets.sockets.map(({ origin }) => ownerAt(origin)?.field) : [];
    expect(owners).toEqual(["spec.containers[0].ports[0]", "spec.containers[1].ports[0]"]);
  });

  it("an address of a Node is the field it stands in", () => {
    const address = n0?.addresses.find(({ dev }) => dev === "eth0");
    expect(ownerAt(address?.origin)?.field).toBe("status.addresses[0]");
  });

  it("origins are few: they do not grow with the number of nodes times what they share", () => {
    const seven = Array.from({ length: 7 }, (_, i) => `192.168.50.${10 + i}`);
    const many = yamlWorld(SHOP.replace(nodes("192.168.50.10", "192.168.50.11"), nodes(...seven)));
    const added = many.cluster.world.origins.sources.length - cluster.world.origins.sources.length;
    // Each further Node: its podCIDR and its address.
    expect(added).toBe(10);
  });
});

it("a cluster merged behind a snapshot keeps its owners, and the snapshot its lines", () => {
  const snapshot = readSnapshot(
    "box.json",
    '{"hosts":{"box":{"links":[],"addrs":[],"routes":[],"iptablesSave":"*filter\\n:INPUT ACCEPT [0:0]\\n-A INPUT -j DROP\\nCOMMIT\\n"}}}',
  );
  if (snapshot.kind === "invalid")
    throw new Error(snapshot.errors.map(({ field, message }) => `${field} ${message}`).join("\n"));
  const { cluster } = world();
  const merged = mergeWorlds([
    { file: "box.json", world: snapshot.world },
    { file: "shop.yaml", world: cluster.world },
  ]);
  if (merged.kind === "invalid") throw new Error(merged.messages.join("\n"));
  const ruleOf = (host: string, chain: string) =>
    merged.value.hosts
      .get(host)
      ?.iptables?.tables.get(host === "box" ? "filter" : "nat")
      ?.chains.get(chain)?.rules[0];
  expect(originText(merged.value, ruleOf("box", "INPUT")?.origin ?? 0)).toBe(
    "box.json hosts.box.iptablesSave:3",
  );
  expect(ownerOf(merged.value, ruleOf("n1", "KUBE-SERVICES")?.origin ?? 0)).toMatchObject({
    kind: "Service",
    name: "db",
  });
  const origins = [...valuesIn(merged.value.hosts.get("n1"))].flatMap((value) =>
    isRecord(value) && typeof value["origin"] === "number" ? [value["origin"]] : [],
  );
  const shared = (name: string) => merged.value.hosts.get(name)?.iptables?.tables.get("nat")?.chains;
  expect(shared("n0")?.get("KUBE-SERVICES")).toBe(shared("n1")?.get("KUBE-SERVICES"));
  expect(Math.max(...origins)).toBeLessThan(merged.value.origins.sources.length);
});
