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
import { entitySelectors, subjectSelector } from "../calico-entity.ts";
import { type PolicyTier, policyName } from "../tier.ts";
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
    selector: subjectSelector(spec, namespace),
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
  const { nets = [], notNets = [], ports = [], notPorts = [], services } = entity;
  const { chosen, excluded } = entitySelectors(entity, namespace);
  return {
    ...{ nets, notNets, selector: chosen, notSelector: excluded },
    service:
      services === undefined ? null : `${services.namespace ?? namespace ?? ""}/${services.name ?? ""}`,
    ports: ports.flatMap((port) => rangeOf(port) ?? []),
    namedPorts: ports.flatMap((port) => (rangeOf(port) === undefined ? [String(port)] : [])),
    notPorts: notPorts.flatMap((port) => rangeOf(port) ?? []),
    notNamedPorts: notPorts.flatMap((port) => (rangeOf(port) === undefined ? [String(port)] : [])),
  };
}

/** undefined: a name. */
function rangeOf(port: CalicoPort): PortRange | undefined {
  const [, first, last] = /^(\d+)(?::(\d+))?$/.exec(String(port)) ?? [];
  return first === undefined ? undefined : { first: Number(first), last: Number(last ?? first) };
}
