import type { PodSpec, ServicePort } from "kubernetes-types/core/v1.js";
import { suggestion } from "../kernel/nearest-word.ts";
import { namespaceOf, type Service } from "./kubernetes-object.ts";
import { impossibleKey } from "./label-selector-rules.ts";
import type { Lister } from "./object-map.ts";
import { type Findings, finding } from "./object-report.ts";
import { formatSelector, matches, selectorOf, selectorOfMap } from "./selector.ts";

/**
 * Whether the pods that Services select are there, and have the ports that Services name. Warnings: the pods may come
 * later, and an empty Service is a thing people trace.
 */
export function checkSelectors(objects: Lister, findings: Findings): void {
  const byNamespace = new Map<string, readonly Template[]>();
  for (const service of objects.list("Service")) {
    const { selector, type } = service.spec;
    if (selector === undefined || Object.keys(selector).length === 0 || type === "ExternalName") continue;
    const namespace = namespaceOf(service);
    if (isDescribed(service, namespace, objects)) continue;
    const known = byNamespace.get(namespace) ?? templatesIn(objects, namespace);
    byNamespace.set(namespace, known);
    const requirements = selectorOfMap(selector);
    const selected = known.filter(({ labels }) => matches(requirements, labels));
    if (selected.length === 0) {
      const text = Object.entries(selector)
        .map(([key, value]) => `${key}=${value}`)
        .join(",");
      const message = `${text} matches no pod and no workload's template in namespace ${namespace}`;
      findings.warnings.push(finding(service, "spec.selector", message));
    } else checkTargetPorts(service, selected, findings);
  }
}

/** Policies may wait for their pods; one that has none where others have some is mistyped more often. */
export function checkPolicySelectors(objects: Lister, findings: Findings): void {
  for (const policy of objects.list("NetworkPolicy")) {
    // Told before, whoever is there.
    if (impossibleKey(policy.spec.podSelector ?? {}) !== undefined) continue;
    const selector = selectorOf(policy.spec.podSelector);
    const namespace = namespaceOf(policy);
    const known = selector.length === 0 ? [] : templatesIn(objects, namespace);
    if (known.length === 0 || known.some(({ labels }) => matches(selector, labels))) continue;
    const message = `${formatSelector(selector)} matches no pod and no workload's template in namespace ${namespace}`;
    findings.warnings.push(finding(policy, "spec.podSelector", message));
  }
}

/** Services and slices alone describe nodes whose pods lie elsewhere. */
function isDescribed(service: Service, namespace: string, objects: Lister): boolean {
  const { name } = service.metadata;
  return (
    objects.withLabel("EndpointSlice", namespace, "kubernetes.io/service-name", name).length > 0 ||
    objects.get("Endpoints", `${namespace}/${name}`) !== undefined
  );
}

/** Pods, or what a workload makes them from, as Services look at them. */
interface Template {
  readonly labels: Readonly<Record<string, string>>;
  /** Named ports as `http/TCP`. */
  readonly ports: readonly string[];
}

const WITH_TEMPLATE = [
  "Deployment",
  "ReplicaSet",
  "DaemonSet",
  "StatefulSet",
  "ReplicationController",
] as const;

/** Those of every pod of a namespace and of every template there, each once: a thousand pods of one kind are one. */
function templatesIn(objects: Lister, namespace: string): readonly Template[] {
  const found = new Map<string, Template>();
  const add = (labels: Readonly<Record<string, string>> | undefined, spec: PodSpec | undefined) => {
    if (labels === undefined) return;
    const template = { labels, ports: namedPorts(spec) };
    found.set(JSON.stringify(template), template);
  };
  for (const { metadata, spec } of objects.list("Pod", namespace)) add(metadata.labels, spec);
  for (const kind of WITH_TEMPLATE) {
    for (const { spec } of objects.list(kind, namespace)) {
      add(spec.template?.metadata?.labels, spec.template?.spec);
    }
  }
  return [...found.values()];
}

function namedPorts(spec: PodSpec | undefined): string[] {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].flatMap(({ ports = [] }) =>
    ports.flatMap(({ name, protocol = "TCP" }) => (name === undefined ? [] : [`${name}/${protocol}`])),
  );
}

function checkTargetPorts(service: Service, selected: readonly Template[], findings: Findings): void {
  const named = new Set(selected.flatMap(({ ports }) => ports));
  for (const [i, { targetPort, protocol = "TCP" }] of (service.spec.ports ?? []).entries()) {
    if (typeof targetPort !== "string" || named.has(`${targetPort}/${protocol}`)) continue;
    const message = explainTarget(targetPort, protocol, [...named]);
    findings.warnings.push(finding(service, `spec.ports[${i}].targetPort`, message));
  }
}

function explainTarget(
  target: string,
  protocol: NonNullable<ServicePort["protocol"]>,
  named: readonly string[],
): string {
  const ofProtocol = named
    .filter((port) => port.endsWith(`/${protocol}`))
    .map((port) => port.split("/")[0] ?? "");
  const other = named.find((port) => port.startsWith(`${target}/`));
  if (other !== undefined) return `the selected pods have the port ${other}, but none ${target}/${protocol}`;
  return `no selected pod has a port named ${JSON.stringify(target)}${suggestion(target, ofProtocol)}`;
}
