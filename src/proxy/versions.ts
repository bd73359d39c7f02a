/**
 * Where releases of kube-proxy differ in the rules they write, as a table: the first minor release of 1.x with each
 * feature on, and the gate that turns it. Releases before 1.20 are taken for that one.
 */

export interface ProxyFeatures {
  /** Node hints narrow the Cluster list before zone hints do. */
  readonly nodeHints: boolean;
  readonly zoneHints: boolean;
  /** Zone hints count without the Service's topology-mode annotation. */
  readonly hintsWithoutAnnotation: boolean;
  /** Endpoints that are going away serve where no other does. */
  readonly terminatingEndpoints: boolean;
  /** Traffic from outside goes through KUBE-EXT; before, each kind had its own way, and KUBE-XLB that of policy Local. */
  readonly externalChain: boolean;
  /** Of a long-lived connection's packets one rule of KUBE-FORWARD accepts both ways. */
  readonly oneConntrackRule: boolean;
  /** What nobody may take is dropped in filter; before, it was marked in nat, by KUBE-MARK-DROP. */
  readonly filterDrops: boolean;
  /** A rule that sends to an endpoint says to which. */
  readonly endpointInComments: boolean;
  /** kube-proxy guards 127.0.0.0/8 itself; before, the kubelet alone did, which also kept the chains for marks. */
  readonly ownFirewall: boolean;
  /**
   * nftables: what nobody may take is told apart from wrong ports of cluster IPs, each in a chain of its own, and source
   * ranges have a chain for each Service; 1.29, the first, had sets for all together.
   */
  readonly ownChecks: boolean;
  /** nftables: node ports are served on the node's primary address alone unless addresses are named. */
  readonly primaryNodePorts: boolean;
  /** nftables: it knows the networks of cluster IPs (ServiceCIDR objects), and drops what is for none of these. */
  readonly serviceCidrs: boolean;
  /** nftables: only source ranges are looked at before the translation, everything else at the filter's own place. */
  readonly filterPriority: boolean;
  /** IPVS: the node's own ports cannot be reached by Services' addresses. */
  readonly accessFilter: boolean;
  /** IPVS: nodes are subject to source ranges that leave them out. */
  readonly outFilter: boolean;
}

interface FeatureRow {
  /** null: the release decides alone. */
  readonly gate: string | null;
  /** On by default from here on. */
  readonly since: number;
  /** The gate is gone and the feature stays, whatever is set; null while there is a gate. */
  readonly lockedSince: number | null;
}

const FEATURES: Readonly<Record<keyof ProxyFeatures, FeatureRow>> = {
  nodeHints: { gate: "PreferSameTrafficDistribution", since: 34, lockedSince: null },
  zoneHints: { gate: "TopologyAwareHints", since: 24, lockedSince: 33 },
  hintsWithoutAnnotation: { gate: "ServiceTrafficDistribution", since: 31, lockedSince: 33 },
  terminatingEndpoints: { gate: "ProxyTerminatingEndpoints", since: 26, lockedSince: 28 },
  externalChain: form(24),
  oneConntrackRule: form(24),
  filterDrops: form(25),
  endpointInComments: form(25),
  ownFirewall: form(27),
  ownChecks: form(30),
  primaryNodePorts: form(31),
  serviceCidrs: { gate: "MultiCIDRServiceAllocator", since: 33, lockedSince: 34 },
  filterPriority: form(34),
  accessFilter: form(26),
  outFilter: form(29),
};

function form(since: number): FeatureRow {
  return { gate: null, since, lockedSince: null };
}

/** 32 of `1.32` or `v1.32.4`; undefined for any other text. */
export function releaseOf(version: string): number | undefined {
  const [, minor] = /^v?1\.(\d+)/.exec(version) ?? [];
  return minor === undefined ? undefined : Number(minor);
}

/** What a release does, `1.32` or `v1.32.4`; any other text stands for the newest. */
export function featuresOf(version: string, gates: Readonly<Record<string, boolean>>): ProxyFeatures {
  const minor = releaseOf(version) ?? Number.POSITIVE_INFINITY;
  const on = ({ gate, since, lockedSince }: FeatureRow): boolean => {
    const isOpen = gate !== null && (lockedSince === null || minor < lockedSince);
    return (isOpen ? gates[gate] : undefined) ?? minor >= since;
  };
  return {
    nodeHints: on(FEATURES.nodeHints),
    zoneHints: on(FEATURES.zoneHints),
    hintsWithoutAnnotation: on(FEATURES.hintsWithoutAnnotation),
    terminatingEndpoints: on(FEATURES.terminatingEndpoints),
    externalChain: on(FEATURES.externalChain),
    oneConntrackRule: on(FEATURES.oneConntrackRule),
    filterDrops: on(FEATURES.filterDrops),
    endpointInComments: on(FEATURES.endpointInComments),
    ownFirewall: on(FEATURES.ownFirewall),
    ownChecks: on(FEATURES.ownChecks),
    primaryNodePorts: on(FEATURES.primaryNodePorts),
    serviceCidrs: on(FEATURES.serviceCidrs),
    filterPriority: on(FEATURES.filterPriority),
    accessFilter: on(FEATURES.accessFilter),
    outFilter: on(FEATURES.outFilter),
  };
}
