import type { Prefix4 } from "../address/prefix.ts";
import type { FlannelNetwork } from "../cni/flannel/network.ts";
import type { ProxyConfiguration } from "../proxy/configuration.ts";

/** How a cluster's agents are set up. */
export interface ClusterConfiguration {
  /** What attaches pods: the bridge plugin, alone or as flannel calls it, or docker's own bridge of the days before CNI. */
  readonly cni: "bridge" | "flannel" | "docker0";
  /** flanneld runs on every node; null: nothing tells a node of the others' pods. */
  readonly flannel: FlannelNetwork | null;
  readonly clusterCidr: Prefix4;
  readonly proxy: ProxyConfiguration;
  /** Where the agents' documents were read; null for what an agent does of itself. */
  readonly where: { readonly kubeProxy: string | null; readonly flannel: string | null };
}
