import type { FamilyName } from "../address/family-name.ts";
import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import { contains, covers, firstOf, formatPrefix4, type Prefix4, parsePrefix4 } from "../address/prefix.ts";
import type { InputError } from "../world/input-error.ts";
import {
  describeObject,
  type KubernetesObject,
  type Node,
  type Pod,
  type Service,
} from "./kubernetes-object.ts";
import type { Lister } from "./object-map.ts";
import { type Findings, finding } from "./object-report.ts";
import { formatFieldPath, formatPlace } from "./place.ts";
import { checkPolicySelectors, checkSelectors } from "./selected-pods.ts";
import { familyFault } from "./service-families.ts";

/** What must hold between the objects of a cluster. */
export interface ClusterRules {
  /** The CNI gives pods addresses of their node's podCIDR, as host-local does; Calico, Weave or a cloud's does not. */
  readonly podsInNodeCidr: boolean;
  /** The families that the cluster has, where that is known. */
  readonly families?: Range<readonly FamilyName[]>;
  readonly clusterCidr?: Range<Prefix4>;
  readonly serviceCidr?: Range<Prefix4>;
  readonly nodePorts?: Range<{ readonly first: number; readonly last: number }>;
}

/** A range that the cluster gives from, and where that is said. */
export interface Range<T> {
  readonly value: T;
  readonly where: string;
  /** What lies outside is a mistake; else it only shows that the assumption does not hold. */
  readonly isLaw: boolean;
}

export function checkCluster(objects: Lister, rules: ClusterRules, findings: Findings): void {
  checkPodAddresses(objects, rules, findings);
  checkServices(objects, rules, findings);
  checkSelectors(objects, findings);
  checkPolicySelectors(objects, findings);
  checkNodes(objects, rules, findings);
}

function outside(range: Range<unknown>, found: InputError, findings: Findings): void {
  (range.isLaw ? findings.errors : findings.warnings).push(found);
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

function checkServices(objects: Lister, rules: ClusterRules, findings: Findings): void {
  const byNodePort = new Map<string, Service>();
  const byClusterIp = new Map<string, Service>();
  for (const service of objects.list("Service")) {
    const { clusterIP = "", healthCheckNodePort = 0, ports = [] } = service.spec;
    checkClusterIp(service, rules, findings);
    const fault = rules.families === undefined ? null : familyFault(service, rules.families.value);
    if (fault !== null && rules.families !== undefined) {
      outside(rules.families, finding(service, formatFieldPath(fault.field), fault.message), findings);
    }
    if (clusterIP !== "" && clusterIP !== "None") {
      const first = byClusterIp.get(clusterIP);
      if (first === undefined) byClusterIp.set(clusterIP, service);
      else {
        const message = `${clusterIP} is the cluster IP of ${other(first)} too`;
        findings.errors.push(finding(service, "spec.clusterIP", message));
      }
    }
    for (const [i, { nodePort, protocol = "TCP" }] of ports.entries()) {
      if (nodePort !== undefined) claimPort(nodePort, protocol, service, `spec.ports[${i}].nodePort`);
    }
    if (healthCheckNodePort !== 0) claimPort(healthCheckNodePort, "TCP", service, "spec.healthCheckNodePort");
  }

  function claimPort(number: number, protocol: string, service: Service, field: string): void {
    claim(byNodePort, `${number}/${protocol}`, service, (first) => {
      const message = `${number}/${protocol} is a node port of ${other(first)} too`;
      findings.errors.push(finding(service, field, message));
    });
    const { nodePorts } = rules;
    if (nodePorts === undefined) return;
    const { first, last } = nodePorts.value;
    if (number >= first && number <= last) return;
    const message = `${number} is outside ${first}-${last}, the range of node ports (${nodePorts.where})`;
    outside(nodePorts, finding(service, field, message), findings);
  }
}

function checkClusterIp(service: Service, { serviceCidr }: ClusterRules, findings: Findings): void {
  const address = parseIpv4(service.spec.clusterIP ?? "");
  if (address === undefined || serviceCidr === undefined || contains(serviceCidr.value, address)) return;
  const cidr = formatPrefix4(serviceCidr.value);
  const message = `${formatIpv4(address)} is outside ${cidr}, the service CIDR (${serviceCidr.where})`;
  outside(serviceCidr, finding(service, "spec.clusterIP", message), findings);
}

function checkNodes(objects: Lister, rules: ClusterRules, findings: Findings): void {
  checkPodCidrs(objects.list("Node"), rules, findings);
  const byAddress = new Map<string, KubernetesObject>();
  for (const node of objects.list("Node")) {
    for (const [i, { type, address }] of (node.status?.addresses ?? []).entries()) {
      if (type !== "InternalIP") continue;
      claim(byAddress, address, node, (first) => {
        const message = `${address} is an address of ${other(first)} too`;
        findings.errors.push(finding(node, `status.addresses[${i}].address`, message));
      });
    }
  }
}

/** No podCIDR may share an address with another, and all must be of the cluster's where pods get theirs from them. */
function checkPodCidrs(
  nodes: readonly Node[],
  { clusterCidr, podsInNodeCidr }: ClusterRules,
  findings: Findings,
): void {
  const given = nodes.flatMap((node) => {
    const cidr = parsePrefix4(node.spec?.podCIDR ?? "");
    return cidr === undefined ? [] : [{ node, cidr, first: firstOf(cidr) >>> 0 }];
  });
  for (const { node, cidr } of given) {
    if (!podsInNodeCidr || clusterCidr === undefined || covers(clusterCidr.value, cidr)) continue;
    const whole = formatPrefix4(clusterCidr.value);
    const message = `${formatPrefix4(cidr)} is outside ${whole}, the cluster CIDR (${clusterCidr.where})`;
    outside(clusterCidr, finding(node, "spec.podCIDR", message), findings);
  }
  // By their first addresses, the wider one before: whoever overlaps lies in the last wide one before it.
  const ordered = given
    .map((one, i) => ({ ...one, i }))
    .sort((a, b) => a.first - b.first || a.cidr.length - b.cidr.length || a.i - b.i);
  let wide: (typeof ordered)[number] | undefined;
  for (const one of ordered) {
    if (wide === undefined || !covers(wide.cidr, one.cidr)) {
      wide = one;
      continue;
    }
    // The one that comes later in the input is told of.
    const [earlier, later] = wide.i < one.i ? [wide, one] : [one, wide];
    const text = formatPrefix4(later.cidr);
    const message =
      earlier.cidr.length === later.cidr.length
        ? `${text} is the podCIDR of ${other(earlier.node)} too`
        : `${text} overlaps ${formatPrefix4(earlier.cidr)}, the podCIDR of ${other(earlier.node)}`;
    findings.errors.push(finding(later.node, "spec.podCIDR", message));
  }
}

function claim<K extends KubernetesObject>(
  taken: Map<string, K>,
  key: string,
  object: K,
  onClash: (first: K) => void,
): void {
  const first = taken.get(key);
  if (key === "") return;
  if (first === undefined) taken.set(key, object);
  else onClash(first);
}
