import type { NetworkPolicyPeer, NetworkPolicyPort } from "kubernetes-types/networking/v1.js";
import { covers, parsePrefix4 } from "../address/prefix.ts";
import { covers6, parsePrefix6 } from "../address/prefix6.ts";
import { isPortName } from "./field-table.ts";
import type {
  AdminNetworkPolicy,
  BaselineAdminNetworkPolicy,
  KubernetesObject,
  NetworkPolicy,
} from "./kubernetes-object.ts";
import { checkLabelSelector } from "./label-selector-rules.ts";
import type { ObjectReport } from "./object-report.ts";
import type { FieldPath } from "./place.ts";
import type { AdminPolicyPort, AdminPolicyRule, AdminPolicySubject } from "./policy-types.ts";

/** What the API demands of a policy beyond the types of its fields (`ValidateNetworkPolicySpec`; KEP-2091's CRDs). */
type Rules = Readonly<Record<string, (object: KubernetesObject, report: ObjectReport) => void>>;

export const POLICY_RULES: Rules = {
  NetworkPolicy: (object, report) => checkNetworkPolicy(object as NetworkPolicy, report),
  AdminNetworkPolicy: (object, report) => checkAdminPolicy(object as AdminNetworkPolicy, report),
  BaselineAdminNetworkPolicy: (object, report) => {
    const { metadata } = object;
    if (metadata.name !== "default") {
      const message = `${JSON.stringify(metadata.name)} is not "default", the one name such an object may have`;
      report.error(["metadata", "name"], message);
    }
    checkAdminPolicy(object as BaselineAdminNetworkPolicy, report);
  },
};

function checkNetworkPolicy({ spec }: NetworkPolicy, report: ObjectReport): void {
  checkLabelSelector(spec.podSelector, ["spec", "podSelector"], report);
  for (const [i, { from = [], ports = [] }] of (spec.ingress ?? []).entries()) {
    const path: FieldPath = ["spec", "ingress", i];
    for (const [n, peer] of from.entries()) checkPeer(peer, [...path, "from", n], report);
    for (const [n, port] of ports.entries()) checkPort(port, [...path, "ports", n], report);
  }
  for (const [i, { to = [], ports = [] }] of (spec.egress ?? []).entries()) {
    const path: FieldPath = ["spec", "egress", i];
    for (const [n, peer] of to.entries()) checkPeer(peer, [...path, "to", n], report);
    for (const [n, port] of ports.entries()) checkPort(port, [...path, "ports", n], report);
  }
  const types = spec.policyTypes ?? [];
  if (types.length > 2)
    report.error(["spec", "policyTypes"], `names ${types.length} types: there are but two`);
  for (const [type, rules] of [
    ["Ingress", spec.ingress],
    ["Egress", spec.egress],
  ] as const) {
    if (rules === undefined || rules.length === 0 || types.includes(type)) continue;
    const field = type.toLowerCase();
    report.warning(["spec", field], `has no effect: policyTypes does not name ${type}`);
  }
}

function checkPeer(peer: NetworkPolicyPeer, path: FieldPath, report: ObjectReport): void {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  if (ipBlock === undefined && podSelector === undefined && namespaceSelector === undefined) {
    report.error(path, "is empty: podSelector, namespaceSelector or ipBlock is expected");
    return;
  }
  if (podSelector !== undefined) checkLabelSelector(podSelector, [...path, "podSelector"], report);
  if (namespaceSelector !== undefined)
    checkLabelSelector(namespaceSelector, [...path, "namespaceSelector"], report);
  if (ipBlock === undefined) return;
  if (podSelector !== undefined || namespaceSelector !== undefined) {
    report.error([...path, "ipBlock"], "does not go with a selector: write a peer of its own for it");
  }
  for (const [i, inner] of (ipBlock.except ?? []).entries()) {
    if (isInside(ipBlock.cidr, inner)) continue;
    const message = `${inner} is no smaller part of ${ipBlock.cidr}, the block that it is an exception from`;
    report.error([...path, "ipBlock", "except", i], message);
  }
}

/** Within the block, and not all of it. */
function isInside(outer: string, inner: string): boolean {
  const [outer4, inner4] = [parsePrefix4(outer), parsePrefix4(inner)];
  if (outer4 !== undefined && inner4 !== undefined)
    return covers(outer4, inner4) && outer4.length < inner4.length;
  const [outer6, inner6] = [parsePrefix6(outer), parsePrefix6(inner)];
  if (outer6 === undefined || inner6 === undefined) return false;
  return covers6(outer6, inner6) && outer6.length < inner6.length;
}

function checkPort({ port, endPort }: NetworkPolicyPort, path: FieldPath, report: ObjectReport): void {
  if (endPort === undefined) return;
  if (typeof port !== "number") {
    const what = port === undefined ? "without a port" : `with the name ${JSON.stringify(port)}`;
    report.error([...path, "endPort"], `stands ${what}: it ends a range that begins with a number`);
  } else if (endPort < port) report.error([...path, "endPort"], `${endPort} is below port, ${port}`);
}

function checkAdminPolicy(
  { spec }: AdminNetworkPolicy | BaselineAdminNetworkPolicy,
  report: ObjectReport,
): void {
  checkSubject(spec.subject, ["spec", "subject"], "namespaces or pods", report);
  for (const [i, rule] of (spec.ingress ?? []).entries())
    checkAdminRule(rule, rule.from, ["spec", "ingress", i], "from", report);
  for (const [i, rule] of (spec.egress ?? []).entries())
    checkAdminRule(rule, rule.to, ["spec", "egress", i], "to", report);
}

function checkAdminRule(
  { ports = [] }: AdminPolicyRule,
  peers: readonly AdminPolicySubject[] | undefined,
  path: FieldPath,
  field: string,
  report: ObjectReport,
): void {
  if (peers !== undefined && peers.length === 0)
    report.error([...path, field], "is empty: a rule of an admin policy names its peers");
  const kinds = field === "from" ? "namespaces or pods" : "namespaces, pods, nodes or networks";
  for (const [i, peer] of (peers ?? []).entries()) checkSubject(peer, [...path, field, i], kinds, report);
  for (const [i, port] of ports.entries()) checkAdminPort(port, [...path, "ports", i], report);
}

function checkSubject(
  subject: AdminPolicySubject,
  path: FieldPath,
  kinds: string,
  report: ObjectReport,
): void {
  checkOne(subject, kinds, path, report);
  const { namespaces, pods } = subject;
  if (namespaces !== undefined) checkLabelSelector(namespaces, [...path, "namespaces"], report);
  if (pods === undefined) return;
  checkLabelSelector(pods.namespaceSelector, [...path, "pods", "namespaceSelector"], report);
  checkLabelSelector(pods.podSelector, [...path, "pods", "podSelector"], report);
}

function checkAdminPort(port: AdminPolicyPort, path: FieldPath, report: ObjectReport): void {
  checkOne(port, "portNumber, portRange or namedPort", path, report);
  const { portRange, namedPort } = port;
  if (portRange !== undefined && portRange.end <= portRange.start)
    report.error([...path, "portRange", "end"], `${portRange.end} is not above start, ${portRange.start}`);
  if (namedPort !== undefined && !isPortName(namedPort))
    report.error([...path, "namedPort"], `${JSON.stringify(namedPort)} is no name of a port`);
}

/** `kinds`: `a, b or c`, of which one must be there. */
function checkOne(value: object, kinds: string, path: FieldPath, report: ObjectReport): void {
  const known = kinds.split(/, | or /);
  const count = Object.keys(value).filter((name) => known.includes(name)).length;
  if (count !== 1) report.error(path, `has ${count} of ${kinds}: exactly one is expected`);
}
