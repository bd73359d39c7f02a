import type { LabelSelector } from "kubernetes-types/meta/v1.js";

/** The specs of policies of other groups than Kubernetes' own: the network policy API's and Calico's, by their own field names. */

export type PolicyDirection = "Ingress" | "Egress";

/** policy.networking.k8s.io/v1alpha1 (KEP-2091). Of each subject, peer and port exactly one field is there. */
export interface AdminPolicySubject {
  readonly namespaces?: LabelSelector;
  readonly pods?: PodsInNamespaces;
}

export interface PodsInNamespaces {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

/** `nodes`, `networks` only towards egress. */
export interface AdminPolicyPeer extends AdminPolicySubject {
  readonly nodes?: LabelSelector;
  readonly networks?: readonly string[];
}

export interface AdminPolicyPort {
  readonly portNumber?: { readonly protocol: string; readonly port: number };
  readonly portRange?: { readonly protocol?: string; readonly start: number; readonly end: number };
  readonly namedPort?: string;
}

export interface AdminPolicyRule {
  readonly name?: string;
  readonly action: "Allow" | "Deny" | "Pass";
  readonly from?: readonly AdminPolicyPeer[];
  readonly to?: readonly AdminPolicyPeer[];
  readonly ports?: readonly AdminPolicyPort[];
}

export interface BaselinePolicySpec {
  readonly subject: AdminPolicySubject;
  readonly ingress?: readonly AdminPolicyRule[];
  readonly egress?: readonly AdminPolicyRule[];
}

export interface AdminPolicySpec extends BaselinePolicySpec {
  /** 0 to 1000, the lowest first. */
  readonly priority: number;
}

/** A port, `first:last`, or the name of a port. */
export type CalicoPort = number | string;

export interface CalicoEntity {
  readonly nets?: readonly string[];
  readonly notNets?: readonly string[];
  readonly selector?: string;
  readonly notSelector?: string;
  readonly namespaceSelector?: string;
  readonly ports?: readonly CalicoPort[];
  readonly notPorts?: readonly CalicoPort[];
  /** The endpoints of a Service: of ingress as the source, of egress as the destination. */
  readonly services?: { readonly name?: string; readonly namespace?: string };
  readonly serviceAccounts?: { readonly names?: readonly string[]; readonly selector?: string };
}

export interface CalicoIcmp {
  readonly type?: number;
  readonly code?: number;
}

export interface CalicoRule {
  readonly action: "Allow" | "Deny" | "Log" | "Pass";
  readonly ipVersion?: 4 | 6;
  /** A name, or a number from 1 to 255. */
  readonly protocol?: string | number;
  readonly notProtocol?: string | number;
  readonly icmp?: CalicoIcmp;
  readonly notICMP?: CalicoIcmp;
  readonly source?: CalicoEntity;
  readonly destination?: CalicoEntity;
}

export interface CalicoPolicySpec {
  readonly tier?: string;
  readonly order?: number;
  readonly selector?: string;
  readonly serviceAccountSelector?: string;
  readonly types?: readonly PolicyDirection[];
  readonly ingress?: readonly CalicoRule[];
  readonly egress?: readonly CalicoRule[];
}

export interface CalicoGlobalPolicySpec extends CalicoPolicySpec {
  readonly namespaceSelector?: string;
  readonly doNotTrack?: boolean;
  readonly preDNAT?: boolean;
  readonly applyOnForward?: boolean;
}

export interface HostEndpointSpec {
  readonly node?: string;
  /** A device, or `*` for all that are no workload's. */
  readonly interfaceName?: string;
  readonly expectedIPs?: readonly string[];
  readonly profiles?: readonly string[];
  readonly ports?: readonly {
    readonly name: string;
    readonly protocol: string | number;
    readonly port: number;
  }[];
}

export interface TierSpec {
  readonly order?: number;
  readonly defaultAction?: "Deny" | "Pass";
}

export interface ProfileSpec {
  readonly ingress?: readonly CalicoRule[];
  readonly egress?: readonly CalicoRule[];
  readonly labelsToApply?: Readonly<Record<string, string>>;
}
