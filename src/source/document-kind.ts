import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { groupOf } from "../object/kinds.ts";
import { holdsObjects } from "../object/read-object.ts";
import { isHostJson } from "../world/host-in.ts";

/** What a document is, told by what it holds, never by what its file is called. */
export type DocumentKind =
  /** One API object, a List of them, or a dump in internal form. */
  | "objects"
  /** kubeadm's ClusterConfiguration, in any of its versions. */
  | "kubeadm"
  | "kube-proxy"
  /** A CNI network configuration, a list of plugins or a single one. */
  | "cni"
  /** flannel's `net-conf.json`. */
  | "flannel"
  /** The state of hosts: a snapshot, or a recording. */
  | "snapshot"
  /** Configuration of something that has no part in the network's state, such as a kubelet. */
  | "other-configuration"
  | "unknown";

/** API groups of configuration files, which look like objects but are none. */
const CONFIGURATION_GROUPS: Readonly<Record<string, DocumentKind>> = {
  "kubeadm.k8s.io": "kubeadm",
  "kubeproxy.config.k8s.io": "kube-proxy",
  "kubelet.config.k8s.io": "other-configuration",
  "apiserver.config.k8s.io": "other-configuration",
  "kubescheduler.config.k8s.io": "other-configuration",
  "audit.k8s.io": "other-configuration",
  "kind.x-k8s.io": "other-configuration",
  "kustomize.config.k8s.io": "other-configuration",
};

export function kindOfDocument(value: unknown): DocumentKind {
  if (!isJsonObject(value)) return holdsObjects(value) ? "objects" : "unknown";
  const { apiVersion, kind } = value;
  if (typeof apiVersion === "string") {
    const configuration = CONFIGURATION_GROUPS[groupOf(apiVersion)];
    // Of kubeadm's kinds only one speaks of the whole cluster.
    if (configuration === "kubeadm" && kind !== "ClusterConfiguration") return "other-configuration";
    if (configuration !== undefined) return configuration;
    if (kind === "Config" && Object.hasOwn(value, "contexts")) return "other-configuration";
  }
  if (isJsonObject(at(value, "hosts"))) return "snapshot";
  if (isCni(value)) return "cni";
  // What a plugin answered.
  if (Object.hasOwn(value, "cniVersion")) return "other-configuration";
  if (typeof at(value, "Network") === "string" || isJsonObject(at(value, "Backend"))) return "flannel";
  if (holdsObjects(value)) return "objects";
  if (isHostJson(value)) return "snapshot";
  return typeof apiVersion === "string" && typeof kind === "string" ? "objects" : "unknown";
}

function isCni(value: Json): boolean {
  if (Object.hasOwn(value, "plugins")) {
    return typeof at(value, "name") === "string" || typeof at(value, "cniVersion") === "string";
  }
  return typeof at(value, "cniVersion") === "string" && typeof at(value, "type") === "string";
}

function at(json: Json, name: string): unknown {
  return Object.hasOwn(json, name) ? json[name] : undefined;
}

/** A CoreDNS configuration: it begins with a zone's block, or with a snippet's, and has plugins in it. */
export function isCorefile(text: string): boolean {
  const [first = ""] = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const isBlock = /^(?:\(\w+\)|[\w.*:/$-]+(?:[ ,]+[\w.*:/$-]+)*)\s*\{\s*$/.test(first);
  return isBlock && /^\s+(?:kubernetes|forward|errors|proxy|import)\b/m.test(text);
}

/** Texts of the kernel's tools, which people keep beside their dumps: named, for a snapshot is what holds them. */
export function toolOfText(text: string): string | undefined {
  if (/^\*(?:filter|nat|mangle|raw|security)\s*$/m.test(text) && /^COMMIT\s*$/m.test(text))
    return "iptables-save";
  if (/^table (?:ip|ip6|inet|arp|bridge|netdev) \S+ \{/m.test(text)) return "nft list ruleset";
  if (/^IP Virtual Server version/m.test(text)) return "ipvsadm -Ln";
  if (/^\d+: \S+: <[A-Z_,-]*>/m.test(text)) return "ip addr";
  if (/^Chain \S+ \((?:policy|\d+ references)/m.test(text)) return "iptables -L";
  return undefined;
}
