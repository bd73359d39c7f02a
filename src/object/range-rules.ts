import { familyOfAddress, parseIp } from "../address/ip.ts";
import {
  coversIp,
  formatIpPrefix,
  type IpPrefix,
  liesIn,
  networkOfIp,
  overlapIp,
  parseIpPrefix,
} from "../address/ip-prefix.ts";
import type { InputError } from "../world/input-error.ts";
import { describeObject, type KubernetesObject, type Node } from "./kubernetes-object.ts";
import { type Findings, finding } from "./object-report.ts";
import { formatPlace } from "./place.ts";

/** A range that the cluster gives from, and where that is said. */
export interface Range<T> {
  readonly value: T;
  readonly where: string;
  /** What lies outside is a mistake; else it only shows that the assumption does not hold. */
  readonly isLaw: boolean;
}

export interface RangeRules {
  /** The CNI gives pods addresses of their node's podCIDR, as host-local does; Calico, Weave or a cloud's does not. */
  readonly podsInNodeCidr: boolean;
  /** Of the pods and of the Services, one of each family that the cluster has. */
  readonly clusterCidrs?: readonly Range<IpPrefix>[];
  readonly serviceCidrs?: readonly Range<IpPrefix>[];
}

/** A podCIDR as a Node names it. */
interface Given {
  readonly node: Node;
  readonly cidr: IpPrefix;
  readonly field: string;
  /** Its place in the input. */
  readonly i: number;
}

/** Ranges that must be apart: those of pods, of Services, of nodes. */
export function checkRanges(nodes: readonly Node[], rules: RangeRules, findings: Findings): void {
  const given = nodes.flatMap(cidrsOf).map((one, i): Given => ({ ...one, i }));
  checkWithin(given, rules, findings);
  checkApart(given, findings);
  checkWholeRanges(nodes, rules, findings);
  if (!rules.podsInNodeCidr) return;
  checkServiceRanges(given, rules, findings);
  checkNodeAddresses(given, nodes, findings);
}

function cidrsOf(node: Node): Omit<Given, "i">[] {
  const { podCIDR, podCIDRs } = node.spec ?? {};
  const named = [
    { text: podCIDR ?? "", field: "spec.podCIDR" },
    ...(podCIDRs ?? []).map((text, i) => ({ text, field: `spec.podCIDRs[${i}]` })),
  ];
  const seen = new Set<string>();
  return named.flatMap(({ text, field }) => {
    const cidr = parseIpPrefix(text);
    if (cidr === undefined || seen.has(text)) return [];
    seen.add(text);
    return [{ node, cidr, field }];
  });
}

/** All podCIDRs must be of the cluster's range where pods get their addresses from them. */
function checkWithin(given: readonly Given[], rules: RangeRules, findings: Findings): void {
  const { podsInNodeCidr, clusterCidrs = [] } = rules;
  if (!podsInNodeCidr) return;
  for (const { node, cidr, field } of given) {
    const whole = clusterCidrs.find(({ value }) => isOfOneFamily(value, cidr));
    if (whole === undefined || coversIp(whole.value, cidr)) continue;
    const message = `${formatIpPrefix(cidr)} is outside ${formatIpPrefix(whole.value)}, the cluster CIDR (${whole.where})`;
    tell(whole, finding(node, field, message), findings);
  }
}

/** No podCIDR may share an address with another. The one that comes later in the input is told of. */
function checkApart(given: readonly Given[], findings: Findings): void {
  const byText = new Map<string, Given>();
  for (const one of given) {
    const text = formatIpPrefix(networkOfIp(one.cidr));
    if (!byText.has(text)) byText.set(text, one);
  }
  const lengths = [...new Set(given.map(({ cidr }) => cidr.length))].sort((a, b) => a - b);
  for (const one of given) {
    const around = lengths
      .filter((length) => length <= one.cidr.length)
      .map((length) => byText.get(formatIpPrefix(networkOfIp({ ...one.cidr, length } as IpPrefix))));
    const widest = around.find((found) => found !== undefined);
    if (widest === undefined || widest.node === one.node) continue;
    const [earlier, later] = widest.i < one.i ? [widest, one] : [one, widest];
    const text = formatIpPrefix(later.cidr);
    const message =
      earlier.cidr.length === later.cidr.length
        ? `${text} is the podCIDR of ${other(earlier.node)} too`
        : `${text} overlaps ${formatIpPrefix(earlier.cidr)}, the podCIDR of ${other(earlier.node)}`;
    findings.errors.push(finding(later.node, later.field, message));
  }
}

/**
 * Two ranges of which an address may be both a pod's and a Service's. The control plane takes them (its range allocator only
 * leaves the Services' part out when it cuts podCIDRs), so they are traced as they are.
 */
function checkWholeRanges(
  nodes: readonly Node[],
  { clusterCidrs = [], serviceCidrs = [], podsInNodeCidr }: RangeRules,
  findings: Findings,
): void {
  // A pool of Calico's is told of by itself.
  checkNodesOutside(nodes, "cluster CIDR", podsInNodeCidr ? clusterCidrs : [], findings);
  checkNodesOutside(nodes, "service CIDR", serviceCidrs, findings);
  for (const pods of clusterCidrs) {
    const services = serviceCidrs.find(({ value }) => overlapIp(value, pods.value));
    if (services === undefined || !pods.isLaw || !services.isLaw) continue;
    const message = `${formatIpPrefix(pods.value)} overlaps ${formatIpPrefix(services.value)}, the service CIDR (${services.where}): an address of both may be a pod's or a Service's`;
    findings.warnings.push({ file: pods.where, line: null, field: "cluster CIDR", message });
  }
}

/** Nodes with addresses of pods or of Services: kube-proxy and the network take them for these. */
function checkNodesOutside(
  nodes: readonly Node[],
  name: string,
  ranges: readonly Range<IpPrefix>[],
  findings: Findings,
): void {
  for (const { value, where, isLaw } of ranges) {
    if (!isLaw) continue;
    for (const node of nodes) {
      const inside = (node.status?.addresses ?? []).find(({ type, address }) => {
        const parsed = type === "InternalIP" ? parseIp(address ?? "") : undefined;
        return parsed !== undefined && liesIn(value, parsed);
      });
      if (inside === undefined) continue;
      const message = `${formatIpPrefix(value)} holds ${inside.address}, the address of ${other(node)}: nodes need a network of their own`;
      findings.warnings.push({ file: where, line: null, field: name, message });
      break;
    }
  }
}

/** A node's pods with addresses of Services: the control plane never gives such a range. */
function checkServiceRanges(given: readonly Given[], rules: RangeRules, findings: Findings): void {
  for (const { node, cidr, field } of given) {
    const services = rules.serviceCidrs?.find(({ value }) => overlapIp(value, cidr));
    if (services === undefined) continue;
    const message = `${formatIpPrefix(cidr)} overlaps ${formatIpPrefix(services.value)}, the service CIDR (${services.where}): pods there would have addresses of Services`;
    tell(services, finding(node, field, message), findings);
  }
}

/** A node's own address in a range of pods: its route to the other nodes would be the bridge's. */
function checkNodeAddresses(given: readonly Given[], nodes: readonly Node[], findings: Findings): void {
  if (given.length === 0) return;
  const byText = new Map(given.map((one) => [formatIpPrefix(networkOfIp(one.cidr)), one] as const));
  const lengths = [...new Set(given.map(({ cidr }) => cidr.length))];
  for (const node of nodes) {
    for (const { type, address: text } of node.status?.addresses ?? []) {
      const address = type === "InternalIP" ? parseIp(text ?? "") : undefined;
      if (address === undefined) continue;
      const bits = familyOfAddress(address) === 4 ? 32 : 128;
      const found = lengths
        .filter((length) => length <= bits)
        .map((length) => byText.get(formatIpPrefix(networkOfIp({ address, length } as IpPrefix))))
        .find((one) => one !== undefined && liesIn(one.cidr, address));
      if (found === undefined) continue;
      const whose = found.node === node ? "the node itself" : other(node);
      const message = `${formatIpPrefix(found.cidr)} holds ${text}, the address of ${whose}: pods and nodes need networks of their own`;
      findings.errors.push(finding(found.node, found.field, message));
    }
  }
}

function isOfOneFamily(a: IpPrefix, b: IpPrefix): boolean {
  return familyOfAddress(a.address) === familyOfAddress(b.address);
}

/** As a mistake, or as a doubt about an assumption. */
export function tell(range: Range<unknown>, found: InputError, findings: Findings): void {
  (range.isLaw ? findings.errors : findings.warnings).push(found);
}

/** `Node n1 (nodes.yaml:12)`, the other party of a clash. */
export function other(object: KubernetesObject): string {
  return `${describeObject(object)} (${formatPlace(object.place)})`;
}
