import type { FamilyName } from "../address/family-name.ts";
import type { Prefix4 } from "../address/prefix.ts";
import type { Prefix6 } from "../address/prefix6.ts";
import type { CalicoNetwork } from "../cni/calico/network.ts";

/** The ranges of IPv6 that a cluster gives from. */
export interface SixSettings {
  readonly clusterCidr: Prefix6;
  /** `--node-cidr-mask-size-ipv6` */
  readonly nodeCidrLength: number;
  readonly serviceCidr: Prefix6;
  /** Where nodes without an address of the family are given one. */
  readonly nodeNetwork: Prefix6;
}

/** The ranges a cluster gives from, as its control plane is started with them. */
export interface ClusterSettings {
  /** The families the cluster has, the primary first. Without IPv4 its ranges mean nothing. */
  readonly families: readonly FamilyName[];
  /** null: a cluster of IPv4 alone. */
  readonly six: SixSettings | null;
  /** Pod addresses of the whole cluster; null where the CNI does not go by the nodes' podCIDRs. */
  readonly clusterCidr: Prefix4 | null;
  /** Length of a node's podCIDR (`--node-cidr-mask-size`). */
  readonly nodeCidrLength: number;
  readonly serviceCidr: Prefix4;
  /** `--service-node-port-range`, both ends included. */
  readonly nodePorts: { readonly first: number; readonly last: number };
  /** Where nodes without an address are given one. */
  readonly nodeNetwork: Prefix4;
  /** Calico gives pods their addresses; null: they are of their nodes' podCIDRs. */
  readonly calico: CalicoNetwork | null;
}
