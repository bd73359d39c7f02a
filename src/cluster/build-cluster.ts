import { formatIpv4, type Ipv4, parseIpv4 } from "../address/ipv4.ts";
import type { Mac } from "../address/mac.ts";
import { formatPrefix4, type Prefix4 } from "../address/prefix.ts";
import { readLease } from "../cni/flannel/lease.ts";
import { addFlannel, type FlannelPeer } from "../cni/flannel/node.ts";
import { fromIpv4 } from "../cni/ip.ts";
import { Machine, MemoryFiles, newNetns } from "../cni/machine.ts";
import { HASHED_NAMES } from "../cni/names.ts";
import { Netns } from "../cni/netns.ts";
import { readNetwork } from "../cni/network-config.ts";
import { Runtime } from "../cni/runtime.ts";
import { podCidrOf } from "../control/pod-cidr.ts";
import type { Host } from "../kernel/host.ts";
import type { Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE } from "../kernel/origin.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import { keyOf, type Node, namespaceOf, type Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { kubeProxyVersion, type NodeFacts, type ProxyConfiguration } from "../proxy/configuration.ts";
import { freshNodeRuleset } from "../proxy/iptables/fresh-node.ts";
import { IptablesProxier } from "../proxy/iptables/proxier.ts";
import { startOperations } from "../proxy/iptables/start-operations.ts";
import { proxyModel } from "../proxy/model.ts";
import type { InputError } from "../world/input-error.ts";
import { NO_ORIGINS } from "../world/origins.ts";
import type { Wire, World } from "../world/world.ts";
import {
  addEthernet,
  buildFabric,
  DEFAULT_ROUTE,
  type Fabric,
  NODE_NETWORK_LENGTH,
  NOTHING_YET,
  newMachine,
} from "./fabric.ts";
import { declaredSockets, podSockets } from "./pod-sockets.ts";

/** How a cluster's agents are set up. */
export interface ClusterConfiguration {
  /** `bridge` alone, or flannel around it. */
  readonly cni: "bridge" | "flannel";
  readonly flannelBackend: "vxlan" | "host-gw";
  readonly clusterCidr: Prefix4;
  readonly proxy: ProxyConfiguration;
}

/** A cluster programmed: what its nodes and pods hold, and which host is which pod. */
export interface Cluster {
  readonly world: World;
  /** Key of a Pod (`namespace/name`) to the name of its host; of one that shares its node's network, the node's. */
  readonly hostOfPod: ReadonlyMap<string, string>;
  readonly assumptions: readonly string[];
  /** What could not be programmed, such as a pod whose address its network refused. */
  readonly errors: readonly InputError[];
}

const KUBELET_PORT = 10250;
const KUBE_PROXY_HEALTH_PORT = 10256;

/** Program every node and pod of a reconciled cluster as its agents would: objects in, state out. */
export function buildCluster(objects: Lister, configuration: ClusterConfiguration): Cluster {
  return new ClusterBuilder(objects, configuration).build();
}

interface Planned {
  readonly node: Node;
  readonly name: string;
  readonly address: Ipv4;
  readonly podCidr: Prefix4 | null;
}

class ClusterBuilder {
  readonly #objects: Lister;
  readonly #configuration: ClusterConfiguration;
  readonly #hosts = new Map<string, Host>();
  readonly #wires: Wire[] = [];
  readonly #hostOfPod = new Map<string, string>();
  readonly #errors: InputError[] = [];
  readonly #podNames = new Set<string>();

  constructor(objects: Lister, configuration: ClusterConfiguration) {
    this.#objects = objects;
    this.#configuration = configuration;
  }

  build(): Cluster {
    const nodes = this.#objects.list("Node").flatMap((node): Planned[] => {
      const address = internalAddress(node);
      if (address === undefined) return [];
      return [{ node, name: node.metadata.name, address, podCidr: podCidrOf(node) ?? null }];
    });
    const fabric = buildFabric(nodes);
    const model = proxyModel(this.#objects.list("Service"), this.#objects.list("EndpointSlice"));
    const proxier = new IptablesProxier(model, this.#configuration.proxy);
    for (const planned of nodes) this.#addNode(planned, nodes, fabric, proxier);
    for (const host of fabric.hosts) this.#hosts.set(host.name, host);
    this.#wires.push(...fabric.wires);
    return {
      world: { hosts: this.#hosts, wires: this.#wires, origins: NO_ORIGINS },
      hostOfPod: this.#hostOfPod,
      assumptions: [
        "the network between the nodes: a switch for each /24 of node addresses, and a gateway to one client outside",
        ...this.#unenforced(),
      ],
      errors: this.#errors,
    };
  }

  /** Neither plugin has a policy engine: a real cluster that has these alone takes the objects and does nothing. */
  #unenforced(): string[] {
    const policies = this.#objects.list("NetworkPolicy");
    if (policies.length === 0) return [];
    const them = policies.length === 1 ? "1 NetworkPolicy has" : `${policies.length} NetworkPolicies have`;
    return [`${them} no effect: ${this.#configuration.cni} does not enforce them`];
  }

  #addNode(planned: Planned, all: readonly Planned[], fabric: Fabric, proxier: IptablesProxier): void {
    const { name, address, podCidr } = planned;
    const node = newMachine(name, "node");
    addEthernet(node, "eth0", address);
    const others = otherAddresses(planned);
    for (const other of others) node.addAddress("eth0", { ip: fromIpv4(other), length: NODE_NETWORK_LENGTH });
    node.addRoute({ dst: DEFAULT_ROUTE, gw: fromIpv4(fabric.gatewayOf(address)), dev: "eth0" });
    node.enableForwarding(4);
    node.sysctl("net.bridge.bridge-nf-call-iptables", "1");
    const facts: NodeFacts = {
      name,
      ip: formatIpv4(address),
      addresses: ["127.0.0.1", ...[address, ...others].map(formatIpv4)],
      zone: planned.node.metadata.labels?.["topology.kubernetes.io/zone"] ?? null,
      podCidrs: podCidr === null ? [] : [formatPrefix4(podCidr)],
      version: kubeProxyVersion(planned.node),
    };
    node.do(...startOperations(this.#configuration.proxy));
    node.do({
      kind: "iptables-restore",
      ruleset: freshNodeRuleset(proxier.rulesFor(facts), { kubelet: true, canaries: true }),
      noflush: false,
    });
    if (this.#configuration.cni === "flannel" && podCidr !== null) {
      const peers = all
        .filter((other) => other.name !== name)
        .flatMap((other): FlannelPeer[] =>
          other.podCidr === null
            ? []
            : [
                {
                  subnet: other.podCidr,
                  publicIp: other.address,
                  node: other.name,
                  vtepMac: vtepMacOf(other.node),
                },
              ],
        );
      addFlannel(node, {
        backend: this.#configuration.flannelBackend,
        network: this.#configuration.clusterCidr,
        subnet: podCidr,
        publicIp: address,
        vtepMac: vtepMacOf(planned.node),
        peers,
      });
    }
    const pods = this.#objects.podsOn(name).filter(isRunning);
    this.#openSockets(node, pods);
    const hosts = new Map<string, Host>([[name, node.host]]);
    const attached = pods.filter((pod) => {
      const hostName = this.#nameOf(pod, name);
      this.#hostOfPod.set(keyOf(pod), hostName);
      if (hostName === name) return false;
      const netns = new Netns(newNetns(hostName, "pod"));
      netns.do(...NOTHING_YET);
      hosts.set(hostName, netns.host);
      return true;
    });
    const files = new MemoryFiles();
    const machine = new Machine({ node: name, hosts, wires: [] }, files, HASHED_NAMES, ORIGIN_NONE);
    for (const pod of attached) this.#attach(machine, pod, podCidr);
    const state = machine.finish();
    for (const [hostName, host] of state.hosts) this.#hosts.set(hostName, host);
    this.#wires.push(...state.wires);
  }

  /** Kubelet, kube-proxy and the pods that share the node's network. */
  #openSockets(node: Netns, pods: readonly Pod[]): void {
    const own = (port: number): Socket => ({
      proto: "tcp",
      address: null,
      dev: null,
      port,
      app: { kind: "line" },
      origin: ORIGIN_NONE,
    });
    const shared = pods.filter((pod) => pod.spec.hostNetwork === true).flatMap(declaredSockets);
    const sockets = [own(22), own(KUBELET_PORT), own(KUBE_PROXY_HEALTH_PORT), ...shared];
    node.do({ kind: "sockets", sockets: { kind: "listed", sockets } } satisfies Operation);
  }

  /** A pod's name among the hosts: its own in the default namespace, else `NAME.NAMESPACE`, as DNS would say it. */
  #nameOf(pod: Pod, node: string): string {
    if (pod.spec.hostNetwork === true) return node;
    const namespace = namespaceOf(pod);
    const short = namespace === "default" ? pod.metadata.name : `${pod.metadata.name}.${namespace}`;
    const name = this.#podNames.has(short) ? `${pod.metadata.name}.${namespace}` : short;
    this.#podNames.add(name);
    return name;
  }

  #attach(machine: Machine, pod: Pod, podCidr: Prefix4 | null): void {
    const hostName = this.#hostOfPod.get(keyOf(pod)) as string;
    const address = pod.status?.podIP;
    if (podCidr === null) {
      this.#complain(pod, `its node has no podCIDR, so it gets no network`);
      return;
    }
    const read = readNetwork(networkList(this.#configuration, podCidr));
    if (read.kind === "invalid") throw new Error(read.message);
    const attachment = {
      containerId: `${namespaceOf(pod)}_${pod.metadata.name}`,
      netns: `/run/netns/${hostName}`,
      ifName: "eth0",
      args: address === undefined || address === "" ? "IgnoreUnknown=1" : `IgnoreUnknown=1;IP=${address}`,
      capabilities: {},
    };
    const outcome = new Runtime(machine, read.value).add(attachment);
    if (outcome.kind === "error") {
      this.#complain(pod, outcome.error.msg);
      return;
    }
    const netns = machine.netns(attachment.netns);
    netns?.setUp("lo");
    netns?.do({ kind: "sockets", sockets: podSockets(pod) });
  }

  #complain(pod: Pod, message: string): void {
    const place = pod.place;
    this.#errors.push({
      file: place.file,
      line: place.line,
      field: null,
      message: `Pod ${keyOf(pod)}: ${message}`,
    });
  }
}

/** What the kubelet's conflist comes to: the bridge plugin as flannel delegates to it, or alone. */
function networkList(configuration: ClusterConfiguration, podCidr: Prefix4): Record<string, unknown> {
  const vxlan = configuration.cni === "flannel" && configuration.flannelBackend === "vxlan";
  const routes = [{ dst: formatPrefix4(configuration.clusterCidr) }];
  return {
    cniVersion: "1.0.0",
    name: configuration.cni === "flannel" ? "cbr0" : "bridge",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        isDefaultGateway: true,
        hairpinMode: true,
        ipMasq: configuration.cni === "bridge",
        ...(vxlan ? { mtu: 1450 } : {}),
        ipam: { type: "host-local", ranges: [[{ subnet: formatPrefix4(podCidr) }]], routes },
      },
    ],
  };
}

/** A pod that has come to its end holds no network any more, and one that waits for an address has none yet. */
function isRunning({ status }: Pod): boolean {
  const { phase, podIP = "", message } = status ?? {};
  const waits = phase === "Pending" && podIP === "" && message !== undefined;
  return phase !== "Succeeded" && phase !== "Failed" && !waits;
}

function internalAddress(node: Node): Ipv4 | undefined {
  const addresses = node.status?.addresses ?? [];
  for (const type of ["InternalIP", "ExternalIP"]) {
    for (const entry of addresses) {
      const address = entry.type === type ? parseIpv4(entry.address) : undefined;
      if (address !== undefined) return address;
    }
  }
  return undefined;
}

/** The node's further `InternalIP`s. */
function otherAddresses({ node, address }: Planned): Ipv4[] {
  const internal = (node.status?.addresses ?? []).flatMap((entry) =>
    entry.type === "InternalIP" ? (parseIpv4(entry.address) ?? []) : [],
  );
  return [...new Set(internal)].filter((other) => other !== address);
}

/** As flanneld published it; null where it has not run, or the annotation cannot be read. */
function vtepMacOf({ spec, metadata }: Node): Mac | null {
  const lease = readLease(spec?.podCIDR, metadata.annotations ?? {});
  return lease.kind === "ok" ? lease.value.vtepMac : null;
}
