import type { HostEndpoint, KubernetesObject } from "../../object/kubernetes-object.ts";
import type { FieldPath } from "../../object/place.ts";
import type { PolicyDirection } from "../../object/policy-types.ts";
import type { PolicyTier } from "../tier.ts";
import type { Workload } from "../workload.ts";

/** The first packet of a connection, after all translation of its addresses. */
export interface Flow {
  readonly source: Party;
  readonly destination: Party;
  /** `TCP`, `UDP`, `SCTP`, `ICMP`, or a number. */
  readonly protocol: string | number;
  /** null where the protocol has none. */
  readonly sourcePort: number | null;
  readonly port: number | null;
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** An end of a flow: a pod, a node itself, or anything else. */
export interface Party {
  readonly address: string;
  readonly workload: Workload | null;
  /** The node whose own address this is; null for every other. */
  readonly node: string | null;
}

/** What policies are for. */
export type Subject =
  | { readonly kind: "workload"; readonly workload: Workload }
  | { readonly kind: "host"; readonly endpoint: HostEndpoint };

/** What a rule of a policy says about a flow. */
export interface RuleVerdict {
  readonly action: "allow" | "deny" | "pass";
  readonly field: FieldPath;
}

/** A policy that can be asked. What the objects say, by the words of their own documentation. */
export interface Judge {
  readonly object: KubernetesObject;
  readonly tier: PolicyTier;
  readonly order: number;
  readonly name: string;
  /** Is the policy responsible for this end in this direction? */
  selects(subject: Subject, direction: PolicyDirection): boolean;
  /** The first rule that fits and decides; null: none does. */
  decide(flow: Flow, direction: PolicyDirection): RuleVerdict | null;
}

/** The end of a flow that the rules of a direction name as `from` or `to`. */
export function peerOf(flow: Flow, direction: PolicyDirection): Party {
  return direction === "Ingress" ? flow.source : flow.destination;
}
