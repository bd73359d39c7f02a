import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import { contains, parsePrefix4 } from "../address/prefix.ts";
import type { InputError } from "../world/input-error.ts";
import {
  describeObject,
  type KubernetesObject,
  namespaceOf,
  type Pod,
  type Service,
} from "./kubernetes-object.ts";
import type { Lister } from "./object-map.ts";
import type { Findings } from "./object-report.ts";
import { formatPlace } from "./place.ts";
import { matches, selectorOfMap } from "./selector.ts";

/** What must hold between the objects of a cluster. */
export interface ClusterRules {
  /** The CNI gives pods addresses of their node's podCIDR, as host-local does; Calico, Weave or a cloud's does not. */
  readonly podsInNodeCidr: boolean;
}

export function checkCluster(objects: Lister, rules: ClusterRules, findings: Findings): void {
  checkPodAddresses(objects, rules, findings);
  checkServices(objects, findings);
  checkNodes(objects, findings);
}

function finding(object: KubernetesObject, field: string, message: string): InputError {
  const { file, line } = object.place;
  return { file, line, field: `${describeObject(object)} ${field}`, message };
}

/** `Pod shop/a (manifests.yaml:12)`, the other party of a clash. */
function other(object: KubernetesObject): string {
  return `${describeObject(object)} (${formatPlace(object.place)})`;
}

/** A pod that has ended has given its address back; one of the node's network has the node's. */
function holdsAddress(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Succeeded" && phase !== "Failed" && pod.spec.hostNetwork !== true;
}

function checkPodAddresses(objects: Lister, rules: ClusterRules, findings: Findings): void {
  const byAddress = new Map<string, Pod>();
  for (const pod of objects.list("Pod")) {
    const ip = pod.status?.podIP ?? "";
    if (ip === "" || !holdsAddress(pod)) continue;
    const first = byAddress.get(ip);
    if (first === undefined) byAddress.set(ip, pod);
    else findings.errors.push(finding(pod, "status.podIP", `${ip} is the address of ${other(first)} too`));
    const address = parseIpv4(ip);
    if (address !== undefined && rules.podsInNodeCidr) checkCidr(pod, address, objects, findings);
  }
}

function checkCidr(pod: Pod, address: Ipv4, objects: Lister, findings: Findings): void {
  const { nodeName } = pod.spec;
  if (nodeName === undefined || nodeName === "") return;
  const text = objects.get("Node", nodeName)?.spec?.podCIDR ?? "";
  const cidr = parsePrefix4(text);
  if (cidr === undefined || contains(cidr, address)) return;
  const message = `${formatIpv4(address)} is outside ${text}, the podCIDR of its node ${nodeName}`;
  findings.errors.push(finding(pod, "status.podIP", message));
}

function checkServices(objects: Lister, findings: Findings): void {
  const byNodePort = new Map<string, Service>();
  const byClusterIp = new Map<string, Service>();
  const labels: LabelSets = new Map();
  for (const service of objects.list("Service")) {
    const { clusterIP = "", ports = [] } = service.spec;
    if (clusterIP !== "" && clusterIP !== "None") {
      const first = byClusterIp.get(clusterIP);
      if (first === undefined) byClusterIp.set(clusterIP, service);
      else {
        const message = `${clusterIP} is the cluster IP of ${other(first)} too`;
        findings.errors.push(finding(service, "spec.clusterIP", message));
      }
    }
    for (const [i, { nodePort, protocol = "TCP" }] of ports.entries()) {
      if (nodePort === undefined) continue;
      const first = byNodePort.get(`${nodePort}/${protocol}`);
      if (first === undefined) byNodePort.set(`${nodePort}/${protocol}`, service);
      else {
        const message = `${nodePort}/${protocol} is a node port of ${other(first)} too`;
        findings.errors.push(finding(service, `spec.ports[${i}].nodePort`, message));
      }
    }
    checkSelector(service, objects, labels, findings);
  }
}

/** A warning: the pods may come later, and an empty Service is a thing people trace. */
function checkSelector(service: Service, objects: Lister, byNamespace: LabelSets, findings: Findings): void {
  const { selector, type } = service.spec;
  if (selector === undefined || Object.keys(selector).length === 0 || type === "ExternalName") return;
  const namespace = namespaceOf(service);
  // Services and slices alone describe nodes whose pods lie elsewhere.
  if (
    objects.withLabel("EndpointSlice", namespace, "kubernetes.io/service-name", service.metadata.name)
      .length > 0
  )
    return;
  if (objects.get("Endpoints", `${namespace}/${service.metadata.name}`) !== undefined) return;
  const requirements = selectorOfMap(selector);
  const isMet = labelSets(objects, namespace, byNamespace).some((labels) => matches(requirements, labels));
  if (isMet) return;
  const text = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  findings.warnings.push(
    finding(
      service,
      "spec.selector",
      `${text} matches no pod and no workload's template in namespace ${namespace}`,
    ),
  );
}

const WITH_TEMPLATE = [
  "Deployment",
  "ReplicaSet",
  "DaemonSet",
  "StatefulSet",
  "ReplicationController",
] as const;
type LabelSets = Map<string, readonly Readonly<Record<string, string>>[]>;

/** The labels of every pod of a namespace and of every template there, each set once. */
function labelSets(
  objects: Lister,
  namespace: string,
  byNamespace: LabelSets,
): readonly Readonly<Record<string, string>>[] {
  const known = byNamespace.get(namespace);
  if (known !== undefined) return known;
  const sets = new Map<string, Readonly<Record<string, string>>>();
  const add = (labels: Readonly<Record<string, string>> | undefined) => {
    if (labels !== undefined) sets.set(JSON.stringify(labels), labels);
  };
  for (const { metadata } of objects.list("Pod", namespace)) add(metadata.labels);
  for (const kind of WITH_TEMPLATE) {
    for (const { spec } of objects.list(kind, namespace)) add(spec.template?.metadata?.labels);
  }
  const list = [...sets.values()];
  byNamespace.set(namespace, list);
  return list;
}

function checkNodes(objects: Lister, findings: Findings): void {
  const byCidr = new Map<string, KubernetesObject>();
  const byAddress = new Map<string, KubernetesObject>();
  for (const node of objects.list("Node")) {
    const cidr = node.spec?.podCIDR ?? "";
    claim(byCidr, cidr, node, (first) =>
      findings.errors.push(finding(node, "spec.podCIDR", `${cidr} is the podCIDR of ${other(first)} too`)),
    );
    for (const [i, { type, address }] of (node.status?.addresses ?? []).entries()) {
      if (type !== "InternalIP") continue;
      claim(byAddress, address, node, (first) => {
        const message = `${address} is an address of ${other(first)} too`;
        findings.errors.push(finding(node, `status.addresses[${i}].address`, message));
      });
    }
  }
}

function claim(
  taken: Map<string, KubernetesObject>,
  key: string,
  object: KubernetesObject,
  onClash: (first: KubernetesObject) => void,
): void {
  const first = taken.get(key);
  if (key === "") return;
  if (first === undefined) taken.set(key, object);
  else onClash(first);
}
