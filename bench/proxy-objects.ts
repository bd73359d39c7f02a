import type { Service as ServiceObject } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { formatIpv4 } from "../src/address/ipv4.ts";
import { applyOperations } from "../src/kernel/apply-operation.ts";
import type { Host } from "../src/kernel/host.ts";
import type { Operation } from "../src/kernel/operation.ts";
import {
  DEFAULT_PROXY_CONFIGURATION,
  type NodeFacts,
  type ProxyConfiguration,
} from "../src/proxy/configuration.ts";
import { freshNodeRuleset } from "../src/proxy/iptables/fresh-node.ts";
import { IptablesProxier } from "../src/proxy/iptables/proxier.ts";
import { proxyModel } from "../src/proxy/model.ts";
import { Network } from "../src/walk/network.ts";
import { compile } from "./model.ts";
import { NODE_ADDRESS, sceneSnapshot } from "./scene.ts";
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

/** The scene with the rules that kube-proxy writes on its node for these services as objects. */
export function networkOfObjects(services: readonly Service[]): Network {
  const model = proxyModel(services.map(serviceObject), services.map(sliceObject));
  return networkOf(new IptablesProxier(model, SCENE_PROXY));
}

/** The scene with what this very kube-proxy wrote when it started. */
export function networkOf(proxier: IptablesProxier): Network {
  const { world } = compile(sceneSnapshot(null));
  const rules = proxier.rulesFor(SCENE_NODE);
  const ruleset = freshNodeRuleset(rules, { kubelet: true, canaries: true });
  const node = withOperations(world.hosts.get("node") as Host, [
    { kind: "iptables-restore", ruleset, noflush: false },
  ]);
  return new Network({ ...world, hosts: new Map(world.hosts).set("node", node) });
}

export function withOperations(host: Host, operations: readonly Operation[]): Host {
  const result = applyOperations(host, operations);
  if (result.kind === "invalid") throw new Error(result.errors[0]?.message);
  return result.host;
}
