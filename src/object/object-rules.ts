import type { Container } from "kubernetes-types/core/v1.js";
import { parseIpv4 } from "../address/ipv4.ts";
import { parseIpv6 } from "../address/ipv6.ts";
import { formatPrefix4, networkOf, parsePrefix4 } from "../address/prefix.ts";
import { CALICO_RULES } from "./calico-rules.ts";
import { checkAddressText, DNS_LABEL, explainPrefix, isPortName } from "./field-table.ts";
import type {
  EndpointSlice,
  KubernetesObject,
  Node,
  Pod,
  ReplicaSet,
  ReplicationController,
  Service,
} from "./kubernetes-object.ts";
import { isLabelKey, isLabelValue, LABEL_VALUE_RULE, SUBDOMAIN } from "./label-names.ts";
import type { ObjectReport } from "./object-report.ts";
import type { FieldPath } from "./place.ts";
import { POLICY_RULES } from "./policy-rules.ts";
import { matches, selectorOf } from "./selector.ts";

/** What the API demands of one object beyond the types of its fields. Asked only of objects whose types are right. */
export function checkRules(object: KubernetesObject, report: ObjectReport): void {
  checkName(object, report);
  checkLabels(object, report);
  RULES[object.kind]?.(object, report);
}

const RULES: Readonly<Record<string, (object: KubernetesObject, report: ObjectReport) => void>> = {
  Node: (object, report) => checkNode(object as Node, report),
  Service: (object, report) => checkService(object as Service, report),
  Pod: (object, report) => checkContainers((object as Pod).spec, ["spec"], report),
  EndpointSlice: (object, report) => checkSlice(object as EndpointSlice, report),
  ReplicationController: (object, report) => checkTemplate((object as ReplicationController).spec, report),
  Deployment: (object, report) => checkWorkload(object as ReplicaSet, report),
  ReplicaSet: (object, report) => checkWorkload(object as ReplicaSet, report),
  DaemonSet: (object, report) => checkWorkload(object as ReplicaSet, report),
  StatefulSet: (object, report) => checkWorkload(object as ReplicaSet, report),
  ...POLICY_RULES,
  ...CALICO_RULES,
};

/** RFC 1123 names, which device names, chains and DNS are made from. */
function checkName({ kind, metadata }: KubernetesObject, report: ObjectReport): void {
  const { name, namespace } = metadata;
  const isLabel = kind === "Service" || kind === "Namespace";
  const most = isLabel ? 63 : 253;
  if (!(isLabel ? DNS_LABEL : SUBDOMAIN).test(name)) {
    const what = `small letters, digits${isLabel ? "" : ", dots"} and dashes, a letter or digit at both ends`;
    report.error(["metadata", "name"], `${JSON.stringify(name)} is no name: ${what}`);
  } else if (name.length > most) {
    report.error(["metadata", "name"], `has ${name.length} characters: ${most} at most`);
  }
  if (namespace !== undefined && !DNS_LABEL.test(namespace)) {
    report.error(["metadata", "namespace"], `${JSON.stringify(namespace)} is no name of a namespace`);
  }
}

/** What a label may be called and say; selectors, chains of comments and columns rely on it. */
function checkLabels({ metadata }: KubernetesObject, report: ObjectReport): void {
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    const path: FieldPath = ["metadata", "labels", key];
    if (!isLabelKey(key)) report.error(path, `${JSON.stringify(key)} is no name of a label`);
    else if (!isLabelValue(value ?? ""))
      report.error(path, `${JSON.stringify(value)} is no value of a label: ${LABEL_VALUE_RULE}`);
  }
}

function checkNode({ spec, status }: Node, report: ObjectReport): void {
  for (const [i, { type, address }] of (status?.addresses ?? []).entries()) {
    // The field is required, and its absence told before.
    if ((type === "InternalIP" || type === "ExternalIP") && typeof address === "string") {
      checkAddressText(address, ["status", "addresses", i, "address"], report);
    }
  }
  checkNetwork(spec?.podCIDR ?? "", ["spec", "podCIDR"], report);
  for (const [i, cidr] of (spec?.podCIDRs ?? []).entries()) {
    checkNetwork(cidr, ["spec", "podCIDRs", i], report);
  }
}

function checkNetwork(text: string, path: FieldPath, report: ObjectReport): void {
  const prefix = parsePrefix4(text);
  if (prefix === undefined || networkOf(prefix).address === prefix.address) return;
  report.error(path, `${text} has host bits: ${formatPrefix4(networkOf(prefix))} is the network`);
}

/** kube-proxy trims blanks and reads leading zeros as decimal, as old objects have them. */
function checkSourceRanges(ranges: readonly string[], report: ObjectReport): void {
  for (const [i, range] of ranges.entries()) {
    const fault = explainPrefix(range.trim().replace(/(^|[./])0+(?=\d)/g, "$1"));
    if (fault !== null) report.error(["spec", "loadBalancerSourceRanges", i], fault);
  }
}

function checkService({ spec }: Service, report: ObjectReport): void {
  const ports = spec.ports ?? [];
  const isHeadless = spec.clusterIP === "None";
  if (spec.type === "ExternalName") {
    if ((spec.externalName ?? "") === "") {
      report.error(["spec", "externalName"], "is missing: a Service of type ExternalName names a host");
    }
  } else if (ports.length === 0 && !isHeadless) {
    report.error(
      ["spec", "ports"],
      "is empty: a Service needs a port, unless it is headless or an ExternalName",
    );
  }
  if (isHeadless && (spec.type === "NodePort" || spec.type === "LoadBalancer")) {
    report.error(["spec", "clusterIP"], `"None" does not go with type ${spec.type}`);
  }
  const [firstIp] = spec.clusterIPs ?? [];
  if (firstIp !== undefined && (spec.clusterIP ?? firstIp) !== firstIp) {
    report.error(["spec", "clusterIPs", 0], `${firstIp} is not spec.clusterIP, ${spec.clusterIP}`);
  }
  checkSourceRanges(spec.loadBalancerSourceRanges ?? [], report);
  const byName = new Map<string, number>();
  const byNumber = new Map<string, number>();
  for (const [i, port] of ports.entries()) {
    const path: FieldPath = ["spec", "ports", i];
    const name = port.name ?? "";
    if (name === "" && ports.length > 1) {
      report.error([...path, "name"], "is missing: a Service with several ports names each");
    }
    claim(byName, name, i, (first) => {
      if (name !== "")
        report.error([...path, "name"], `${JSON.stringify(name)} is the name of spec.ports[${first}] too`);
    });
    claim(byNumber, `${port.port}/${port.protocol ?? "TCP"}`, i, (first) => {
      const number = `${port.port}/${port.protocol ?? "TCP"}`;
      report.error([...path, "port"], `${number} is the port of spec.ports[${first}] too`);
    });
  }
}

function claim(
  taken: Map<string, number>,
  key: string,
  index: number,
  onClash: (first: number) => void,
): void {
  const first = taken.get(key);
  if (first === undefined) taken.set(key, index);
  else onClash(first);
}

function checkSlice({ addressType, endpoints, ports }: EndpointSlice, report: ObjectReport): void {
  for (const [i, { name }] of (ports ?? []).entries()) {
    if (name !== undefined && name !== null) continue;
    report.warning(["ports", i, "name"], 'is missing: kube-proxy leaves such a port out; write name: ""');
  }
  for (const [i, { addresses }] of (endpoints ?? []).entries()) {
    const path: FieldPath = ["endpoints", i, "addresses"];
    if (addresses.length === 0) report.error(path, "is empty: an endpoint has an address");
    for (const [n, address] of addresses.entries()) {
      if (addressType === "FQDN") continue;
      const family = parseIpv6(address) === undefined ? "IPv4" : "IPv6";
      if (family !== addressType && (family === "IPv6" || parseIpv4(address) !== undefined)) {
        report.error(
          [...path, n],
          `${JSON.stringify(address)} is an ${family} address in a slice of addressType ${addressType}`,
        );
      } else checkAddressText(address, [...path, n], report);
    }
  }
}

type PodSpec = { readonly containers?: readonly Container[]; readonly initContainers?: readonly Container[] };

function checkContainers(spec: PodSpec, path: FieldPath, report: ObjectReport): void {
  const containers = spec.containers ?? [];
  if (containers.length === 0)
    report.error([...path, "containers"], "is empty: a pod has at least one container");
  const byName = new Map<string, number>();
  for (const [i, container] of containers.entries()) {
    const at: FieldPath = [...path, "containers", i];
    claim(byName, container.name, i, (first) => {
      report.error(
        [...at, "name"],
        `${JSON.stringify(container.name)} is the name of containers[${first}] too`,
      );
    });
    for (const [n, port] of (container.ports ?? []).entries()) {
      if (port.name !== undefined && port.name !== "" && !isPortName(port.name)) {
        const what = "at most 15 small letters, digits and single dashes, with a letter";
        report.error(
          [...at, "ports", n, "name"],
          `${JSON.stringify(port.name)} is no name of a port: ${what}`,
        );
      }
    }
  }
}

type WorkloadSpec = {
  readonly template?:
    | { readonly metadata?: { labels?: Record<string, string> }; readonly spec?: PodSpec }
    | undefined;
};

function checkTemplate({ template }: WorkloadSpec, report: ObjectReport): void {
  if (template === undefined) return;
  if (template.spec === undefined) {
    report.error(["spec", "template", "spec"], "is missing: the pods' containers are expected");
  } else checkContainers(template.spec, ["spec", "template", "spec"], report);
}

function checkWorkload(object: ReplicaSet, report: ObjectReport): void {
  const { selector, template } = object.spec;
  checkTemplate(object.spec, report);
  const requirements = selectorOf(selector);
  if (requirements.length === 0) {
    report.error(["spec", "selector"], "is empty: it must select the labels of the template");
  } else if (template !== undefined && !matches(requirements, template.metadata?.labels)) {
    report.error(
      ["spec", "selector"],
      "does not match the labels of spec.template: none of its pods would belong to it",
    );
  }
}
