import {
  ALL_PROXY_MODES,
  type AnyProxyMode,
  type ConntrackSettings,
  DEFAULT_PROXY_CONFIGURATION,
  type IpvsSettings,
  type LocalDetector,
  type ProxyConfiguration,
} from "./configuration.ts";

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
  readonly ipvs?: {
    readonly scheduler?: string | null;
    readonly strictARP?: boolean | null;
    readonly tcpTimeout?: string | null;
    readonly tcpFinTimeout?: string | null;
    readonly udpTimeout?: string | null;
  } | null;
  readonly nftables?: {
    readonly masqueradeAll?: boolean | null;
    readonly masqueradeBit?: number | null;
  } | null;
  readonly conntrack?: {
    readonly maxPerCore?: number | null;
    readonly min?: number | null;
    readonly tcpEstablishedTimeout?: string | null;
    readonly tcpCloseWaitTimeout?: string | null;
    readonly udpTimeout?: string | null;
    readonly udpStreamTimeout?: string | null;
    readonly tcpBeLiberal?: boolean | null;
  } | null;
  readonly nodePortAddresses?: readonly string[] | null;
  readonly featureGates?: Readonly<Record<string, boolean>> | null;
}

/**
 * What a document says, put upon what is known of the nodes (`randomFully`, `nfacct`, the family).
 *
 * @param mode instead of the document's own; a mode reads its own section, and IPVS that of iptables beside it
 */
export function proxyConfigurationOf(
  document: KubeProxyConfiguration,
  base: ProxyConfiguration = DEFAULT_PROXY_CONFIGURATION,
  mode: AnyProxyMode = ALL_PROXY_MODES.find((known) => known === document.mode) ?? base.mode,
): ProxyConfiguration {
  const { iptables, nftables, conntrack, nodePortAddresses, featureGates } = document;
  const masquerade = mode === "nftables" ? nftables : iptables;
  return {
    ...base,
    mode,
    detector: detectorOf(document),
    masqueradeAll: masquerade?.masqueradeAll ?? base.masqueradeAll,
    masqueradeBit: masquerade?.masqueradeBit ?? base.masqueradeBit,
    nodePortAddresses: nodePortAddresses ?? base.nodePortAddresses,
    localhostNodePorts: iptables?.localhostNodePorts ?? base.localhostNodePorts,
    conntrackTcpLiberal: conntrack?.tcpBeLiberal ?? base.conntrackTcpLiberal,
    conntrack: conntrackSettings(document, base.conntrack),
    ipvs: ipvsSettings(document, base.ipvs),
    featureGates: { ...base.featureGates, ...featureGates },
  };
}

function conntrackSettings(
  { conntrack }: KubeProxyConfiguration,
  base: ConntrackSettings,
): ConntrackSettings {
  return {
    maxPerCore: conntrack?.maxPerCore ?? base.maxPerCore,
    min: conntrack?.min ?? base.min,
    tcpEstablishedS: secondsOf(conntrack?.tcpEstablishedTimeout) ?? base.tcpEstablishedS,
    tcpCloseWaitS: secondsOf(conntrack?.tcpCloseWaitTimeout) ?? base.tcpCloseWaitS,
    udpS: secondsOf(conntrack?.udpTimeout) ?? base.udpS,
    udpStreamS: secondsOf(conntrack?.udpStreamTimeout) ?? base.udpStreamS,
  };
}

function ipvsSettings({ ipvs }: KubeProxyConfiguration, base: IpvsSettings): IpvsSettings {
  return {
    scheduler: ipvs?.scheduler || base.scheduler,
    strictArp: ipvs?.strictARP ?? base.strictArp,
    timeouts: {
      tcpS: secondsOf(ipvs?.tcpTimeout) ?? base.timeouts.tcpS,
      tcpFinS: secondsOf(ipvs?.tcpFinTimeout) ?? base.timeouts.tcpFinS,
      udpS: secondsOf(ipvs?.udpTimeout) ?? base.timeouts.udpS,
    },
  };
}

/** Whole seconds of a duration as Go writes it, `1h30m`, `900s`; undefined for what is none. */
export function secondsOf(duration: string | null | undefined): number | undefined {
  const text = duration ?? "";
  if (!/^(\d+(\.\d+)?(h|m|s|ms|us|ns))+$/.test(text)) return text === "0" ? 0 : undefined;
  let seconds = 0;
  for (const [, value = "", unit = ""] of text.matchAll(/([\d.]+)(ms|us|ns|h|m|s)/g)) {
    seconds += Number(value) * (SECONDS[unit] ?? 0);
  }
  return Math.floor(seconds);
}

const SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };

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
