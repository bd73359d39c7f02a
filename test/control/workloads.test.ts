import { describe, expect, it } from "vitest";
import { deployment, node, podsOf, reconciled, yaml } from "./cluster.ts";

const names = (text: string) =>
  reconciled(text)
    .list("Pod")
    .map(({ metadata }) => metadata.name);

describe("pods of workloads", () => {
  it("a Deployment gets a ReplicaSet and that its pods, spread over the nodes", () => {
    const map = reconciled(yaml(node("n1"), node("n2"), deployment("web", 4)));
    const [set] = map.list("ReplicaSet");
    expect(set?.metadata.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]+$/);
    expect(set?.spec.selector.matchLabels?.["pod-template-hash"]).toBe(set?.metadata.name.slice(4));
    const rows = podsOf(map).map((row) => row.split(" ").slice(1).join(" "));
    expect(rows.sort()).toEqual([
      "n1 10.244.0.2 Running",
      "n1 10.244.0.3 Running",
      "n2 10.244.1.2 Running",
      "n2 10.244.1.3 Running",
    ]);
    for (const { metadata } of map.list("Pod")) {
      expect(metadata.name).toMatch(new RegExp(`^${set?.metadata.name}-[a-z2-9]{5}$`));
    }
  });

  it("its names are a function of the input", () => {
    const text = yaml(node("n1"), deployment("web", 3));
    expect(names(text)).toEqual(names(text));
    expect(names(text)).not.toEqual(names(text.replace("8080", "8081")));
  });

  it("a ReplicationController without a selector takes its template's labels", () => {
    const text =
      "{apiVersion: v1, kind: ReplicationController, metadata: {name: rc}, spec: {replicas: 2, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}}";
    expect(names(yaml(node("n1"), text))).toHaveLength(2);
  });

  it("a StatefulSet's pods are numbered", () => {
    const text = deployment("db", 3)
      .replace("Deployment", "StatefulSet")
      .replace("replicas", "serviceName: db, replicas");
    const map = reconciled(yaml(node("n1"), text));
    expect(
      map.list("Pod").map(({ metadata, spec }) => [metadata.name, spec.hostname, spec.subdomain]),
    ).toEqual([
      ["db-0", "db-0", "db"],
      ["db-1", "db-1", "db"],
      ["db-2", "db-2", "db"],
    ]);
  });

  it("a DaemonSet has a pod on every node that it tolerates and selects", () => {
    const set = (spec = "") =>
      deployment("d", 1, spec).replace("Deployment", "DaemonSet").replace("replicas: 1, ", "");
    const nodes = yaml(
      node("n1"),
      node("n2", "labels: {disk: ssd}"),
      "{apiVersion: v1, kind: Node, metadata: {name: n3}, spec: {unschedulable: true, taints: [{key: own, value: x, effect: NoSchedule}]}}",
    );
    const on = (spec?: string) =>
      reconciled(yaml(nodes, set(spec)))
        .list("Pod")
        .map(({ spec: { nodeName } }) => nodeName)
        .sort();
    expect(on()).toEqual(["n1", "n2"]);
    expect(on("nodeSelector: {disk: ssd}, ")).toEqual(["n2"]);
    expect(on("tolerations: [{operator: Exists}], ")).toEqual(["n1", "n2", "n3"]);
    expect(on("tolerations: [{key: own, value: x}], ")).toEqual(["n1", "n2", "n3"]);
    expect(on("tolerations: [{key: own, value: z}], ")).toEqual(["n1", "n2"]);
  });

  it("what a dump holds of a Deployment is kept, even where its ReplicaSet is missing", () => {
    const pod = (name: string, ip: string) =>
      `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, labels: {app: web, pod-template-hash: 5d}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d, uid: u, controller: true}]}, spec: {nodeName: n2, containers: [{name: c}]}, status: {phase: Running, podIP: ${ip}}}`;
    const map = reconciled(
      yaml(
        node("n1"),
        node("n2"),
        deployment("web", 2),
        pod("web-5d-x", "10.244.9.7"),
        pod("web-5d-y", "10.244.9.8"),
      ),
    );
    expect(map.list("ReplicaSet").map(({ metadata }) => metadata.name)).toEqual(["web-5d"]);
    expect(podsOf(map)).toEqual(["web-5d-x n2 10.244.9.7 Running", "web-5d-y n2 10.244.9.8 Running"]);
    expect(map.get("Node", "n2")?.spec?.podCIDR).toBe("10.244.9.0/24");
  });

  it("orphans that a selector claims count as replicas", () => {
    const orphan =
      "{apiVersion: v1, kind: Pod, metadata: {name: lone, labels: {a: b}}, spec: {containers: [{name: c}]}}";
    const rc =
      "{apiVersion: v1, kind: ReplicationController, metadata: {name: rc}, spec: {replicas: 2, selector: {a: b}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}}";
    expect(names(yaml(node("n1"), orphan, rc))).toEqual(["lone", expect.stringMatching(/^rc-/)]);
  });
});

describe("scheduling", () => {
  const message = (text: string) => reconciled(text).list("Pod")[0]?.status?.conditions?.[0]?.message;
  const pod = (spec: string) =>
    `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {${spec}containers: [{name: c}]}}`;

  it.each([
    ["", "0/0 nodes are available."],
    [node("n1"), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."],
    [
      yaml(
        node("n1"),
        "{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {disk: ssd}}, spec: {unschedulable: true}}",
      ),
      "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable.",
    ],
    [
      "{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {disk: ssd}}, spec: {taints: [{key: a, effect: NoExecute}]}}",
      "0/1 nodes are available: 1 node(s) had untolerated taint {a: }.",
    ],
  ])("on %j nothing fits, and the pod says so", (nodes, expected) => {
    expect(message(yaml(nodes, pod("nodeSelector: {disk: ssd}, ")))).toBe(expected);
  });

  it("a host port is taken once a node", () => {
    const text = deployment("web", 3).replace("containerPort: 8080", "containerPort: 8080, hostPort: 80");
    const pods = podsOf(reconciled(yaml(node("n1"), node("n2"), text))).map((row) => row.split(" ")[1]);
    expect(pods.sort()).toEqual(["-", "n1", "n2"]);
  });

  it("node affinity is honoured", () => {
    const affinity =
      "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: cores, operator: Gt, values: ['4']}]}]}}}, ";
    const map = reconciled(
      yaml(node("n1", "labels: {cores: '4'}"), node("n2", "labels: {cores: '8'}"), pod(affinity)),
    );
    expect(podsOf(map)).toEqual(["p n2 10.244.1.2 Running"]);
  });

  it("what a dump shows as pending stays so", () => {
    const text = `${pod("")}`.replace(/}$/, ", status: {phase: Pending}}");
    expect(podsOf(reconciled(yaml(node("n1"), text)))).toEqual(["p - - Pending"]);
  });
});
