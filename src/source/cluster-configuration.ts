import { type ClusterConfiguration, CNIS } from "../cluster/configuration.ts";
import { BUILT_BACKENDS, readFlannelNetwork } from "../cni/flannel/network.ts";
import { type DetectedCluster, isFlannels } from "./detect.ts";
import { proxyConfigurationOf } from "./proxy-configuration.ts";

/**
 * How the cluster's agents are set up. docker0 has routes between its nodes only where the source says that flannel made
 * them: docker itself knows of no other node.
 */
export function clusterConfigurationOf(detected: DetectedCluster): ClusterConfiguration {
  const { cni, families, flannel, flannelBackend, calico, where, six } = detected;
  const clusterCidr = families.value.includes("IPv4") ? detected.clusterCidr.value : null;
  const clusterCidr6 = six?.clusterCidr.value ?? null;
  const runsFlannel = isFlannels(cni.value) || (cni.value === "docker0" && flannel !== null);
  return {
    cni: CNIS.find((name) => name === cni.value) ?? "flannel",
    flannel: runsFlannel
      ? {
          ...readFlannelNetwork(flannel ?? {}, clusterCidr, clusterCidr6),
          backend: BUILT_BACKENDS.find((name) => name === flannelBackend.value) ?? "vxlan",
        }
      : null,
    calico: cni.value === "canal" ? { pools: [], backend: "none", mtu: null } : (calico?.network ?? null),
    clusterCidr,
    clusterCidr6,
    proxy: proxyConfigurationOf(detected),
    where,
  };
}
