import { DEFAULT_PROXY_CONFIGURATION, type LocalDetector, type ProxyConfiguration } from "./configuration.ts";

/**
 * The fields of `KubeProxyConfiguration` (kubeproxy.config.k8s.io/v1alpha1) that show in rules. Absent and null mean the
 * default.
 */
export interface KubeProxyConfiguration {
  readonly mode?: string | null;
  readonly clusterCIDR?: string | null;
  readonly detectLocalMode?: string | null;
  readonly detectLocal?: {
    readonly bridgeInterface?: string | null;
    readonly interfaceNamePrefix?: string | null;
  } | null;
  readonly iptables?: {
    readonly masqueradeAll?: boolean | null;
    readonly masqueradeBit?: number | null;
    readonly localhostNodePorts?: boolean | null;
  } | null;
  readonly conntrack?: { readonly tcpBeLiberal?: boolean | null } | null;
  readonly nodePortAddresses?: readonly string[] | null;
  readonly featureGates?: Readonly<Record<string, boolean>> | null;
}

/** What a document says, put upon what is known of the nodes (`randomFully`, `nfacct`, the family). */
export function proxyConfigurationOf(
  document: KubeProxyConfiguration,
  base: ProxyConfiguration = DEFAULT_PROXY_CONFIGURATION,
): ProxyConfiguration {
  const { iptables, conntrack, nodePortAddresses, featureGates } = document;
  return {
    ...base,
    detector: detectorOf(document),
    masqueradeAll: iptables?.masqueradeAll ?? base.masqueradeAll,
    masqueradeBit: iptables?.masqueradeBit ?? base.masqueradeBit,
    nodePortAddresses: nodePortAddresses ?? base.nodePortAddresses,
    localhostNodePorts: iptables?.localhostNodePorts ?? base.localhostNodePorts,
    conntrackTcpLiberal: conntrack?.tcpBeLiberal ?? base.conntrackTcpLiberal,
    featureGates: { ...base.featureGates, ...featureGates },
  };
}

/** `getLocalDetectors`: the mode named, or by cluster CIDR; without the value it needs there is none. */
function detectorOf({ detectLocalMode, detectLocal, clusterCIDR }: KubeProxyConfiguration): LocalDetector {
  const none: LocalDetector = { kind: "none" };
  switch (detectLocalMode || "ClusterCIDR") {
    case "ClusterCIDR": {
      const cidrs = (clusterCIDR ?? "").split(",").filter((cidr) => cidr.trim() !== "");
      return cidrs.length === 0 ? none : { kind: "cluster-cidr", cidrs };
    }
    case "NodeCIDR":
      return { kind: "node-cidr" };
    case "BridgeInterface": {
      const name = detectLocal?.bridgeInterface || null;
      return name === null ? none : { kind: "bridge-interface", name };
    }
    case "InterfaceNamePrefix": {
      const prefix = detectLocal?.interfaceNamePrefix || null;
      return prefix === null ? none : { kind: "interface-prefix", prefix };
    }
    default:
      return none;
  }
}
