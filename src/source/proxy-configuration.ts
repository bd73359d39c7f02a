import { formatPrefix4 } from "../address/prefix.ts";
import { DEFAULT_PROXY_CONFIGURATION, PROXY_MODES, type ProxyConfiguration } from "../proxy/configuration.ts";
import { proxyConfigurationOf as configurationOfDocument } from "../proxy/kube-proxy-configuration.ts";
import type { DetectedCluster } from "./detect.ts";

/**
 * How kube-proxy is configured: as its own document says; without one as kubeadm would, by the cluster's CIDR. A document
 * without `clusterCIDR` means that no source is known to be a pod's, unless the flag names one.
 */
export function proxyConfigurationOf({
  kubeProxy,
  clusterCidr,
  serviceCidr,
  proxyMode,
}: DetectedCluster): ProxyConfiguration {
  const cidr = formatPrefix4(clusterCidr.value);
  const mode = PROXY_MODES.find((known) => known === proxyMode.value) ?? "iptables";
  const base = { ...DEFAULT_PROXY_CONFIGURATION, mode, serviceCidrs: [formatPrefix4(serviceCidr.value)] };
  if (kubeProxy === null) return { ...base, detector: { kind: "cluster-cidr", cidrs: [cidr] } };
  return configurationOfDocument(
    clusterCidr.from === "flag" ? { ...kubeProxy, clusterCIDR: cidr } : kubeProxy,
    base,
    mode,
  );
}
