import { isJsonObject } from "../kernel/json-fields.ts";
import { parseCalicoSelector } from "./calico-selector.ts";
import { isPortName } from "./field-table.ts";
import type {
  CalicoNetworkPolicy,
  GlobalNetworkPolicy,
  HostEndpoint,
  KubernetesObject,
  Profile,
  Tier,
} from "./kubernetes-object.ts";
import type { ObjectReport } from "./object-report.ts";
import type { FieldPath } from "./place.ts";
import type { CalicoEntity, CalicoGlobalPolicySpec, CalicoRule } from "./policy-types.ts";

/** What Calico demands of its objects beyond the types of their fields (libcalico-go, `validator/v3`). */
type Rules = Readonly<Record<string, (object: KubernetesObject, report: ObjectReport) => void>>;

export const CALICO_RULES: Rules = {
  CalicoNetworkPolicy: (object, report) => checkPolicy((object as CalicoNetworkPolicy).spec, report),
  GlobalNetworkPolicy: (object, report) => checkPolicy((object as GlobalNetworkPolicy).spec, report),
  Profile: (object, report) => {
    const { ingress = [], egress = [] } = (object as Profile).spec;
    checkRuleList(ingress, ["spec", "ingress"], report);
    checkRuleList(egress, ["spec", "egress"], report);
  },
  Tier: (object, report) => checkOrder((object as Tier).spec.order, report),
  HostEndpoint: (object, report) => checkHostEndpoint(object as HostEndpoint, report),
};

function checkPolicy(spec: CalicoGlobalPolicySpec, report: ObjectReport): void {
  checkOrder(spec.order, report);
  for (const field of ["selector", "serviceAccountSelector", "namespaceSelector"] as const)
    checkSelector(spec[field], ["spec", field], report);
  checkRuleList(spec.ingress ?? [], ["spec", "ingress"], report);
  checkRuleList(spec.egress ?? [], ["spec", "egress"], report);
  const { doNotTrack, preDNAT, applyOnForward, types = [], egress = [] } = spec;
  if (doNotTrack === true && preDNAT === true)
    report.error(
      ["spec", "preDNAT"],
      "does not go with doNotTrack: packets that are not tracked have no DNAT",
    );
  for (const field of ["doNotTrack", "preDNAT"] as const) {
    if (spec[field] === true && applyOnForward !== true)
      report.error(["spec", "applyOnForward"], `is not true: ${field} needs it`);
  }
  if (preDNAT === true && (egress.length > 0 || types.includes("Egress")))
    report.error(["spec", "preDNAT"], "is of ingress alone: the policy has rules or the type of egress");
}

function checkOrder(order: unknown, report: ObjectReport): void {
  if (order !== undefined && order !== null && !Number.isFinite(order))
    report.error(["spec", "order"], `${JSON.stringify(order)} is not a number`);
}

function checkRuleList(rules: readonly CalicoRule[], path: FieldPath, report: ObjectReport): void {
  for (const [i, rule] of rules.entries()) checkRule(rule, [...path, i], report);
}

/** The protocols that have a name; another is a number from 1 to 255. */
const PROTOCOLS = ["TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite"];
const WITH_PORTS = new Set<unknown>(["TCP", "UDP", "SCTP", 6, 17, 132]);
const ICMPS = new Set<unknown>(["ICMP", "ICMPv6", 1, 58]);

function checkRule(rule: CalicoRule, path: FieldPath, report: ObjectReport): void {
  for (const field of ["protocol", "notProtocol"] as const) {
    const value: unknown = rule[field];
    if (value === undefined || isProtocol(value)) continue;
    const message = `${JSON.stringify(value)} is none of ${PROTOCOLS.join(", ")} and no number from 1 to 255`;
    report.error([...path, field], message);
  }
  if (rule.ipVersion === (5 as unknown)) report.error([...path, "ipVersion"], "5 is not 4 or 6");
  for (const field of ["icmp", "notICMP"] as const) {
    const icmp = rule[field];
    if (icmp === undefined) continue;
    if (!ICMPS.has(rule.protocol)) report.error([...path, field], "needs protocol ICMP or ICMPv6");
    if (icmp.code !== undefined && icmp.type === undefined)
      report.error([...path, field, "code"], "stands without a type");
  }
  for (const side of ["source", "destination"] as const) {
    const entity = rule[side];
    if (entity !== undefined) checkEntity(entity, rule, [...path, side], report);
  }
  for (const [field, value] of [
    ["http", (rule as { http?: unknown }).http],
    ["destination.services", (rule.destination as { services?: unknown } | undefined)?.services],
  ] as const) {
    if (isJsonObject(value)) {
      report.error([...path, field], "is not modelled: a rule without it would say something else");
    }
  }
}

function isProtocol(value: unknown): boolean {
  if (typeof value === "string") return PROTOCOLS.includes(value);
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 255;
}

function checkEntity(entity: CalicoEntity, rule: CalicoRule, path: FieldPath, report: ObjectReport): void {
  for (const field of ["selector", "notSelector", "namespaceSelector"] as const)
    checkSelector(entity[field], [...path, field], report);
  checkSelector(entity.serviceAccounts?.selector, [...path, "serviceAccounts", "selector"], report);
  for (const field of ["ports", "notPorts"] as const) {
    const ports = entity[field] ?? [];
    if (ports.length > 0 && !WITH_PORTS.has(rule.protocol))
      report.error([...path, field], "needs protocol TCP, UDP or SCTP");
    for (const [i, port] of ports.entries()) {
      const fault = faultOfPort(port);
      if (fault !== null) report.error([...path, field, i], fault);
    }
  }
}

function checkSelector(text: string | undefined, path: FieldPath, report: ObjectReport): void {
  const parsed = parseCalicoSelector(text ?? "");
  if (parsed.kind === "invalid") report.error(path, parsed.message);
}

const isPort = (port: number) => Number.isInteger(port) && port >= 0 && port <= 65_535;

function faultOfPort(port: unknown): string | null {
  if (typeof port === "number" && isPort(port)) return null;
  const [, first, last] = /^(\d+)(?::(\d+))?$/.exec(String(port)) ?? [];
  if (typeof port === "string" && first === undefined && isPortName(port)) return null;
  if (typeof port !== "string" || first === undefined || !isPort(Number(first)) || !isPort(Number(last ?? 0)))
    return `${JSON.stringify(port)} is no port, no first:last and no name of a port`;
  return last !== undefined && Number(last) < Number(first) ? `${port} ends below its beginning` : null;
}

function checkHostEndpoint({ spec }: HostEndpoint, report: ObjectReport): void {
  if ((spec.node ?? "") === "") report.error(["spec", "node"], "is missing: the name of a Node is expected");
  if ((spec.interfaceName ?? "") === "" && (spec.expectedIPs ?? []).length === 0) {
    report.error(["spec", "interfaceName"], "is missing: a device, *, or else expectedIPs is expected");
  }
}
