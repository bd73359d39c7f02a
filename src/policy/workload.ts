import { namespaceOf, type Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import type { Labels } from "../object/selector.ts";

/** A pod with a network of its own, as policies see it. One on its node's network, or without an address, is none. */
export interface Workload {
  readonly pod: Pod;
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly labels: Labels;
  readonly serviceAccount: string;
  /** Of both families. */
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
}

export interface NamedPort {
  readonly name: string;
  /** `TCP`, `UDP`, `SCTP` */
  readonly protocol: string;
  readonly port: number;
}

export function workloadsOf(objects: Lister): Workload[] {
  return objects.list("Pod").flatMap((pod) => workloadOf(pod) ?? []);
}

/** undefined: it is no workload. */
export function workloadOf(pod: Pod): Workload | undefined {
  const { metadata, spec, status } = pod;
  const { podIP = "", podIPs = [], phase } = status ?? {};
  const listed = podIPs.flatMap(({ ip = "" }) => (ip === "" ? [] : [ip]));
  const addresses = [...new Set([...(podIP === "" ? [] : [podIP]), ...listed])];
  const hasEnded = phase === "Succeeded" || phase === "Failed";
  if (hasEnded || spec.hostNetwork === true || addresses.length === 0) return undefined;
  const ports = [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)]
    .flatMap((container) => container.ports ?? [])
    .flatMap(({ name = "", protocol = "TCP", containerPort }) =>
      name === "" ? [] : [{ name, protocol, port: containerPort }],
    );
  return {
    pod,
    namespace: namespaceOf(pod),
    name: metadata.name,
    node: spec.nodeName ?? "",
    labels: metadata.labels ?? {},
    serviceAccount: spec.serviceAccountName || "default",
    addresses,
    ports,
  };
}

/** Init containers that stay (KEP-753). */
function isSidecar({ restartPolicy }: { readonly restartPolicy?: string }): boolean {
  return restartPolicy === "Always";
}

/** A namespace's labels, with the one that the API gives every namespace. */
export function namespaceLabels(objects: Lister, namespace: string): Labels {
  const labels = objects.get("Namespace", namespace)?.metadata.labels ?? {};
  return { "kubernetes.io/metadata.name": namespace, ...labels };
}
