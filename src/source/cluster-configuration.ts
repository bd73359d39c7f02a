import { type ClusterConfiguration, CNIS } from "../cluster/configuration.ts";
import { readFlannelNetwork } from "../cni/flannel/network.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { ownNetworkOf } from "./conflist.ts";
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
  const conflist = ownNetworkOf(detected);
  return {
    cni: conflist === null ? (CNIS.find((name) => name === cni.value) ?? "flannel") : "bridge",
    conflist,
    flannel: runsFlannel
      ? readFlannelNetwork(withBackend(flannel ?? {}, flannelBackend.value), clusterCidr, clusterCidr6)
      : null,
    calico: cni.value === "canal" ? { pools: [], backend: "none", mtu: null } : (calico?.network ?? null),
    clusterCidr,
    clusterCidr6,
    proxy: proxyConfigurationOf(detected),
    where,
  };
}

/** The document with the backend that all of the source together hints at. */
function withBackend(document: Json, type: string): Json {
  const { Backend: backend } = document;
  return { ...document, Backend: { ...(isJsonObject(backend) ? backend : {}), Type: type } };
}
