import type { Node } from "kubernetes-types/core/v1.js";
import type { IpvsTimeouts } from "../kernel/ipvs/virtual-service.ts";
import { canonicalAddress, canonicalPrefix, type IpFamily } from "./canonical-address.ts";

/** How kube-proxy tells that a packet comes from a pod of its own node or cluster (`--detect-local-mode`). */
export type LocalDetector =
  /** Nothing is known of sources, so no rule asks. */
  | { readonly kind: "none" }
  /** `--cluster-cidr`: one prefix a family. */
  | { readonly kind: "cluster-cidr"; readonly cidrs: readonly string[] }
  /** The pod CIDRs of the node. */
  | { readonly kind: "node-cidr" }
  | { readonly kind: "bridge-interface"; readonly name: string }
  | { readonly kind: "interface-prefix"; readonly prefix: string };

export const PROXY_MODES = ["iptables", "ipvs", "nftables"] as const;
export type ProxyMode = (typeof PROXY_MODES)[number];

/** The first of all, gone with 1.26: kube-proxy took the connections itself. */
export const USERSPACE_MODE = "userspace";
export const ALL_PROXY_MODES = [...PROXY_MODES, USERSPACE_MODE] as const;
export type AnyProxyMode = (typeof ALL_PROXY_MODES)[number];

/** What only IPVS mode is set by. */
export interface IpvsSettings {
  /** Of every virtual service. */
  readonly scheduler: string;
  /** The node answers ARP for an address only by the interface that has it, so not for those of kube-ipvs0. */
  readonly strictArp: boolean;
  /** `ipvsadm --set`, seconds; 0 leaves a time as it is. */
  readonly timeouts: IpvsTimeouts;
}

/** What kube-proxy makes of the node's connection tracking when it starts, in every mode (`conntrack` of its configuration). */
export interface ConntrackSettings {
  /** Entries for each core of the node, and the fewest for all; 0 entries a core: the kernel's limit stays. */
  readonly maxPerCore: number;
  readonly min: number;
  /** Seconds; 0 leaves what the kernel has. */
  readonly tcpEstablishedS: number;
  readonly tcpCloseWaitS: number;
  readonly udpS: number;
  readonly udpStreamS: number;
}

/** kube-proxy's own (`pkg/proxy/apis/config/v1alpha1/defaults.go`). */
const DEFAULT_CONNTRACK: ConntrackSettings = {
  maxPerCore: 32_768,
  min: 131_072,
  tcpEstablishedS: 86_400,
  tcpCloseWaitS: 3600,
  udpS: 0,
  udpStreamS: 0,
};

/** What `KubeProxyConfiguration` says, as far as it shows in rules. */
export interface ProxyConfiguration {
  readonly mode: AnyProxyMode;
  readonly family: IpFamily;
  readonly detector: LocalDetector;
  readonly masqueradeAll: boolean;
  /** The bit of the packet mark that asks for masquerading. */
  readonly masqueradeBit: number;
  /** Prefixes of node addresses that take node ports, or `primary` alone; empty for all. */
  readonly nodePortAddresses: readonly string[];
  /** IPv4 only. */
  readonly localhostNodePorts: boolean;
  /** Conntrack lets TCP segments outside the window pass, so none are dropped as INVALID. */
  readonly conntrackTcpLiberal: boolean;
  readonly conntrack: ConntrackSettings;
  /** The node's iptables knows `--random-fully`. */
  readonly randomFully: boolean;
  /** The node's kernel has the counters that some rules count in. */
  readonly nfacct: boolean;
  readonly ipvs: IpvsSettings;
  /** The networks of cluster IPs, of both families, as ServiceCIDR objects tell them. */
  readonly serviceCidrs: readonly string[];
  /** Kubernetes feature gates set by hand; others are as the release has them. */
  readonly featureGates: Readonly<Record<string, boolean>>;
}

/** kube-proxy's own defaults, on a node of today. */
export const DEFAULT_PROXY_CONFIGURATION: ProxyConfiguration = {
  mode: "iptables",
  family: "IPv4",
  detector: { kind: "none" },
  masqueradeAll: false,
  masqueradeBit: 14,
  nodePortAddresses: [],
  localhostNodePorts: true,
  conntrackTcpLiberal: false,
  conntrack: DEFAULT_CONNTRACK,
  randomFully: true,
  nfacct: false,
  ipvs: { scheduler: "rr", strictArp: false, timeouts: { tcpS: 0, tcpFinS: 0, udpS: 0 } },
  serviceCidrs: [],
  featureGates: {},
};

/** What kube-proxy knows of the node it runs on. */
export interface NodeFacts {
  readonly name: string;
  /** Its primary address of the family. */
  readonly ip: string;
  /** All addresses of its interfaces, loopback included, in the interfaces' order. */
  readonly addresses: readonly string[];
  /** Label `topology.kubernetes.io/zone`; null without it. */
  readonly zone: string | null;
  /** Processors; where they are not known the settings that go by them are the least. */
  readonly cores?: number;
  /** `spec.podCIDRs` */
  readonly podCidrs: readonly string[];
  /** kube-proxy's release, `1.32` or `v1.32.4`; empty for a recent one. */
  readonly version: string;
}

/** Of nodes of before 1.33 kube-proxy's own; since then only the kubelet's is told, which goes with it. */
export function kubeProxyVersion({ status }: Node): string {
  const { kubeProxyVersion: own = "", kubeletVersion = "" } = status?.nodeInfo ?? {};
  return own === "" ? kubeletVersion : own;
}

/** The words of a rule that match sources of pods, and sources that are none; null with no detector. */
export interface LocalMatch {
  readonly ifLocal: string;
  readonly ifNotLocal: string;
}

/** In the words of iptables. */
export function localMatch(configuration: ProxyConfiguration, node: NodeFacts): LocalMatch | null {
  const found = localSource(configuration, node);
  if (found === null) return null;
  const match =
    found.kind === "prefix" ? `-s ${found.value}` : `-i ${found.value}${found.kind === "begins" ? "+" : ""}`;
  return { ifLocal: match, ifNotLocal: `! ${match}` };
}

/**
 * In the words of nft. An interface is looked for by its number, as kube-proxy does
 * (`pkg/proxy/util/localdetector.go`). For the beginning of a name it writes `iif` too, which nft refuses, so that such a
 * node has no rules at all; here it is `iifname`, which is what was meant.
 */
export function localMatchNft(configuration: ProxyConfiguration, node: NodeFacts): LocalMatch | null {
  const found = localSource(configuration, node);
  if (found === null) return null;
  const source = configuration.family === "IPv4" ? "ip saddr" : "ip6 saddr";
  const [left, value] = {
    prefix: [source, found.value],
    interface: ["iif", found.value],
    begins: ["iifname", `${found.value}*`],
  }[found.kind] as [string, string];
  return { ifLocal: `${left} ${value}`, ifNotLocal: `${left} != ${value}` };
}

/** What a packet of a pod shows: its source, the interface it came in by, or how that one's name begins. */
interface LocalSource {
  readonly kind: "prefix" | "interface" | "begins";
  readonly value: string;
}

function localSource({ detector, family }: ProxyConfiguration, node: NodeFacts): LocalSource | null {
  switch (detector.kind) {
    case "none":
      return null;
    case "cluster-cidr":
      return firstOf(detector.cidrs, family);
    case "node-cidr":
      return firstOf(node.podCidrs, family);
    case "bridge-interface":
      return { kind: "interface", value: detector.name };
    case "interface-prefix":
      return { kind: "begins", value: detector.prefix };
    default:
      return detector satisfies never;
  }
}

/** The mark as rules write it: `0x4000` for bit 14. */
export function masqueradeMark({ masqueradeBit }: ProxyConfiguration): string {
  return `0x${(2 ** masqueradeBit).toString(16)}`;
}

/** The prefixes of the family that node ports are served on; null for every local address. */
export function nodePortPrefixes(configuration: ProxyConfiguration, node: NodeFacts): string[] | null {
  const { nodePortAddresses, family } = configuration;
  const wholeFamily = family === "IPv4" ? "0.0.0.0/0" : "::/0";
  const bits = family === "IPv4" ? 32 : 128;
  const texts = nodePortAddresses[0] === "primary" ? [`${node.ip}/${bits}`] : nodePortAddresses;
  const prefixes = texts.flatMap((text) => canonicalPrefix(text, family) ?? []);
  return prefixes.length === 0 || prefixes.includes(wholeFamily) ? null : prefixes;
}

/** The node's addresses of the family, canonical and each once. */
export function addressesOf(node: NodeFacts, family: IpFamily): string[] {
  return [...new Set(node.addresses.flatMap((address) => canonicalAddress(address, family) ?? []))];
}

function firstOf(cidrs: readonly string[], family: IpFamily): LocalSource | null {
  const value = cidrs.flatMap((text) => canonicalPrefix(text, family) ?? [])[0];
  return value === undefined ? null : { kind: "prefix", value };
}
