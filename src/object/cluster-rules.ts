import type { FamilyName } from "../address/family-name.ts";
import { familyOfAddress, parseIp } from "../address/ip.ts";
import { formatIpPrefix, liesIn } from "../address/ip-prefix.ts";
import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import { contains, parsePrefix4 } from "../address/prefix.ts";
import type { KubernetesObject, Pod, Service } from "./kubernetes-object.ts";
import type { Lister } from "./object-map.ts";
import { type Findings, finding } from "./object-report.ts";
import { formatFieldPath } from "./place.ts";
import { checkRanges, other, type Range, type RangeRules, tell } from "./range-rules.ts";
import { checkPolicySelectors, checkSelectors } from "./selected-pods.ts";
import { familyFault } from "./service-families.ts";

/** What must hold between the objects of a cluster. */
export interface ClusterRules extends RangeRules {
  /** The families that the cluster has, where that is known. */
  readonly families?: Range<readonly FamilyName[]>;
  readonly nodePorts?: Range<{ readonly first: number; readonly last: number }>;
}

export function checkCluster(objects: Lister, rules: ClusterRules, findings: Findings): void {
  checkPodAddresses(objects, rules, findings);
  checkServices(objects, rules, findings);
  checkSelectors(objects, findings);
  checkPolicySelectors(objects, findings);
  checkNodes(objects, rules, findings);
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
      tell(rules.families, finding(service, formatFieldPath(fault.field), fault.message), findings);
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
    tell(nodePorts, finding(service, field, message), findings);
  }
}

function checkClusterIp(service: Service, { serviceCidrs = [] }: ClusterRules, findings: Findings): void {
  const text = service.spec.clusterIP ?? "";
  const address = parseIp(text);
  if (address === undefined) return;
  const family = familyOfAddress(address);
  const range = serviceCidrs.find(({ value }) => familyOfAddress(value.address) === family);
  if (range === undefined || liesIn(range.value, address)) return;
  const message = `${text} is outside ${formatIpPrefix(range.value)}, the service CIDR (${range.where})`;
  tell(range, finding(service, "spec.clusterIP", message), findings);
}

function checkNodes(objects: Lister, rules: ClusterRules, findings: Findings): void {
  checkRanges(objects.list("Node"), rules, findings);
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
