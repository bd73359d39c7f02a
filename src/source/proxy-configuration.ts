import { formatIpPrefix } from "../address/ip-prefix.ts";
import { formatPrefix4 } from "../address/prefix.ts";
import { formatPrefix6 } from "../address/prefix6.ts";
import {
  ALL_PROXY_MODES,
  DEFAULT_PROXY_CONFIGURATION,
  type ProxyConfiguration,
} from "../proxy/configuration.ts";
import { proxyConfigurationOf as configurationOfDocument } from "../proxy/kube-proxy-configuration.ts";
import { type DetectedCluster, serviceRangesOf } from "./detect.ts";

/**
 * How kube-proxy is configured: as its own document says; without one as kubeadm would, by the cluster's CIDR. A document
 * without `clusterCIDR` means that no source is known to be a pod's, unless the flag names one.
 */
export function proxyConfigurationOf(detected: DetectedCluster): ProxyConfiguration {
  const { kubeProxy, clusterCidr, six, families, proxyMode } = detected;
  const hasFour = families.value.includes("IPv4");
  const cidrs = [
    ...(hasFour ? [formatPrefix4(clusterCidr.value)] : []),
    ...(six === null ? [] : [formatPrefix6(six.clusterCidr.value)]),
  ];
  const serviceCidrs = serviceRangesOf(detected).map(formatIpPrefix);
  const mode = ALL_PROXY_MODES.find((known) => known === proxyMode.value) ?? "iptables";
  const base = { ...DEFAULT_PROXY_CONFIGURATION, mode, serviceCidrs };
  if (kubeProxy === null) return { ...base, detector: { kind: "cluster-cidr", cidrs } };
  const isFlag = clusterCidr.from === "flag" || six?.clusterCidr.from === "flag";
  return configurationOfDocument(
    isFlag ? { ...kubeProxy, clusterCIDR: cidrs.join(",") } : kubeProxy,
    base,
    mode,
  );
}
