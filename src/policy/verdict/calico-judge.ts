import { calicoSelector, selects, withKeyPrefix } from "../../object/calico-selector.ts";
import {
  type CalicoNetworkPolicy,
  type GlobalNetworkPolicy,
  namespaceOf,
  type Profile,
} from "../../object/kubernetes-object.ts";
import type { Lister } from "../../object/object-map.ts";
import type {
  CalicoEntity,
  CalicoGlobalPolicySpec,
  CalicoPort,
  CalicoRule,
  PolicyDirection,
} from "../../object/policy-types.ts";
import type { Labels } from "../../object/selector.ts";
import { directionsOf } from "../calico-directions.ts";
import {
  type Labelled,
  NAMESPACE,
  NAMESPACE_PREFIX,
  SERVICE_ACCOUNT,
  SERVICE_ACCOUNT_PREFIX,
  workloadLabels,
} from "../calico-labels.ts";
import { familyOf, holds } from "../net.ts";
import { endpointsOfService } from "../service-endpoints.ts";
import { type PolicyTier, policyName } from "../tier.ts";
import type { Flow, Judge, RuleVerdict, Subject } from "./flow.ts";

/** What Calico's rules are asked with: the objects, and everything that its selectors choose among. */
export interface CalicoFacts {
  readonly objects: Lister;
  readonly labelled: readonly Labelled[];
}

/** One of Calico's own policies, as its documentation has it. */
export class CalicoJudge implements Judge {
  readonly object: CalicoNetworkPolicy | GlobalNetworkPolicy;
  readonly tier: PolicyTier;
  readonly order: number;
  readonly name: string;
  readonly #facts: CalicoFacts;

  constructor(object: CalicoNetworkPolicy | GlobalNetworkPolicy, tier: PolicyTier, facts: CalicoFacts) {
    this.object = object;
    this.tier = tier;
    this.order = object.spec.order ?? Number.POSITIVE_INFINITY;
    this.name = policyName(object, tier.name);
    this.#facts = facts;
  }

  selects(subject: Subject, direction: PolicyDirection): boolean {
    const spec: CalicoGlobalPolicySpec = this.object.spec;
    // They come before a packet is tracked or translated, and are for host endpoints alone.
    if (spec.doNotTrack === true || spec.preDNAT === true) return false;
    if (!directionsOf(spec).includes(direction)) return false;
    const namespace = this.object.kind === "CalicoNetworkPolicy" ? namespaceOf(this.object) : null;
    const { objects } = this.#facts;
    const labels =
      subject.kind === "workload"
        ? workloadLabels(subject.workload, objects)
        : (subject.endpoint.metadata.labels ?? {});
    return (
      (namespace === null || labels[NAMESPACE] === namespace) &&
      selects(calicoSelector(spec.selector), labels) &&
      isOfAccount(spec.serviceAccountSelector, labels) &&
      // A policy for service accounts is for nobody who has none.
      ((spec.serviceAccountSelector ?? "") === "" || Object.hasOwn(labels, SERVICE_ACCOUNT)) &&
      isOfNamespace(spec.namespaceSelector, labels)
    );
  }

  decide(flow: Flow, direction: PolicyDirection): RuleVerdict | null {
    const { ingress = [], egress = [] } = this.object.spec;
    const namespace = this.object.kind === "CalicoNetworkPolicy" ? namespaceOf(this.object) : null;
    return firstRule(direction, direction === "Ingress" ? ingress : egress, flow, namespace, this.#facts);
  }
}

/** What a profile says that somebody wrote. */
export function askProfile(
  { spec }: Profile,
  flow: Flow,
  direction: PolicyDirection,
  facts: CalicoFacts,
): RuleVerdict | null {
  return firstRule(
    direction,
    (direction === "Ingress" ? spec.ingress : spec.egress) ?? [],
    flow,
    null,
    facts,
  );
}

/** A rule that logs decides nothing. */
function firstRule(
  direction: PolicyDirection,
  rules: readonly CalicoRule[],
  flow: Flow,
  namespace: string | null,
  facts: CalicoFacts,
): RuleVerdict | null {
  const index = rules.findIndex((rule) => rule.action !== "Log" && fits(rule, flow, namespace, facts));
  const rule = rules[index];
  if (rule === undefined) return null;
  const action = rule.action === "Allow" ? "allow" : rule.action === "Deny" ? "deny" : "pass";
  return { action, field: ["spec", direction.toLowerCase(), index] };
}

const NUMBERS: Readonly<Record<string, number>> = {
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  ICMPv6: 58,
  SCTP: 132,
  UDPLite: 136,
};

function numberOf(protocol: string | number): number {
  return typeof protocol === "number" ? protocol : (NUMBERS[protocol] ?? -1);
}

function fits(rule: CalicoRule, flow: Flow, namespace: string | null, facts: CalicoFacts): boolean {
  const { protocol, notProtocol, icmp, notICMP, ipVersion, source = {}, destination = {} } = rule;
  if (ipVersion !== undefined && ipVersion !== familyOf(flow.source.address)) return false;
  const number = numberOf(flow.protocol);
  if (protocol !== undefined && numberOf(protocol) !== number) return false;
  if (notProtocol !== undefined && numberOf(notProtocol) === number) return false;
  const isIcmp = (wanted: { type?: number; code?: number }) =>
    (wanted.type === undefined || wanted.type === flow.icmp?.type) &&
    (wanted.code === undefined || wanted.code === flow.icmp?.code);
  if (icmp !== undefined && !isIcmp(icmp)) return false;
  if (notICMP !== undefined && notICMP.type !== undefined && isIcmp(notICMP)) return false;
  const at = { protocol: protocol ?? "TCP", flowProtocol: flow.protocol, namespace, facts };
  const [from, to] = [flow.source, flow.destination];
  return (
    isEntity(source, { address: from.address, port: flow.sourcePort }, { ...at, side: "source" }) &&
    isEntity(destination, { address: to.address, port: flow.port }, { ...at, side: "destination" })
  );
}

interface End {
  readonly address: string;
  readonly port: number | null;
}

interface Context {
  readonly side: "source" | "destination";
  /** Of the rule. */
  readonly protocol: string | number;
  readonly flowProtocol: string | number;
  readonly namespace: string | null;
  readonly facts: CalicoFacts;
}

function isEntity(entity: CalicoEntity, end: End, at: Context): boolean {
  const { nets = [], notNets = [], ports = [], notPorts = [], services } = entity;
  const { address } = end;
  if (nets.length > 0 && !nets.some((net) => holds(net, address))) return false;
  // A rule that makes exceptions of one family alone is a rule of that family.
  if (notNets.length > 0 && !notNets.some((net) => familyOf(net) === familyOf(address))) return false;
  if (notNets.some((net) => holds(net, address))) return false;
  const holders = at.facts.labelled.filter((one) => one.nets.some((net) => holds(net, address)));
  if (choosesLabels(entity, at.namespace)) {
    if (!holders.some(({ labels }) => isChosen(entity, labels, at.namespace))) return false;
  } else if (
    isSet(entity.notSelector) &&
    holders.some(({ labels }) => selects(calicoSelector(entity.notSelector), labels))
  ) {
    return false;
  }
  if (services !== undefined && !isOfService(services, end, at)) return false;
  if (ports.length > 0 && !ports.some((port) => isPort(port, end, entity, at))) return false;
  return !notPorts.some((port) => isPort(port, end, entity, at));
}

/** An endpoint of the Service, ready or not; as a destination with its own ports alone. */
function isOfService(
  { name = "", namespace }: NonNullable<CalicoEntity["services"]>,
  { address, port }: End,
  { facts, namespace: own, side, flowProtocol }: Context,
): boolean {
  const service = `${namespace ?? own ?? ""}/${name}`;
  return endpointsOfService(facts.objects, service).some(
    (one) =>
      holds(one.address, address) &&
      (side === "source" ||
        one.ports.some((each) => each.port === port && numberOf(each.protocol) === numberOf(flowProtocol))),
  );
}

const isSet = (text: string | undefined) => text !== undefined && text !== "";

/** Does the rule want somebody whom Calico knows? `notSelector` alone also takes strangers, but in a namespace's policy. */
function choosesLabels(
  { selector, notSelector, namespaceSelector, serviceAccounts }: CalicoEntity,
  namespace: string | null,
): boolean {
  const { names = [], selector: accounts } = serviceAccounts ?? {};
  const isNear = isSet(notSelector) && namespace !== null;
  return isNear || isSet(selector) || isSet(namespaceSelector) || names.length > 0 || isSet(accounts);
}

/** In a policy of a namespace, labels are looked for there unless the rule names others. */
function isChosen(
  { selector, notSelector, namespaceSelector, serviceAccounts }: CalicoEntity,
  labels: Labels,
  namespace: string | null,
): boolean {
  const { names = [], selector: accounts } = serviceAccounts ?? {};
  const isHere =
    namespaceSelector === undefined || namespaceSelector === ""
      ? namespace === null || labels[NAMESPACE] === namespace
      : isOfNamespace(namespaceSelector, labels);
  return (
    isHere &&
    selects(calicoSelector(selector), labels) &&
    !(isSet(notSelector) && selects(calicoSelector(notSelector), labels)) &&
    (names.length === 0 || names.includes(labels[SERVICE_ACCOUNT] ?? "")) &&
    isOfAccount(accounts, labels)
  );
}

/** `all()` is every namespace, so that what lives in none is not meant; `global()` is what lives in none. */
function isOfNamespace(text: string | undefined, labels: Labels): boolean {
  if (text === undefined || text === "") return true;
  const selector = calicoSelector(text);
  const isNamespaced = labels[NAMESPACE] !== undefined;
  if (selector.kind === "all") return isNamespaced;
  if (selector.kind === "global") return !isNamespaced;
  return selects(withKeyPrefix(selector, NAMESPACE_PREFIX), labels);
}

function isOfAccount(text: string | undefined, labels: Labels): boolean {
  if (text === undefined || text === "") return true;
  return selects(withKeyPrefix(calicoSelector(text), SERVICE_ACCOUNT_PREFIX), labels);
}

/** A name is that of a port of whoever has the address, and whom the rule chooses. */
function isPort(port: CalicoPort, end: End, entity: CalicoEntity, at: Context): boolean {
  if (end.port === null) return false;
  const [, first, last] = /^(\d+)(?::(\d+))?$/.exec(String(port)) ?? [];
  if (first !== undefined) return end.port >= Number(first) && end.port <= Number(last ?? first);
  const wanted = numberOf(at.protocol);
  return at.facts.labelled.some(
    ({ nets, ports, labels }) =>
      nets.some((net) => holds(net, end.address)) &&
      (!choosesLabels(entity, at.namespace) || isChosen(entity, labels, at.namespace)) &&
      ports.some((one) => one.name === port && numberOf(one.protocol) === wanted && one.port === end.port),
  );
}
