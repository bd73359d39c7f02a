import type { CalicoSelector } from "../../object/calico-selector.ts";
import type { KubernetesObject } from "../../object/kubernetes-object.ts";
import type { FieldPath } from "../../object/place.ts";
import type { CalicoIcmp, PolicyDirection } from "../../object/policy-types.ts";
import type { PolicyTier } from "../tier.ts";

/** A policy of any API in the form Felix is given it: all of them become policies of Calico, in a tier and an order. */
export interface FelixPolicy {
  readonly object: KubernetesObject;
  /** By which chains are called and comments name it. */
  readonly name: string;
  readonly tier: PolicyTier;
  readonly order: number;
  /** Of the endpoints that it is for. */
  readonly selector: CalicoSelector;
  readonly directions: readonly PolicyDirection[];
  readonly ingress: readonly PolicyRule[];
  readonly egress: readonly PolicyRule[];
  readonly doNotTrack: boolean;
  readonly preDNAT: boolean;
  readonly applyOnForward: boolean;
}

export interface PolicyRule {
  readonly action: "allow" | "deny" | "pass" | "log";
  readonly ipVersion: 4 | 6 | null;
  /** A name in small letters, or a number; null for any. */
  readonly protocol: string | number | null;
  readonly notProtocol: string | number | null;
  readonly icmp: CalicoIcmp | null;
  readonly notIcmp: CalicoIcmp | null;
  readonly source: RuleEntity;
  readonly destination: RuleEntity;
  /** Of the object. */
  readonly field: FieldPath;
}

/** What a rule asks of one end of a packet. Of an empty list nothing is asked. */
export interface RuleEntity {
  readonly nets: readonly string[];
  readonly notNets: readonly string[];
  readonly selector: CalicoSelector | null;
  readonly notSelector: CalicoSelector | null;
  /** `namespace/name` of a Service whose endpoints are meant. */
  readonly service: string | null;
  readonly ports: readonly PortRange[];
  readonly namedPorts: readonly string[];
  readonly notPorts: readonly PortRange[];
  readonly notNamedPorts: readonly string[];
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export const ANY_END: RuleEntity = {
  nets: [],
  notNets: [],
  selector: null,
  notSelector: null,
  service: null,
  ports: [],
  namedPorts: [],
  notPorts: [],
  notNamedPorts: [],
};

export const ANY_PACKET: Omit<PolicyRule, "action" | "field"> = {
  ipVersion: null,
  protocol: null,
  notProtocol: null,
  icmp: null,
  notIcmp: null,
  source: ANY_END,
  destination: ANY_END,
};
