import type { Service as ServiceObject } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { formatIpv4 } from "../src/address/ipv4.ts";
import {
  DEFAULT_PROXY_CONFIGURATION,
  type NodeFacts,
  type ProxyConfiguration,
} from "../src/proxy/configuration.ts";
import { NODE_ADDRESS } from "./scene.ts";
import { POD_CIDR, rangeText, type Service } from "./services.ts";

/** The services of the benchmarks as objects of the API: those with cluster IPs alone. */
export function serviceObject({ name, clusterIp, port }: Service): ServiceObject {
  const [namespace = "", own = ""] = name.split("/");
  const address = formatIpv4(clusterIp);
  return {
    metadata: { namespace, name: own },
    spec: { clusterIP: address, clusterIPs: [address], ports: [{ name: "p0", protocol: "UDP", port }] },
  };
}

export function sliceObject({ name, endpoints }: Service): EndpointSlice {
  const [namespace = "", own = ""] = name.split("/");
  return {
    addressType: "IPv4",
    metadata: { namespace, name: `${own}-slice`, labels: { "kubernetes.io/service-name": own } },
    ports: [{ name: "p0", protocol: "UDP", port: endpoints[0]?.port ?? 0 }],
    endpoints: endpoints.map(({ address }) => ({
      addresses: [formatIpv4(address)],
      conditions: { ready: true },
      nodeName: "elsewhere",
    })),
  };
}

/** The node of the scene, as kube-proxy on it knows it. */
export const SCENE_NODE: NodeFacts = {
  name: "node",
  ip: NODE_ADDRESS,
  addresses: ["127.0.0.1", NODE_ADDRESS],
  zone: null,
  podCidrs: [],
  version: "",
};

export const SCENE_PROXY: ProxyConfiguration = {
  ...DEFAULT_PROXY_CONFIGURATION,
  detector: { kind: "cluster-cidr", cidrs: [rangeText(POD_CIDR)] },
};
