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
  CalicoNetworkPolicy: (object, report) => checkPolicy((object as CalicoNetworkPolicy).spec, true, report),
  GlobalNetworkPolicy: (object, report) => checkPolicy((object as GlobalNetworkPolicy).spec, false, report),
  Profile: (object, report) => {
    const { ingress = [], egress = [] } = (object as Profile).spec;
    checkRuleList(ingress, false, ["spec", "ingress"], report);
    checkRuleList(egress, false, ["spec", "egress"], report);
  },
  NetworkSet: checkNetworkSet,
  GlobalNetworkSet: checkNetworkSet,
  Tier: (object, report) => checkOrder((object as Tier).spec.order, report),
  HostEndpoint: (object, report) => checkHostEndpoint(object as HostEndpoint, report),
};

function checkPolicy(spec: CalicoGlobalPolicySpec, isNamespaced: boolean, report: ObjectReport): void {
  checkOrder(spec.order, report);
  for (const field of ["selector", "serviceAccountSelector", "namespaceSelector"] as const)
    checkSelector(spec[field], ["spec", field], report);
  for (const field of ["selector", "serviceAccountSelector"] as const)
    checkNotGlobal(spec[field], ["spec", field], report);
  checkRuleList(spec.ingress ?? [], isNamespaced, ["spec", "ingress"], report);
  checkRuleList(spec.egress ?? [], isNamespaced, ["spec", "egress"], report);
  const named = spec.types ?? [];
  const twice = named.find((type, i) => named.indexOf(type) !== i);
  if (twice !== undefined) report.error(["spec", "types"], `names ${twice} more than once`);
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

function checkRuleList(
  rules: readonly CalicoRule[],
  isNamespaced: boolean,
  path: FieldPath,
  report: ObjectReport,
): void {
  const side = path.at(-1) === "ingress" ? "source" : "destination";
  for (const [i, rule] of rules.entries()) {
    checkRule(rule, [...path, i], report);
    checkHttp(rule, side === "source", [...path, i], report);
    for (const end of ["source", "destination"] as const) {
      const services = rule[end]?.services;
      if (services === undefined) continue;
      checkServices(rule, end, [...path, i, end], report);
      if (end !== side)
        report.error([...path, i, end, "services"], `is not possible: such rules ask for a ${side}`);
      if (!isNamespaced && (services.namespace ?? "") === "")
        report.error([...path, i, end, "services", "namespace"], "is missing: no namespace is around it");
    }
  }
}

/** A Service says by itself which addresses and ports are meant. */
function checkServices(
  rule: CalicoRule,
  end: "source" | "destination",
  path: FieldPath,
  report: ObjectReport,
) {
  const entity = rule[end] ?? {};
  if ((entity.services?.name ?? "") === "")
    report.error([...path, "services", "name"], "is missing: the name of a Service is expected");
  const beside = [
    "selector",
    "notSelector",
    "namespaceSelector",
    "serviceAccounts",
    "nets",
    "notNets",
  ] as const;
  const ports = end === "destination" ? (["ports", "notPorts"] as const) : [];
  for (const field of [...beside, ...ports]) {
    const value: unknown = entity[field];
    const isEmpty = value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
    if (!isEmpty) report.error([...path, field], "does not go with services");
  }
}

/** Asked by Dikastes beside the pod (application layer policy), never by the kernel. */
function checkHttp(rule: CalicoRule, isIngress: boolean, path: FieldPath, report: ObjectReport): void {
  const { http } = rule as { readonly http?: unknown };
  if (!isJsonObject(http)) return;
  if (rule.action !== "Allow") report.error([...path, "http"], "needs action Allow");
  else if (!isIngress) report.error([...path, "http"], "is of ingress alone");
  else if (rule.protocol !== undefined && rule.protocol !== "TCP" && rule.protocol !== 6)
    report.error([...path, "http"], "needs protocol TCP");
  else
    report.warning(
      [...path, "http"],
      "has no effect in the kernel: Felix's rules ask the rest of the rule, the request only a Dikastes beside the pod, which is not modelled",
    );
}

function checkNetworkSet({ metadata }: KubernetesObject, report: ObjectReport): void {
  const label = "projectcalico.org/namespace";
  if (Object.hasOwn(metadata.labels ?? {}, label))
    report.error(["metadata", "labels", label], "is Calico's own: it cannot be given");
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
  checkFamilies(rule, path, report);
}

const ICMP_FAMILY: Readonly<Record<string, 4 | 6>> = { ICMP: 4, "1": 4, ICMPv6: 6, "58": 6 };

/** A rule is of one family as soon as it names an address. */
function checkFamilies(rule: CalicoRule, path: FieldPath, report: ObjectReport): void {
  const { protocol, notProtocol, ipVersion, source = {}, destination = {} } = rule;
  const lists = [source.nets, source.notNets, destination.nets, destination.notNets];
  const nets = lists.flatMap((list) => list ?? []);
  const families = new Set(nets.map((net) => (net.includes(":") ? 6 : 4)));
  if (families.size > 1)
    report.warning(
      path,
      "names ranges of both families: Calico's API server refuses it, and Felix takes for each only its own",
    );
  const icmp = ICMP_FAMILY[String(protocol)] ?? ICMP_FAMILY[String(notProtocol)];
  if (ipVersion === undefined) return;
  if (icmp !== undefined && icmp !== ipVersion)
    report.error([...path, "ipVersion"], `${ipVersion} does not go with ${icmp === 4 ? "ICMP" : "ICMPv6"}`);
  const other = [...families].find((family) => family !== ipVersion);
  if (other !== undefined)
    report.error([...path, "ipVersion"], `${ipVersion} does not go with a range of IPv${other}`);
}

function isProtocol(value: unknown): boolean {
  if (typeof value === "string") return PROTOCOLS.includes(value);
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 255;
}

function checkEntity(entity: CalicoEntity, rule: CalicoRule, path: FieldPath, report: ObjectReport): void {
  for (const field of ["selector", "notSelector", "namespaceSelector"] as const)
    checkSelector(entity[field], [...path, field], report);
  for (const field of ["selector", "notSelector"] as const)
    checkNotGlobal(entity[field], [...path, field], report);
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

function checkNotGlobal(text: string | undefined, path: FieldPath, report: ObjectReport): void {
  if (text?.includes("global()") === true)
    report.error(path, "holds global(), which is of the namespaceSelector of a rule alone");
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
