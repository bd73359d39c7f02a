import type { Prefix4 } from "../address/prefix.ts";
import type { Prefix6 } from "../address/prefix6.ts";
import type { CalicoNetwork } from "../cni/calico/network.ts";
import type { FlannelNetwork } from "../cni/flannel/network.ts";
import type { NetworkList } from "../cni/network-config.ts";
import type { ProxyConfiguration } from "../proxy/configuration.ts";

/**
 * What attaches pods: the bridge plugin, alone or as flannel calls it; Calico's, over its own network or flannel's (canal); Weave's;
 * or docker's own bridge of the days before CNI.
 */
export const CNIS = ["flannel", "calico", "canal", "weave", "bridge", "docker0"] as const;
export type ClusterCni = (typeof CNIS)[number];

/** How a cluster's agents are set up. */
export interface ClusterConfiguration {
  readonly cni: ClusterCni;
  /** flanneld runs on every node; null: nothing tells a node of the others' pods. */
  readonly flannel: FlannelNetwork | null;
  /** calico-node runs on every node (with backend `none` under canal, where flanneld joins the nodes); null: it does not. */
  readonly calico: CalicoNetwork | null;
  /** Pod addresses of the whole cluster; null for a family that it does not have. */
  readonly clusterCidr: Prefix4 | null;
  readonly clusterCidr6: Prefix6 | null;
  /** A list of plugins of the user's own, which attaches the pods in the place of `cni`'s; null: there is none. */
  readonly conflist: NetworkList | null;
  readonly proxy: ProxyConfiguration;
  /** Where the agents' documents were read; null for what an agent does of itself. */
  readonly where: {
    readonly kubeProxy: string | null;
    readonly flannel: string | null;
    readonly conflist: string | null;
  };
}
