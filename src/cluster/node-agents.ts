import type { CalicoMesh } from "../cni/calico/mesh.ts";
import { addCalico, addCalicoPeers } from "../cni/calico/node.ts";
import { addDocker0 } from "../cni/docker0.ts";
import { AddressFiles, Machine } from "../cni/machine.ts";
import { HASHED_NAMES } from "../cni/names.ts";
import type { Netns } from "../cni/netns.ts";
import type { NetworkList } from "../cni/network-config.ts";
import { type Attachment, Runtime } from "../cni/runtime.ts";
import { WEAVE_NAMES } from "../cni/weave/network.ts";
import { addressesOfPod } from "../control/pod-addresses.ts";
import type { Host } from "../kernel/host.ts";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import { isObserved, keyOf, namespaceOf, type Pod } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { USERSPACE_MODE } from "../proxy/configuration.ts";
import { type ModelOrigins, proxyModel } from "../proxy/model.ts";
import type { InputError } from "../world/input-error.ts";
import type { Wire } from "../world/world.ts";
import { calicoMeshesOf, calicoNodeOf } from "./calico-mesh.ts";
import type { ClusterConfiguration } from "./configuration.ts";
import type { Elsewhere } from "./endpoints-elsewhere.ts";
import {
  addElsewhere,
  addEthernet,
  DEFAULT_ROUTE,
  DEFAULT_ROUTE6,
  type Fabric,
  NODE_NETWORK_LENGTH,
  NODE_NETWORK_LENGTH6,
  networkAround,
  newMachine,
} from "./fabric.ts";
import { FelixAgents } from "./felix.ts";
import { FlannelAgents } from "./flannel-agents.ts";
import { factsOf, factsOf6, type Member } from "./member.ts";
import type { ObjectOrigins } from "./object-origins.ts";
import {
  calicoNetwork,
  ownNetwork,
  podNetwork,
  portMappings,
  takesNodeRanges,
  weaveNetwork,
  withoutPortmap,
} from "./pod-network.ts";
import { declaredSockets, podSockets } from "./pod-sockets.ts";
import { type ProxyAgents, type ProxyModels, proxyAgents } from "./proxy-agents.ts";
import { WeaveAgents } from "./weave-agents.ts";

/** What all agents go by. */
export interface Intent {
  readonly objects: Lister;
  readonly configuration: ClusterConfiguration;
  readonly origins: ObjectOrigins;
}

export interface Surroundings {
  readonly members: readonly Member[];
  readonly fabric: Fabric;
  readonly elsewhere: readonly Elsewhere[];
}

/** A node with its pods, programmed. */
export interface ProgrammedNode {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly wires: readonly Wire[];
  readonly hostOfPod: ReadonlyMap<string, string>;
  readonly errors: readonly InputError[];
}

/** The agents of all nodes: what of their work is the same everywhere is done once, here. */
export class NodeAgents {
  readonly #intent: Intent;
  readonly #fabric: Fabric;
  readonly #proxies: ProxyAgents;
  readonly #healthSockets: readonly Socket[];
  /** One for each family. */
  readonly #calico: readonly CalicoMesh[];
  readonly #felix: FelixAgents | null;
  readonly #flannel: FlannelAgents | null;
  readonly #weave: WeaveAgents | null;
  readonly #elsewhere = new Map<string, Elsewhere[]>();
  readonly #podNames = new Set<string>();

  constructor(intent: Intent, { members, fabric, elsewhere }: Surroundings) {
    const { objects, configuration, origins } = intent;
    this.#intent = intent;
    this.#fabric = fabric;
    const services = objects.list("Service");
    const slices = objects.list("EndpointSlice");
    const serviceOf = new Map<unknown, (typeof services)[number]>(services.map((one) => [one, one]));
    const sliceOf = new Map<unknown, (typeof slices)[number]>(slices.map((one) => [one, one]));
    const modelOrigins: ModelOrigins = {
      service: (given, index) => {
        const service = serviceOf.get(given);
        return service === undefined ? ORIGIN_NONE : origins.of(service, ["spec", "ports", index]);
      },
      endpoint: (given, index) => {
        const slice = sliceOf.get(given);
        // A slice that nobody wrote says nothing that its Service does not.
        return slice === undefined || !isObserved(slice)
          ? ORIGIN_NONE
          : origins.of(slice, ["endpoints", index]);
      },
    };
    const models = {
      four: proxyModel(services, slices, "IPv4", modelOrigins),
      six: proxyModel(services, slices, "IPv6", modelOrigins),
    };
    const { kubeProxy } = configuration.where;
    this.#healthSockets = configuration.proxy.mode === USERSPACE_MODE ? [] : healthSockets(models);
    this.#proxies = proxyAgents(
      models,
      configuration.proxy,
      origins.ofConfiguration("KubeProxyConfiguration", "kube-proxy", kubeProxy),
    );
    this.#calico =
      configuration.calico === null
        ? []
        : calicoMeshesOf({ network: configuration.calico, members, objects, origins });
    this.#felix =
      configuration.calico === null ? null : new FelixAgents(objects, configuration.calico, members, origins);
    const { flannel, where } = configuration;
    const flannels = origins.ofConfiguration("ConfigMap", "kube-flannel-cfg", where.flannel, "net-conf.json");
    this.#flannel = flannel === null ? null : new FlannelAgents(flannel, members, origins, flannels);
    const { cni, clusterCidr } = configuration;
    this.#weave =
      cni === "weave" && clusterCidr !== null
        ? new WeaveAgents(objects, clusterCidr, members, origins)
        : null;
    for (const one of elsewhere) {
      if (one.place.kind === "beyond") continue;
      const known = this.#elsewhere.get(one.place.node);
      if (known === undefined) this.#elsewhere.set(one.place.node, [one]);
      else known.push(one);
    }
  }

  program(member: Member): ProgrammedNode {
    const { objects, configuration, origins } = this.#intent;
    const { name, podCidr } = member;
    const pods = objects.podsOn(name).filter(isRunning);
    const origin = origins.of(member.node, ["spec", "podCIDR"]);
    const node = newMachine(name, "node", member.address6 !== null, origin);
    // Before there is an address: a router has routes that others lack.
    if (member.address6 !== null) node.enableForwarding(6);
    this.#addCard(node, member);
    if (member.address !== null) node.enableForwarding(4);
    node.sysctl("net.bridge.bridge-nf-call-iptables", "1");
    if (member.address6 !== null) node.sysctl("net.bridge.bridge-nf-call-ip6tables", "1");
    this.#proxies.start(node, { four: factsOf(member), six: factsOf6(member) });
    if (podCidr !== null && configuration.cni === "docker0") {
      addDocker0(node, { address: (podCidr.address + 1) | 0, length: podCidr.length }, HASHED_NAMES);
    }
    this.#flannel?.start(node, member);
    const cables = this.#weave?.start(node, member) ?? [];
    for (const mesh of this.#calico) {
      const self = calicoNodeOf(member, mesh.family);
      if (self !== null) addCalico(node, mesh, self);
    }
    this.#openSockets(node, pods);
    for (const { place, address, slice, index } of this.#elsewhere.get(name) ?? []) {
      if (place.kind === "pods-of") addElsewhere(node, address, origins.of(slice, ["endpoints", index]));
    }
    return this.#attachAll(node, member, pods, cables);
  }

  /** eth0 with every InternalIP: those of the first one's network beside it, others alone. */
  #addCard(node: Netns, member: Member): void {
    const { node: object, address, addressIndex, more } = member;
    const { origins } = this.#intent;
    const gateways = this.#fabric.gatewaysOf(member);
    const lead = (family: 4 | 6): void => {
      const gw = gateways.find((own) => own.family === family);
      const dst = family === 4 ? DEFAULT_ROUTE : DEFAULT_ROUTE6;
      if (gw !== undefined) node.addRoute({ dst, gw, dev: "eth0" });
    };
    const [six] = more.filter(({ ip }) => ip.family === 6);
    const first = address === null ? (six?.index ?? 0) : addressIndex;
    node.as(origins.of(object, ["status", "addresses", first]), () => {
      addEthernet(node, "eth0", address);
      lead(4);
    });
    for (const { ip, index } of more) {
      const isNear =
        ip.family === 4 && address !== null && networkAround(Number(ip.value) | 0) === networkAround(address);
      const length = ip.family === 6 ? NODE_NETWORK_LENGTH6 : isNear ? NODE_NETWORK_LENGTH : 32;
      node.as(origins.of(object, ["status", "addresses", index]), () =>
        node.addAddress("eth0", { ip, length }),
      );
    }
    if (six !== undefined) {
      node.as(origins.of(object, ["status", "addresses", six.index]), () => lead(6));
    }
  }

  /** The node's own, those of pods that share its network, and of endpoints at its address that no Pod explains. */
  #openSockets(node: Netns, pods: readonly Pod[]): void {
    const { origins } = this.#intent;
    const shared = pods
      .filter((pod) => pod.spec.hostNetwork === true)
      .flatMap((pod) => declaredSockets(pod, origins));
    const unexplained = (this.#elsewhere.get(node.name) ?? []).flatMap(({ place, slice, index }) =>
      place.kind === "node"
        ? (slice.ports ?? []).flatMap(({ port, protocol }) =>
            port === undefined || port === null || port === 0
              ? []
              : [listener(port, protocol ?? "TCP", origins.of(slice, ["endpoints", index]))],
          )
        : [],
    );
    const taken = new Set([...NODE_SOCKETS, ...shared].map(({ proto, port }) => `${proto} ${port}`));
    const rest = unexplained.filter(({ proto, port }) => !taken.has(`${proto} ${port}`));
    const sockets = [...NODE_SOCKETS, ...this.#healthSockets, ...shared, ...rest];
    node.do({ kind: "sockets", sockets: { kind: "listed", sockets } });
  }

  #attachAll(node: Netns, member: Member, pods: readonly Pod[], cables: readonly Wire[]): ProgrammedNode {
    const { configuration, origins } = this.#intent;
    const errors: InputError[] = [];
    const hostOfPod = new Map<string, string>();
    const hosts = new Map<string, Host>([[node.name, node.host]]);
    const attached: Pod[] = [];
    /** Those of them that got a network. */
    const wired: Pod[] = [];
    for (const pod of pods) {
      const hostName = this.#nameOf(pod, node.name);
      hostOfPod.set(keyOf(pod), hostName);
      if (hostName === node.name) continue;
      hosts.set(hostName, newMachine(hostName, "pod", member.address6 !== null).host);
      attached.push(pod);
    }
    const machine = new Machine(
      { node: node.name, hosts, wires: cables },
      new AddressFiles(),
      this.#weave === null ? HASHED_NAMES : WEAVE_NAMES,
      node.origin,
    );
    const list = this.#networkOf(member);
    const plain = list === null ? null : new Runtime(machine, withoutPortmap(list));
    const mapped = list === null ? null : new Runtime(machine, list);
    for (const pod of attached) {
      const mappings = portMappings(pod);
      const runtime = mappings.length === 0 ? plain : mapped;
      if (runtime === null) {
        errors.push(complaint(pod, "its node has no podCIDR, so it gets no network"));
        continue;
      }
      if (configuration.cni === "calico" && (pod.status?.podIP ?? "") === "") {
        errors.push(complaint(pod, "Calico has given it no address, so it gets no network"));
        continue;
      }
      const given = configuration.conflist === null || takesNodeRanges(configuration.conflist);
      const families = !given ? [] : this.#weave === null ? BOTH : FOUR_ALONE;
      const attachment = attachmentOf(pod, hostOfPod.get(keyOf(pod)) ?? "", mappings, families);
      const outcome = machine.node.as(origins.of(pod, []), () => runtime.add(attachment));
      if (outcome.kind === "error") {
        errors.push(complaint(pod, outcome.error.msg));
        continue;
      }
      wired.push(pod);
      machine.netns(attachment.netns)?.do({ kind: "sockets", sockets: podSockets(pod, origins) });
    }
    // Last, though the others' leases come at any time: nothing above depends on them, and a host's lists stay short.
    this.#flannel?.finish(machine.node, member);
    for (const mesh of this.#calico) {
      if (calicoNodeOf(member, mesh.family) !== null) addCalicoPeers(machine.node, mesh);
    }
    this.#proxies.finish(machine.node, { four: factsOf(member), six: factsOf6(member) });
    this.#felix?.program(machine.node, member, wired);
    this.#weave?.finish(machine.node, wired);
    const state = machine.finish();
    return { hosts: state.hosts, wires: state.wires, hostOfPod, errors };
  }

  /** What the kubelet runs for a pod of a node; null: the node has no range that its pods could be of. */
  #networkOf({ podCidr, podCidr6 }: Member): NetworkList | null {
    const { configuration } = this.#intent;
    const { clusterCidr, clusterCidr6, cni } = configuration;
    const ranges = {
      podCidr: clusterCidr === null ? null : podCidr,
      podCidr6: clusterCidr6 === null || cni === "docker0" ? null : podCidr6,
    };
    const { conflist } = configuration;
    if (conflist !== null) {
      const isWithout = ranges.podCidr === null && ranges.podCidr6 === null;
      return isWithout && takesNodeRanges(conflist) ? null : ownNetwork(conflist, ranges);
    }
    if (cni === "calico") return calicoNetwork(configuration, { podCidr: null, podCidr6: null });
    if (ranges.podCidr === null && ranges.podCidr6 === null) return null;
    if (cni === "weave")
      return clusterCidr === null || podCidr === null ? null : weaveNetwork(clusterCidr, podCidr);
    return cni === "canal" ? calicoNetwork(configuration, ranges) : podNetwork(configuration, ranges);
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
}

const KUBELET_PORT = 10250;
const KUBE_PROXY_HEALTH_PORT = 10256;

function listener(port: number, protocol: string, origin: Origin): Socket {
  const proto = protocol.toLowerCase();
  return {
    proto: proto === "udp" || proto === "sctp" ? proto : "tcp",
    ...{ families: [4, 6], address: null, dev: null, port, app: { kind: "line" }, origin },
  };
}

/** sshd, the kubelet and kube-proxy. */
const NODE_SOCKETS: readonly Socket[] = [22, KUBELET_PORT, KUBE_PROXY_HEALTH_PORT].map((port) =>
  listener(port, "TCP", ORIGIN_NONE),
);

/** By these a balancer asks each node whether it has endpoints of its own: kube-proxy answers, on all of them. */
function healthSockets({ four, six }: ProxyModels): Socket[] {
  const ports = new Map<number, Socket>();
  for (const { port } of [...four.ports, ...six.ports]) {
    const { healthCheckNodePort: number, origin } = port;
    if (number !== 0 && !ports.has(number)) ports.set(number, listener(number, "TCP", origin));
  }
  return [...ports.values()];
}

const BOTH = ["IPv4", "IPv6"] as const;
const FOUR_ALONE = ["IPv4"] as const;

/** `families`: of which the pod's addresses are asked for. */
function attachmentOf(
  pod: Pod,
  hostName: string,
  mappings: readonly Readonly<Record<string, unknown>>[],
  families: readonly ("IPv4" | "IPv6")[],
): Attachment {
  const own = addressesOfPod(pod);
  const addresses = families.map((family) => own[family] ?? "").filter((address) => address !== "");
  return {
    containerId: `${namespaceOf(pod)}_${pod.metadata.name}`,
    netns: `/run/netns/${hostName}`,
    ifName: "eth0",
    args: [
      "IgnoreUnknown=1",
      `K8S_POD_NAMESPACE=${namespaceOf(pod)}`,
      `K8S_POD_NAME=${pod.metadata.name}`,
      ...(addresses.length === 0 ? [] : [`IP=${addresses.join(",")}`]),
    ].join(";"),
    capabilities: mappings.length === 0 ? {} : { portMappings: mappings },
  };
}

function complaint(pod: Pod, message: string): InputError {
  const { file, line } = pod.place;
  return { file, line, field: null, message: `Pod ${keyOf(pod)}: ${message}` };
}

/** A pod that has come to its end holds no network any more, and one that waits for an address has none yet. */
function isRunning(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Succeeded" && phase !== "Failed" && !waitsForNetwork(pod);
}

/** It has a node, and its network refused it an address. */
export function waitsForNetwork({ spec, status }: Pod): boolean {
  const { phase, podIP = "", message } = status ?? {};
  return (spec.nodeName ?? "") !== "" && phase === "Pending" && podIP === "" && message !== undefined;
}
