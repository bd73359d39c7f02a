import type { Family } from "../../src/address/ip.ts";
import { formatIp } from "../../src/address/ip.ts";
import type { Host } from "../../src/kernel/host.ts";
import type { Socket } from "../../src/kernel/socket/socket.ts";
import type { RecordedQuery } from "../../src/lab/recorded.ts";
import type { World } from "../../src/world/world.ts";
import { type YamlWorld, yamlWorld } from "../cluster/yaml-world.ts";
import { Dice } from "./dice.ts";
import { LIVE_SETTINGS, quickSettings } from "./draft.ts";

/**
 * Small clusters from a seed: objects that our agents program the nodes of, and flows between what is in them. IPIP is not
 * among them, which the kernel of the usual machine lacks.
 */
export interface RandomCluster {
  readonly world: World;
  readonly queries: readonly RecordedQuery[];
  /** `calico, vxlanMode: Always; nftables; IPv4`. */
  readonly description: string;
}

/** A network that joins pods, and the objects that tell of it. */
interface PodNetwork {
  readonly name: string;
  readonly cni: "flannel" | "calico" | "canal" | "bridge";
  readonly objects: (families: readonly Family[]) => object[];
  readonly enforces: boolean;
  readonly families: readonly Family[];
}

const RANGES = {
  4: { pods: "10.244.0.0/16", services: "10.96.0.0/16" },
  6: { pods: "fd00:10:244::/56", services: "fd00:10:96::/112" },
} as const;

const flannel = (backend: string) => (): object[] => [
  configMap("kube-flannel", "kube-flannel-cfg", {
    "net-conf.json": JSON.stringify({ Network: RANGES[4].pods, Backend: { Type: backend } }),
  }),
];

const pools =
  (modes: object) =>
  (families: readonly Family[]): object[] =>
    families.map((family) => ({
      apiVersion: "crd.projectcalico.org/v1",
      kind: "IPPool",
      metadata: { name: `pool-${family}` },
      spec: { cidr: RANGES[family].pods, ipipMode: "Never", natOutgoing: true, ...modes },
    }));

const FOUR: readonly Family[] = [4];
const BOTH: readonly Family[] = [4, 6];

const NETWORKS: readonly PodNetwork[] = [
  { name: "flannel vxlan", cni: "flannel", objects: flannel("vxlan"), enforces: false, families: FOUR },
  { name: "flannel host-gw", cni: "flannel", objects: flannel("host-gw"), enforces: false, families: FOUR },
  { name: "bridge", cni: "bridge", objects: () => [], enforces: false, families: BOTH },
  {
    name: "calico vxlan",
    cni: "calico",
    objects: pools({ vxlanMode: "Always" }),
    enforces: true,
    families: FOUR,
  },
  {
    name: "calico routes",
    cni: "calico",
    objects: pools({ vxlanMode: "Never" }),
    enforces: true,
    families: BOTH,
  },
  { name: "canal", cni: "canal", objects: flannel("vxlan"), enforces: true, families: FOUR },
];

/** So many clusters in a row have every network of pods once. */
export const CLUSTERS_IN_TURN = NETWORKS.length;

const PORTS = [80, 8080, 53] as const;
const APPS = ["web", "api", "db"] as const;
const OUTSIDE = { 4: "203.0.113.10", 6: "2001:db8:203:113::10" } as const;
/** Below the ports that the kernel picks for itself. */
const FIRST_PORT = 20_000;

/** Seeds that follow each other have different networks of pods. */
export function randomCluster(seed: number, packets: number): RandomCluster {
  const dice = new Dice(seed);
  const pods = NETWORKS[seed % NETWORKS.length] as PodNetwork;
  const mode = dice.pick(["iptables", "nftables"] as const);
  const families = pods.families.length > 1 && dice.chance(0.5) ? pods.families : FOUR;
  const nodes = dice.between(2, 3);
  const documents = [
    kubeadm(families),
    ...Array.from({ length: nodes }, (_, i) => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: `n${i}`, labels: { zone: i === 0 ? "a" : "b" } },
    })),
    ...pods.objects(families),
    ...randomPods(dice, nodes),
    ...randomServices(dice, families),
    ...(pods.enforces ? randomPolicies(dice) : []),
  ];
  // Flow YAML, which a text that begins with a brace would not be.
  const text = documents.map((each) => `---\n${JSON.stringify(each)}\n`).join("");
  const built = yamlWorld(text, { cni: pods.cni, proxyMode: mode });
  const world = liveWorld(built.cluster.world);
  const description = `${pods.name}, kube-proxy ${mode}, ${families.map((family) => `IPv${family}`).join(" and ")}`;
  return { world, queries: randomFlows(dice, built, world, families, packets), description };
}

function configMap(namespace: string, name: string, data: object): object {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

function kubeadm(families: readonly Family[]): object {
  const list = (which: "pods" | "services") => families.map((family) => RANGES[family][which]).join(",");
  return {
    apiVersion: "kubeadm.k8s.io/v1beta3",
    kind: "ClusterConfiguration",
    networking: { podSubnet: list("pods"), serviceSubnet: list("services") },
  };
}

function randomPods(dice: Dice, nodes: number): object[] {
  return Array.from({ length: dice.between(3, 5) }, (_, i) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `p${i}`, labels: { app: APPS[i % APPS.length] } },
    spec: {
      nodeName: `n${dice.below(nodes)}`,
      containers: [
        {
          name: "c",
          ports: [
            { name: "http", containerPort: 80 },
            { name: "alt", containerPort: 8080 },
            { name: "dns", containerPort: 53, protocol: "UDP" },
          ],
        },
      ],
    },
  }));
}

const NODE_PORT = 30_080;
const EXTERNAL_IP = "198.51.100.20";
const VIP = "198.51.100.4";

function randomServices(dice: Dice, families: readonly Family[]): object[] {
  return Array.from({ length: dice.between(2, 4) }, (_, i) => {
    const type = dice.pick(["ClusterIP", "NodePort", "NodePort", "LoadBalancer"] as const);
    const outside = type === "ClusterIP" ? {} : policyOf(dice, "externalTrafficPolicy");
    const [tcp, udp] = [NODE_PORT + 2 * i, NODE_PORT + 2 * i + 1];
    const isReached = type !== "ClusterIP";
    return {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: `s${i}` },
      spec: {
        type,
        // Now and then one without endpoints.
        selector: { app: dice.chance(0.15) ? "nobody" : dice.pick(APPS) },
        ports: [
          { name: "http", port: 80, targetPort: dice.pick(["http", "alt", 8080]), ...port(isReached, tcp) },
          { name: "dns", port: 53, protocol: "UDP", targetPort: "dns", ...port(isReached, udp) },
        ],
        ...(families.length > 1 ? { ipFamilyPolicy: "PreferDualStack" } : {}),
        ...(dice.chance(0.25) ? { sessionAffinity: "ClientIP" } : {}),
        ...(dice.chance(0.2) ? { externalIPs: [EXTERNAL_IP] } : {}),
        ...outside,
        ...policyOf(dice, "internalTrafficPolicy"),
        ...(type === "LoadBalancer" && dice.chance(0.4)
          ? { loadBalancerSourceRanges: [dice.pick(["10.244.0.0/16", "203.0.113.0/24", "192.0.2.0/24"])] }
          : {}),
      },
      ...(type === "LoadBalancer" ? { status: { loadBalancer: { ingress: [{ ip: `${VIP}${i}` }] } } } : {}),
    };
  });
}

function port(isReached: boolean, nodePort: number): object {
  return isReached ? { nodePort } : {};
}

function policyOf(dice: Dice, name: string): object {
  return dice.chance(0.3) ? { [name]: "Local" } : {};
}

function randomPolicies(dice: Dice): object[] {
  const selector = () => dice.pick([{}, ...APPS.map((app) => ({ matchLabels: { app } }))]);
  const peer = () =>
    dice.weighted<object>([
      [4, { podSelector: selector() }],
      [1, { namespaceSelector: {} }],
      [2, { ipBlock: dice.pick(BLOCKS) }],
    ]);
  const ports = () =>
    dice.chance(0.5)
      ? {}
      : {
          ports: [
            dice.pick<object>([
              { port: 80 },
              { port: "alt" },
              { protocol: "UDP", port: 53 },
              { port: 79, endPort: 90 },
            ]),
          ],
        };
  const rules = (side: "from" | "to") =>
    Array.from({ length: dice.between(0, 2) }, () => ({ [side]: [peer()], ...ports() }));
  return Array.from({ length: dice.between(1, 3) }, (_, i) => {
    const policyTypes = dice.pick([["Ingress"], ["Ingress"], ["Egress"], ["Ingress", "Egress"]]);
    return {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: `np${i}` },
      spec: {
        podSelector: selector(),
        policyTypes,
        ...(policyTypes.includes("Ingress") ? { ingress: rules("from") } : {}),
        ...(policyTypes.includes("Egress") ? { egress: rules("to") } : {}),
      },
    };
  });
}

const BLOCKS = [
  { cidr: "10.244.0.0/16" },
  { cidr: "0.0.0.0/0", except: ["10.244.0.0/24"] },
  { cidr: "203.0.113.0/24" },
  { cidr: "10.244.0.0/16", except: ["10.244.1.0/25"] },
] as const;

/** A cluster's hosts, with settings that make a probe quick and exact; who is taken to listen everywhere does so on two ports. */
function liveWorld(world: World): World {
  const hosts = [...world.hosts].map(([name, host]): [string, Host] => {
    const devices = host.devices.map((device) => device.name);
    const sysctl = new Map([
      ...host.sysctl,
      ...Object.entries(LIVE_SETTINGS),
      ...quickSettings(devices, [4, 6]),
    ]);
    const isOf6 = host.addresses6.some(({ dev }) => dev !== "lo");
    const sockets =
      host.sockets.kind === "listed" ? host.sockets : { kind: "listed" as const, sockets: usual(isOf6) };
    return [name, { ...host, sysctl, sockets }];
  });
  return { ...world, hosts: new Map(hosts) };
}

function usual(isOf6: boolean): Socket[] {
  return [80, 10_250].map((number) => ({
    proto: "tcp",
    families: isOf6 ? [4, 6] : [4],
    address: null,
    dev: null,
    port: number,
    app: { kind: "line" },
    origin: 0,
  }));
}

/** Flows between pods, nodes and outside, to pods, Services by all their addresses, and what there is not. */
function randomFlows(
  dice: Dice,
  { inventory }: YamlWorld,
  world: World,
  families: readonly Family[],
  count: number,
): RecordedQuery[] {
  const senders = [...world.hosts.values()].filter(
    ({ kind, addresses, addresses6 }) =>
      kind !== "switch" && addresses.length + addresses6.length > 1 && kind !== "router",
  );
  const services = inventory.objects.list("Service");
  const ofFamily = (family: Family, texts: readonly (string | undefined)[]): string[] =>
    texts.flatMap((text) => (text !== undefined && text.includes(":") === (family === 6) ? [text] : []));
  const hostAddresses = (family: Family, kind: string): string[] =>
    [...world.hosts.values()]
      .filter((host) => host.kind === kind)
      .flatMap(({ addresses, addresses6 }) =>
        (family === 6 ? addresses6.filter(({ scope }) => scope === "global") : addresses)
          .filter(({ dev }) => dev === "eth0")
          .map(({ address }) => formatIp(address)),
      );
  return Array.from({ length: count }, (_, i): RecordedQuery => {
    const family = dice.pick(families);
    const from = dice.pick(senders).name;
    const proto = dice.weighted<"tcp" | "udp" | "icmp">([
      [5, "tcp"],
      [3, "udp"],
      [1, "icmp"],
    ]);
    const toService = (): readonly [string, number] => {
      const { spec, status } = dice.pick(services);
      const reached = ofFamily(family, [
        ...(spec.clusterIPs ?? []),
        ...(spec.externalIPs ?? []),
        ...(status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip),
      ]);
      const nodePort = dice.pick(spec.ports ?? [])?.nodePort;
      const nodeAddresses = hostAddresses(family, "node");
      if (nodePort !== undefined && dice.chance(0.4) && nodeAddresses.length > 0)
        return [dice.pick(nodeAddresses), nodePort];
      return [reached.length === 0 ? OUTSIDE[family] : dice.pick(reached), proto === "udp" ? 53 : 80];
    };
    const [dst, dport] = dice.weighted<() => readonly [string, number]>([
      [8, toService],
      [4, () => [dice.pick(hostAddresses(family, "pod")), proto === "udp" ? 53 : dice.pick(PORTS)]],
      [2, () => [dice.pick(hostAddresses(family, "node")), dice.pick([80, 10_250, 9])]],
      [1, () => [OUTSIDE[family], 80]],
      [0.5, () => [family === 6 ? "fd00:10:96::beef" : "10.96.200.200", 80]],
    ])();
    const sport = FIRST_PORT + i;
    return {
      ...{ from, proto, dst, sport, count: 1 },
      ...(proto === "icmp" ? {} : { dport }),
      ...(proto !== "tcp" && dice.chance(0.15) ? { size: dice.pick([1300, 1400, 1472, 2000]) } : {}),
    };
  });
}
