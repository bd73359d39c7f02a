import {
  ALL,
  allOf,
  type CalicoSelector,
  calicoSelector,
  withKeyPrefix,
} from "../../object/calico-selector.ts";
import {
  type CalicoNetworkPolicy,
  type GlobalNetworkPolicy,
  namespaceOf,
} from "../../object/kubernetes-object.ts";
import type {
  CalicoEntity,
  CalicoGlobalPolicySpec,
  CalicoPort,
  CalicoRule,
} from "../../object/policy-types.ts";
import { directionsOf } from "../calico-directions.ts";
import { NAMESPACE, NAMESPACE_PREFIX, SERVICE_ACCOUNT, SERVICE_ACCOUNT_PREFIX } from "../calico-labels.ts";
import { type PolicyTier, policyName } from "../tier.ts";
import { inNamespace } from "./from-kubernetes.ts";
import type { FelixPolicy, PolicyRule, PortRange, RuleEntity } from "./policy.ts";

/** A policy of Calico's own as Felix is given it (libcalico-go, `updateprocessors`). */
export function fromCalicoPolicy(
  object: CalicoNetworkPolicy | GlobalNetworkPolicy,
  tier: PolicyTier,
): FelixPolicy {
  const spec: CalicoGlobalPolicySpec = object.spec;
  const namespace = object.kind === "CalicoNetworkPolicy" ? namespaceOf(object) : null;
  return {
    ...{ object, tier, name: policyName(object, tier.name), order: spec.order ?? Number.POSITIVE_INFINITY },
    selector: allOf(
      calicoSelector(spec.selector),
      namespaceSelector(spec.namespaceSelector),
      accountSelector(spec.serviceAccountSelector),
      namespace === null ? ALL : inNamespace(namespace),
    ),
    directions: directionsOf(spec),
    ingress: rulesFromCalico(spec.ingress ?? [], "ingress", namespace),
    egress: rulesFromCalico(spec.egress ?? [], "egress", namespace),
    doNotTrack: spec.doNotTrack === true,
    preDNAT: spec.preDNAT === true,
    applyOnForward: spec.applyOnForward === true,
  };
}

export function rulesFromCalico(
  rules: readonly CalicoRule[],
  direction: "ingress" | "egress",
  namespace: string | null,
): PolicyRule[] {
  return rules.map((rule, i) => ({
    action: ({ Allow: "allow", Deny: "deny", Pass: "pass", Log: "log" } as const)[rule.action],
    ipVersion: rule.ipVersion ?? null,
    protocol: protocolOf(rule.protocol),
    notProtocol: protocolOf(rule.notProtocol),
    icmp: rule.icmp ?? null,
    notIcmp: rule.notICMP ?? null,
    source: entityOf(rule.source ?? {}, namespace),
    destination: entityOf(rule.destination ?? {}, namespace),
    field: ["spec", direction, i],
  }));
}

function protocolOf(protocol: string | number | undefined): string | number | null {
  return typeof protocol === "string" ? protocol.toLowerCase() : (protocol ?? null);
}

function entityOf(entity: CalicoEntity, namespace: string | null): RuleEntity {
  const { nets = [], notNets = [], ports = [], notPorts = [], notSelector } = entity;
  return {
    ...{ nets, notNets, selector: selectorOf(entity, namespace) },
    notSelector: notSelector === undefined || notSelector === "" ? null : calicoSelector(notSelector),
    ports: ports.flatMap((port) => rangeOf(port) ?? []),
    namedPorts: ports.flatMap((port) => (rangeOf(port) === undefined ? [String(port)] : [])),
    notPorts: notPorts.flatMap((port) => rangeOf(port) ?? []),
    notNamedPorts: notPorts.flatMap((port) => (rangeOf(port) === undefined ? [String(port)] : [])),
  };
}

/** null: nobody in particular. In a policy of a namespace, that one is meant unless the rule names others. */
function selectorOf(entity: CalicoEntity, namespace: string | null): CalicoSelector | null {
  const { selector = "", namespaceSelector: others = "", serviceAccounts } = entity;
  if (selector === "" && others === "" && serviceAccounts === undefined) return null;
  const where =
    others === "" ? (namespace === null ? ALL : inNamespace(namespace)) : namespaceSelector(others);
  const { names = [], selector: accounts } = serviceAccounts ?? {};
  const isNamed: CalicoSelector =
    names.length === 0 ? ALL : { kind: "in", key: SERVICE_ACCOUNT, values: names };
  return allOf(where, calicoSelector(selector), isNamed, accountSelector(accounts));
}

function namespaceSelector(text = ""): CalicoSelector {
  if (text === "") return ALL;
  const has: CalicoSelector = { kind: "has", key: NAMESPACE };
  const selector = calicoSelector(text);
  if (selector.kind === "all") return has;
  if (selector.kind === "global") return { kind: "!", of: has };
  return withKeyPrefix(selector, NAMESPACE_PREFIX);
}

function accountSelector(text = ""): CalicoSelector {
  return withKeyPrefix(calicoSelector(text), SERVICE_ACCOUNT_PREFIX);
}

/** undefined: a name. */
function rangeOf(port: CalicoPort): PortRange | undefined {
  const [, first, last] = /^(\d+)(?::(\d+))?$/.exec(String(port)) ?? [];
  return first === undefined ? undefined : { first: Number(first), last: Number(last ?? first) };
}
