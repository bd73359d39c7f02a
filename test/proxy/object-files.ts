import type { DEFAULT_PROXY_CONFIGURATION } from "../../src/proxy/configuration.ts";
import type { KubeProxyConfiguration } from "../../src/proxy/kube-proxy-configuration.ts";
import type { ProxyCase } from "./cases.ts";
import { CONFIGURATION, NODE } from "./objects.ts";

/** A case as people have it: a List of nodes, Services and slices, and kube-proxy's configuration. No pods. */
export function objectFile({ services, slices, configuration, node }: ProxyCase): string {
  const { version = NODE.version } = node ?? {};
  const nodes = [
    nodeObject("n1", [NODE.ip], "10.1.0.0/24", "z1", version),
    nodeObject("n2", ["192.168.1.2"], "10.1.1.0/24", "z2", version),
  ];
  const items = [...nodes, ...services, ...slices];
  const documents = [
    { apiVersion: "v1", kind: "List", items },
    proxyDocument({ ...CONFIGURATION, ...configuration }),
  ];
  return documents.map((document) => JSON.stringify(document, null, 1)).join("\n");
}

export function nodeObject(
  name: string,
  addresses: readonly string[],
  podCIDR: string,
  zone: string,
  version: string,
): object {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "topology.kubernetes.io/zone": zone } },
    spec: { podCIDR, podCIDRs: [podCIDR] },
    status: {
      addresses: addresses.map((address) => ({ type: "InternalIP", address })),
      nodeInfo: { kubeletVersion: version },
    },
  };
}

function proxyDocument(configuration: typeof DEFAULT_PROXY_CONFIGURATION): object {
  const { detector, masqueradeAll, masqueradeBit, localhostNodePorts } = configuration;
  const detection: KubeProxyConfiguration =
    detector.kind === "cluster-cidr"
      ? { clusterCIDR: detector.cidrs.join(",") }
      : detector.kind === "node-cidr"
        ? { detectLocalMode: "NodeCIDR" }
        : detector.kind === "bridge-interface"
          ? { detectLocalMode: "BridgeInterface", detectLocal: { bridgeInterface: detector.name } }
          : detector.kind === "interface-prefix"
            ? {
                detectLocalMode: "InterfaceNamePrefix",
                detectLocal: { interfaceNamePrefix: detector.prefix },
              }
            : {};
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "iptables",
    ...detection,
    iptables: { masqueradeAll, masqueradeBit, localhostNodePorts },
    conntrack: { tcpBeLiberal: configuration.conntrackTcpLiberal },
    nodePortAddresses: configuration.nodePortAddresses,
  };
}
