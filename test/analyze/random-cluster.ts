import fc from "fast-check";
import { parseIpv4 } from "../../src/address/ipv4.ts";
import { formatPrefix4, type Prefix4 } from "../../src/address/prefix.ts";
import { type ClusterMembers, clusterMembers } from "../../src/analyze/cluster-members.ts";
import { buildCluster } from "../../src/cluster/build-cluster.ts";
import { readFlannelNetwork } from "../../src/cni/flannel/network.ts";
import { fromIpv4 } from "../../src/cni/ip.ts";
import { IptablesTable } from "../../src/cni/iptables.ts";
import { Netns } from "../../src/cni/netns.ts";
import { podCidrOf } from "../../src/control/pod-cidr.ts";
import { reconcileAll } from "../../src/control/reconcile-all.ts";
import { Inventory } from "../../src/inventory/inventory.ts";
import type { ObjectMap } from "../../src/object/object-map.ts";
import { DEFAULT_PROXY_CONFIGURATION, type ProxyConfiguration } from "../../src/proxy/configuration.ts";
import type { World } from "../../src/world/world.ts";
import { mapOf, SETTINGS } from "../control/cluster.ts";

/** Random small clusters: nodes, pods, Services and kube-proxy's settings as a small value that shrinks well, and built. */

export interface ClusterSpec {
  readonly plugin: "bridge" | "docker0" | "vxlan" | "host-gw";
  readonly nodes: readonly NodeSpec[];
  readonly services: readonly ServiceSpec[];
  readonly proxy: ProxySpec;
}

interface NodeSpec {
  /** Which of the two networks of nodes it lies in. */
  readonly network: number;
  readonly pods: readonly PodSpec[];
}

interface PodSpec {
  readonly namespace: string;
  readonly app: string;
  /** A container for each port. */
  readonly ports: readonly string[];
  readonly hostNetwork: boolean;
}

interface ServiceSpec {
  readonly namespace: string;
  readonly app: string;
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "headless";
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  readonly affinity: boolean;
}

interface ProxySpec {
  readonly detector: "none" | "cluster-cidr" | "node-cidr" | "bridge-interface" | "interface-prefix";
  readonly masqueradeAll: boolean;
  readonly masqueradeBit: number;
  readonly nodePortAddresses: readonly string[];
  readonly localhostNodePorts: boolean;
}

const NAMESPACES = ["default", "shop", "team"] as const;
const APPS = ["a", "b"] as const;

const pods: fc.Arbitrary<readonly PodSpec[]> = fc.array(
  fc.record({
    namespace: fc.constantFrom(...NAMESPACES),
    app: fc.constantFrom(...APPS),
    ports: fc.uniqueArray(fc.constantFrom("80/TCP", "8080/TCP", "53/UDP"), { maxLength: 3 }),
    hostNetwork: fc.integer({ min: 0, max: 5 }).map((n) => n === 5),
  }),
  { maxLength: 6 },
);

const services: fc.Arbitrary<readonly ServiceSpec[]> = fc.array(
  fc.record({
    namespace: fc.constantFrom(...NAMESPACES),
    app: fc.constantFrom(...APPS),
    type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer", "headless"),
    internalLocal: fc.boolean(),
    externalLocal: fc.boolean(),
    affinity: fc.boolean(),
  }),
  { maxLength: 3 },
);

export function arbitraryCluster(
  plugins: readonly ClusterSpec["plugin"][] = ["bridge", "docker0", "vxlan", "host-gw"],
): fc.Arbitrary<ClusterSpec> {
  return fc
    .record({
      plugin: fc.constantFrom(...plugins),
      nodes: fc.array(fc.record({ network: fc.nat({ max: 1 }), pods }), { minLength: 1, maxLength: 4 }),
      services,
      proxy: fc.record({
        detector: fc.constantFrom<ProxySpec["detector"][]>(
          ...(["cluster-cidr", "none", "node-cidr", "bridge-interface", "interface-prefix"] as const),
        ),
        masqueradeAll: fc.boolean(),
        masqueradeBit: fc.constantFrom(14, 20),
        nodePortAddresses: fc.constantFrom([], ["primary"], ["192.168.0.0/16"]),
        localhostNodePorts: fc.boolean(),
      }),
    })
    .map(possible);
}

/** docker0 knows nothing of other nodes; a route by host-gw, or by hand, wants its next hop on the wire. */
function possible(spec: ClusterSpec): ClusterSpec {
  const { plugin, nodes } = spec;
  if (plugin === "docker0") return { ...spec, nodes: nodes.slice(0, 1) };
  return plugin === "vxlan" ? spec : { ...spec, nodes: nodes.map((node) => ({ ...node, network: 0 })) };
}

export interface BuiltCluster {
  readonly spec: ClusterSpec;
  readonly world: World;
  readonly inventory: Inventory;
  readonly members: ClusterMembers;
}

export function build(spec: ClusterSpec): BuiltCluster {
  const objects = mapOf(documentsOf(spec));
  reconcileAll(objects, SETTINGS);
  const clusterCidr = SETTINGS.clusterCidr as Prefix4;
  const cni = spec.plugin === "bridge" || spec.plugin === "docker0" ? spec.plugin : "flannel";
  const cluster = buildCluster(objects, {
    cni,
    calico: null,
    flannel:
      cni === "flannel"
        ? readFlannelNetwork(
            { Backend: { Type: spec.plugin === "host-gw" ? "host-gw" : "vxlan" } },
            clusterCidr,
          )
        : null,
    clusterCidr,
    clusterCidr6: null,
    proxy: proxyOf(spec),
    conflist: null,
    where: { kubeProxy: null, flannel: null, conflist: null },
  });
  if (cluster.errors.length > 0) throw new Error(cluster.errors.map(({ message }) => message).join("; "));
  const world = spec.plugin === "bridge" ? routed(cluster.world, objects) : cluster.world;
  const inventory = new Inventory(objects, cluster.hostOfPod);
  return { spec, world, inventory, members: clusterMembers(world, inventory) };
}

/** The same cluster with another World. */
export function withWorld(built: BuiltCluster, world: World): BuiltCluster {
  return { ...built, world, members: clusterMembers(world, built.inventory) };
}

/**
 * The bridge plugin alone joins the pods of one node. Whoever runs it on several writes the routes by hand, and exempts the
 * cluster from its masquerade, as ip-masq-agent does.
 */
function routed(world: World, objects: ObjectMap): World {
  const nodes = objects.list("Node").map((node) => ({
    name: node.metadata.name,
    cidr: podCidrOf(node),
    address: parseIpv4(node.status?.addresses?.[0]?.address ?? ""),
  }));
  if (nodes.length === 1) return world;
  const hosts = new Map(world.hosts);
  const cluster = formatPrefix4(SETTINGS.clusterCidr as Prefix4);
  for (const { name } of nodes) {
    const host = hosts.get(name);
    if (host === undefined) continue;
    const netns = new Netns(host);
    for (const { name: other, cidr, address } of nodes) {
      if (other === name || cidr === undefined || address === undefined) continue;
      const dst = { ip: fromIpv4(cidr.address), length: cidr.length };
      netns.addRoute({ dst, gw: fromIpv4(address), dev: "eth0" });
    }
    const nat = new IptablesTable(netns, "nat");
    nat.prependUnique("POSTROUTING", `-s ${cluster} -d ${cluster} -j ACCEPT`);
    // What a Service's own rules masquerade still is.
    nat.ensureFirst("POSTROUTING", '-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING');
    hosts.set(name, netns.host);
  }
  return { ...world, hosts };
}

function proxyOf({ plugin, proxy }: ClusterSpec): ProxyConfiguration {
  const { detector, ...settings } = proxy;
  const cidrs = [formatPrefix4(SETTINGS.clusterCidr as Prefix4)];
  const detectors: Readonly<Record<ProxySpec["detector"], ProxyConfiguration["detector"]>> = {
    none: { kind: "none" },
    "cluster-cidr": { kind: "cluster-cidr", cidrs },
    "node-cidr": { kind: "node-cidr" },
    "bridge-interface": { kind: "bridge-interface", name: plugin === "docker0" ? "docker0" : "cni0" },
    "interface-prefix": { kind: "interface-prefix", prefix: "veth" },
  };
  return { ...DEFAULT_PROXY_CONFIGURATION, ...settings, detector: detectors[detector] };
}

function documentsOf({ nodes, services }: ClusterSpec): string[] {
  return [
    ...nodes.map(
      ({ network }, i) =>
        `{apiVersion: v1, kind: Node, metadata: {name: n${i + 1}}, spec: {podCIDR: 10.244.${i}.0/24}, status: {addresses: [{type: InternalIP, address: 192.168.${50 + network}.${11 + i}}]}}`,
    ),
    ...nodes.flatMap(({ pods }, i) => pods.map((pod, k) => podDocument(pod, i, k))),
    ...services.map(serviceDocument),
  ];
}

function podDocument({ namespace, app, ports, hostNetwork }: PodSpec, node: number, k: number): string {
  const containers = (ports.length === 0 ? [""] : ports).map((text, c) => {
    const [port, protocol] = text.split("/");
    // Pods that share their node's network share its ports as well.
    const number = hostNetwork ? 7000 + 10 * k + c : port;
    const list = text === "" ? "" : `, ports: [{containerPort: ${number}, protocol: ${protocol}}]`;
    return `{name: c${c}${list}}`;
  });
  const shared = hostNetwork ? "hostNetwork: true, " : "";
  return `{apiVersion: v1, kind: Pod, metadata: {name: p${node + 1}-${k + 1}, namespace: ${namespace}, labels: {app: ${app}}}, spec: {nodeName: n${node + 1}, ${shared}containers: [${containers.join(", ")}]}}`;
}

function serviceDocument(service: ServiceSpec, i: number): string {
  const { namespace, app, type, internalLocal, externalLocal, affinity } = service;
  const isOpen = type === "NodePort" || type === "LoadBalancer";
  const parts = [
    type === "headless" ? "clusterIP: None" : `type: ${type}, clusterIP: 10.96.0.${10 + i}`,
    ...(internalLocal && type !== "headless" ? ["internalTrafficPolicy: Local"] : []),
    ...(externalLocal && isOpen ? ["externalTrafficPolicy: Local"] : []),
    ...(affinity ? ["sessionAffinity: ClientIP"] : []),
    `selector: {app: ${app}}`,
    `ports: [{port: 8${i}, targetPort: 80${isOpen ? `, nodePort: ${30_080 + i}` : ""}}]`,
  ];
  return `{apiVersion: v1, kind: Service, metadata: {name: s${i + 1}, namespace: ${namespace}}, spec: {${parts.join(", ")}}}`;
}
