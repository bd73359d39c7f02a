import type { Prefix4 } from "../address/prefix.ts";
import type { CalicoNetwork } from "../cni/calico/network.ts";

/** The ranges a cluster gives from, as its control plane is started with them. */
export interface ClusterSettings {
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
