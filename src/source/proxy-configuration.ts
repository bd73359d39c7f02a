import { formatPrefix4 } from "../address/prefix.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import {
  DEFAULT_PROXY_CONFIGURATION,
  type LocalDetector,
  type ProxyConfiguration,
} from "../proxy/configuration.ts";
import { at } from "./clues.ts";
import type { DetectedCluster } from "./detect.ts";

/**
 * How kube-proxy is configured: as its own document says; without one as kubeadm would, by the cluster's CIDR. A document
 * without `clusterCIDR` means that no source is known to be a pod's, unless the flag names one.
 */
export function proxyConfigurationOf(detected: DetectedCluster): ProxyConfiguration {
  const { kubeProxy, clusterCidr } = detected;
  const cidr = formatPrefix4(clusterCidr.value);
  if (kubeProxy === null) {
    return { ...DEFAULT_PROXY_CONFIGURATION, detector: { kind: "cluster-cidr", cidrs: [cidr] } };
  }
  const iptables = objectIn(kubeProxy, "iptables");
  const masqueradeBit = at(iptables, "masqueradeBit");
  const addresses = at(kubeProxy, "nodePortAddresses");
  return {
    ...DEFAULT_PROXY_CONFIGURATION,
    detector: detectorOf(kubeProxy, clusterCidr.from === "flag" ? cidr : undefined),
    masqueradeAll: at(iptables, "masqueradeAll") === true,
    masqueradeBit:
      typeof masqueradeBit === "number" ? masqueradeBit : DEFAULT_PROXY_CONFIGURATION.masqueradeBit,
    nodePortAddresses: Array.isArray(addresses) ? addresses.map(String) : [],
    localhostNodePorts: at(iptables, "localhostNodePorts") !== false,
    conntrackTcpLiberal: at(objectIn(kubeProxy, "conntrack"), "tcpBeLiberal") === true,
    featureGates: gatesOf(kubeProxy),
  };
}

function detectorOf(json: Json, flag: string | undefined): LocalDetector {
  const detectLocal = objectIn(json, "detectLocal");
  const clusterCidr = flag ?? at(json, "clusterCIDR");
  switch (at(json, "detectLocalMode")) {
    case "NodeCIDR":
      return { kind: "node-cidr" };
    case "BridgeInterface":
      return { kind: "bridge-interface", name: String(at(detectLocal, "bridgeInterface") ?? "") };
    case "InterfaceNamePrefix":
      return { kind: "interface-prefix", prefix: String(at(detectLocal, "interfaceNamePrefix") ?? "") };
    default:
      if (typeof clusterCidr !== "string" || clusterCidr === "") return { kind: "none" };
      return { kind: "cluster-cidr", cidrs: clusterCidr.split(",").map((text) => text.trim()) };
  }
}

function gatesOf(json: Json): Record<string, boolean> {
  const entries = Object.entries(objectIn(json, "featureGates"));
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (typeof value === "boolean" ? [[name, value]] : [])),
  );
}

function objectIn(json: Json, name: string): Json {
  const value = at(json, name);
  return isJsonObject(value) ? value : {};
}
