import fc from "fast-check";
import { type Prefix4, parsePrefix4 } from "../../src/address/prefix.ts";
import { reconcileAll } from "../../src/control/reconcile-all.ts";
import type { ClusterSettings } from "../../src/control/settings.ts";
import type { KubernetesObject } from "../../src/object/kubernetes-object.ts";
import { ObjectMap } from "../../src/object/object-map.ts";
import { readText } from "../object/read.ts";

/** Small clusters from a few lines of YAML, reconciled; and generated ones. */

export function prefix(text: string): Prefix4 {
  const found = parsePrefix4(text);
  if (found === undefined) throw new Error(`${text} is no prefix`);
  return found;
}

export const SETTINGS: ClusterSettings = {
  families: ["IPv4"],
  six: null,
  clusterCidr: prefix("10.244.0.0/16"),
  nodeCidrLength: 24,
  serviceCidr: prefix("10.96.0.0/12"),
  nodePorts: { first: 30_000, last: 32_767 },
  calico: null,
  nodeNetwork: prefix("172.18.0.0/16"),
};

export function reconciled(text: string, settings: ClusterSettings = SETTINGS): ObjectMap {
  const { map, errors } = readText(text);
  if (errors.length > 0) throw new Error(errors.join("\n"));
  reconcileAll(map, settings);
  return map;
}

/** Documents joined into one text. */
export function yaml(...documents: string[]): string {
  return documents.join("\n---\n");
}

export function node(name: string, more = ""): string {
  return `{apiVersion: v1, kind: Node, metadata: {name: ${name}${more === "" ? "" : `, ${more}`}}}`;
}

export function deployment(name: string, replicas: number, spec = ""): string {
  return `{apiVersion: apps/v1, kind: Deployment, metadata: {name: ${name}}, spec: {replicas: ${replicas}, selector: {matchLabels: {app: ${name}}}, template: {metadata: {labels: {app: ${name}}}, spec: {${spec}containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}}}`;
}

export function service(name: string, spec = "ports: [{port: 80, targetPort: http}]"): string {
  return `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {selector: {app: ${name}}, ${spec}}}`;
}

/** `pod node address phase`, one line a pod. */
export function podsOf(map: ObjectMap): string[] {
  return map
    .list("Pod")
    .map(({ metadata, spec, status }) =>
      [metadata.name, spec.nodeName ?? "-", status?.podIP ?? "-", status?.phase ?? "-"].join(" "),
    );
}

/** Everything, as one comparable value. */
export function contentOf(map: ObjectMap): unknown {
  return map.all().map(({ place, ...rest }: KubernetesObject) => ({ ...rest, by: place.by }));
}

const kinds = ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"] as const;

/** Nodes, workloads, Services, bare pods with and without what a dump would have observed. */
export const arbitraryObjects: fc.Arbitrary<string[]> = fc
  .record({
    nodes: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
    tainted: fc.boolean(),
    workloads: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom("a", "b", "c"),
        kind: fc.constantFrom(...kinds),
        replicas: fc.integer({ min: 0, max: 5 }),
        isHost: fc.boolean(),
      }),
      { maxLength: 4, selector: ({ name, kind }) => `${kind} ${name}` },
    ),
    services: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom("a", "b", "c"),
        type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer"),
        isHeadless: fc.boolean(),
      }),
      { maxLength: 3, selector: ({ name }) => name },
    ),
    pods: fc.uniqueArray(fc.integer({ min: 2, max: 9 }), { maxLength: 3 }),
  })
  .map(({ nodes, tainted, workloads, services, pods }) => [
    ...nodes.map((n, i) =>
      tainted && i === 0
        ? `{apiVersion: v1, kind: Node, metadata: {name: n${n}}, spec: {taints: [{key: k, effect: NoSchedule}]}}`
        : node(`n${n}`),
    ),
    ...workloads.map(({ name, kind, replicas, isHost }) => {
      const body = deployment(name, replicas, isHost ? "hostNetwork: true, " : "").replace(
        "Deployment",
        kind,
      );
      return kind === "DaemonSet" ? body.replace(`replicas: ${replicas}, `, "") : body;
    }),
    ...services.map(({ name, type, isHeadless }) => {
      const head = isHeadless && type === "ClusterIP" ? "clusterIP: None, " : "";
      return service(name, `${head}type: ${type}, ports: [{port: 80, targetPort: http}]`);
    }),
    ...pods.map(
      (n) =>
        `{apiVersion: v1, kind: Pod, metadata: {name: p${n}, labels: {app: a}}, spec: {nodeName: n${n}, containers: [{name: c}]}, status: {phase: Running, podIP: 10.244.200.${n}}}`,
    ),
  ]);

export function mapOf(documents: readonly string[]): ObjectMap {
  return new ObjectMap(readText(yaml(...documents)).objects);
}
