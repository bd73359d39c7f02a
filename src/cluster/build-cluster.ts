import { type Family, familyOfAddress, formatIp, type IpAddress } from "../address/ip.ts";
import { contains, formatPrefix4 } from "../address/prefix.ts";
import { type Receiver, routeToNodes, rulesToNodePorts } from "../balance/gateway.ts";
import {
  describeAddress,
  type OutsideAddress,
  outsideAddresses,
  waitingForAddress,
} from "../balance/service-addresses.ts";
import { familiesOf } from "../cni/calico/network.ts";
import { formatIp as formatNodeIp, fromIpv4 } from "../cni/ip.ts";
import type { Host } from "../kernel/host.ts";
import { describeObject, namespaceOf, type Service } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import type { InputError } from "../world/input-error.ts";
import type { Wire, World } from "../world/world.ts";
import type { ClusterConfiguration } from "./configuration.ts";
import { type Elsewhere, endpointsElsewhere } from "./endpoints-elsewhere.ts";
import { addElsewhere, Fabric, NODE_NETWORK_LENGTH, NODE_NETWORK_LENGTH6, networkAround } from "./fabric.ts";
import { assumedOfFelix } from "./felix.ts";
import { leftUndone, unservedPorts } from "./left-undone.ts";
import { hasIpv4, type Member, memberOf } from "./member.ts";
import { NodeAgents } from "./node-agents.ts";
import { ObjectOrigins } from "./object-origins.ts";
import { takesNodeRanges } from "./pod-network.ts";
import { proxyAssumptions } from "./proxy-assumptions.ts";
import { assumedOfWeave } from "./weave-agents.ts";

/** A cluster programmed: what its nodes and pods hold, and which host is which pod. */
export interface Cluster {
  readonly world: World;
  /** Key of a Pod (`namespace/name`) to the name of its host; of one that shares its node's network, the node's. */
  readonly hostOfPod: ReadonlyMap<string, string>;
  readonly assumptions: readonly string[];
  /** What could not be programmed, such as a pod whose address its network refused. */
  readonly errors: readonly InputError[];
}

/** Program every node and pod of a reconciled cluster as its agents would: objects in, state out. */
export function buildCluster(objects: Lister, configuration: ClusterConfiguration): Cluster {
  return new ClusterBuilder(objects, configuration).build();
}

class ClusterBuilder {
  readonly #objects: Lister;
  readonly #configuration: ClusterConfiguration;
  readonly #origins = new ObjectOrigins();
  readonly #members: readonly Member[];
  readonly #fabric: Fabric;
  readonly #assumptions: string[];

  constructor(objects: Lister, configuration: ClusterConfiguration) {
    this.#objects = objects;
    this.#configuration = configuration;
    this.#members = objects.list("Node").flatMap((node) => memberOf(node) ?? []);
    this.#fabric = new Fabric(this.#members);
    const isSix = this.#members.length > 0 && !this.#members.some(hasIpv4);
    this.#assumptions = [
      `the network between the nodes: a switch for each /${isSix ? NODE_NETWORK_LENGTH6 : NODE_NETWORK_LENGTH} of node addresses, and a gateway to one client outside`,
    ];
  }

  build(): Cluster {
    const elsewhere = endpointsElsewhere(this.#objects, this.#members);
    const agents = new NodeAgents(
      { objects: this.#objects, configuration: this.#configuration, origins: this.#origins },
      { members: this.#members, fabric: this.#fabric, elsewhere },
    );
    const hosts = new Map<string, Host>();
    const wires: Wire[] = [];
    const hostOfPod = new Map<string, string>();
    const errors: InputError[] = [];
    errors.push(...this.#nodesAmongPods());
    for (const member of errors.length > 0 ? [] : this.#members) {
      const made = agents.program(member);
      for (const [name, host] of made.hosts) hosts.set(name, host);
      wires.push(...made.wires);
      for (const [pod, host] of made.hostOfPod) hostOfPod.set(pod, host);
      errors.push(...made.errors);
    }
    this.#leadOutside(elsewhere);
    this.#bringIn();
    const fabric = this.#fabric.finish();
    for (const host of fabric.hosts) hosts.set(host.name, host);
    wires.push(...fabric.wires);
    this.#assumptions.push(
      ...this.#ownNetwork(),
      ...leftUndone(this.#objects),
      ...this.#sharedAddresses(hosts, hostOfPod),
      ...proxyAssumptions(this.#configuration.proxy, this.#members),
      ...this.#unreachedPeers(),
      ...this.#withoutSix(),
      ...this.#policies(),
    );
    return {
      world: { hosts, wires, origins: this.#origins.finish() },
      hostOfPod,
      assumptions: this.#assumptions,
      errors,
    };
  }

  /** Subnets that the control plane gave out of a range which holds nodes: no bridge of pods may have a node's address. */
  #nodesAmongPods(): InputError[] {
    const { cni, conflist } = this.#configuration;
    if (cni === "calico" || (conflist !== null && !takesNodeRanges(conflist))) return [];
    return this.#members.flatMap(({ name, node, podCidr }): InputError[] => {
      if (podCidr === null) return [];
      const other = this.#members.find(({ address }) => address !== null && contains(podCidr, address));
      if (other === undefined || other.address === null) return [];
      const message = `Node ${name}: its podCIDR ${formatPrefix4(podCidr)} holds ${formatIp(other.address)}, the address of Node ${other.name}: pods and nodes need networks of their own`;
      const { file, line } = node.place;
      return [{ file, line, field: null, message }];
    });
  }

  /** A list of plugins that the user wrote is of one node, and here all nodes have it. */
  #ownNetwork(): string[] {
    const { conflist, where } = this.#configuration;
    if (conflist === null) return [];
    const ranges = takesNodeRanges(conflist)
      ? ", with each node's podCIDR in the place of host-local's ranges"
      : "";
    const types = conflist.plugins.map(({ type }) => String(type)).join(", ");
    return [
      `pods are attached by ${types} as ${where.conflist ?? "the conflist"} says${ranges}`,
      ...unservedPorts(this.#objects, conflist),
    ];
  }

  /** A list of plugins may give one address to pods of several nodes (`static`); they answer for each other then. */
  #sharedAddresses(hosts: ReadonlyMap<string, Host>, hostOfPod: ReadonlyMap<string, string>): string[] {
    if (this.#configuration.conflist === null) return [];
    const holders = new Map<string, string[]>();
    for (const [pod, name] of hostOfPod) {
      const { kind, addresses = [], addresses6 = [] } = hosts.get(name) ?? {};
      if (kind === "node") continue;
      for (const { address, dev } of [...addresses, ...addresses6]) {
        const text = formatIp(address);
        if (dev === "lo" || text.startsWith("fe80:")) continue;
        holders.set(text, [...(holders.get(text) ?? []), pod]);
      }
    }
    const shared = [...holders].filter(([, pods]) => pods.length > 1);
    const [first] = shared;
    if (first === undefined) return [];
    const [address, pods] = first;
    const more = shared.length === 1 ? "" : `, and ${shared.length - 1} more addresses likewise`;
    return [
      `${address} is the address of ${pods.length} pods, ${pods.slice(0, 2).join(" and ")}${pods.length > 2 ? " among them" : ""}${more}: each node's packets reach its own`,
    ];
  }

  /** Further addresses of nodes, and endpoints beyond all nodes, are for the gateway to find. */
  #leadOutside(elsewhere: readonly Elsewhere[]): void {
    const { gateway } = this.#fabric;
    for (const { node, name, address, more } of this.#members.filter(hasIpv4)) {
      for (const { ip, index } of more) {
        if (ip.family === 6 || networkAround(Number(ip.value) | 0) === networkAround(address)) continue;
        const origin = this.#origins.of(node, ["status", "addresses", index]);
        gateway.as(origin, () =>
          gateway.addRoute({
            dst: { ip, length: 32 },
            gw: fromIpv4(address),
            dev: this.#fabric.deviceTo(name),
          }),
        );
      }
    }
    const found = { nodes: 0, beyond: 0, own: 0 };
    for (const { place, slice, index, address } of elsewhere) {
      if (place.kind === "pods-of") {
        found.nodes++;
        // Whatever joins the nodes' pods, the gateway is where a packet goes that no node knows a way for.
        if (this.#configuration.flannel === null) {
          addElsewhere(gateway, address, this.#origins.of(slice, ["endpoints", index]));
        }
      } else if (place.kind === "node") found.own++;
      else {
        found.beyond++;
        addElsewhere(gateway, address, this.#origins.of(slice, ["endpoints", index]));
      }
    }
    const endpoints = (count: number) => (count === 1 ? "1 endpoint" : `${count} endpoints`);
    if (found.nodes > 0) {
      this.#assumptions.push(
        `${endpoints(found.nodes)} that only an EndpointSlice names: on the node whose podCIDR holds the address, behind a device that leads out of the model`,
      );
    }
    if (found.beyond > 0) {
      this.#assumptions.push(
        `${endpoints(found.beyond)} beyond all nodes that only an EndpointSlice names: the gateway leads there, out of the model`,
      );
    }
    if (found.own > 0) {
      this.#assumptions.push(
        `${endpoints(found.own)} at a node's own address that no Pod explains: something listens there`,
      );
    }
  }

  /** Addresses of load balancers and external IPs: packets from outside are brought to the nodes. */
  #bringIn(): void {
    const ofNodes = new Set<string>();
    for (const { address, more } of this.#members) {
      if (address !== null) ofNodes.add(formatIp(address));
      for (const { ip } of more) ofNodes.add(formatNodeIp(ip));
    }
    const isSpoken = (family: Family): boolean =>
      family === 4 || this.#members.some(({ address6 }) => address6 !== null);
    const services = this.#objects.list("Service");
    for (const outside of outsideAddresses(services, (address) => ofNodes.has(formatIp(address)))) {
      if (!isSpoken(familyOfAddress(outside.address))) continue;
      const origin = this.#origins.of(outside.service, outside.field);
      const receivers = this.#receiversOf(outside);
      const { gateway } = this.#fabric;
      gateway.do(
        ...(outside.mode === "VIP"
          ? [routeToNodes(outside.address, receivers, origin)]
          : rulesToNodePorts(outside, receivers, origin)),
      );
      this.#fabric.answerOutside(outside.address, origin);
      this.#assumptions.push(describeAddress(outside, receivers.length));
    }
    const waiting = waitingForAddress(services);
    if (waiting.length > 0) {
      const [first] = waiting;
      const rest = waiting.length === 1 ? "" : ` and ${waiting.length - 1} more`;
      this.#assumptions.push(
        `${first === undefined ? "" : describeObject(first)}${rest}: no load balancer has given an address yet (<pending>): from outside only the node ports lead there`,
      );
    }
  }

  #receiversOf({ address: outside, service, localOnly }: OutsideAddress): Receiver[] {
    const family = familyOfAddress(outside);
    const withEndpoints = localOnly ? this.#nodesWithEndpoints(service, family) : null;
    return this.#members
      .filter(({ name }) => withEndpoints?.has(name) ?? true)
      .flatMap((member) => {
        const address: IpAddress | null = family === 6 ? member.address6 : member.address;
        return address === null ? [] : [{ address, device: this.#fabric.deviceTo(member.name) }];
      });
  }

  #nodesWithEndpoints(service: Service, family: Family): ReadonlySet<string> {
    const { name } = service.metadata;
    const namespace = namespaceOf(service);
    const slices = this.#objects.withLabel("EndpointSlice", namespace, "kubernetes.io/service-name", name);
    const ofFamily = slices.filter(({ addressType }) => (addressType === "IPv6") === (family === 6));
    return new Set(
      ofFamily.flatMap(({ endpoints }) =>
        endpoints.flatMap(({ nodeName, conditions }) =>
          conditions?.ready === false || nodeName === undefined ? [] : [nodeName],
        ),
      ),
    );
  }

  /** What of a second family the pods do not get. */
  #withoutSix(): string[] {
    const { clusterCidr, clusterCidr6, cni, calico } = this.#configuration;
    if (cni === "docker0" && clusterCidr6 !== null)
      return ["pods have IPv4 addresses alone: docker0 has no others"];
    if (cni === "weave" && clusterCidr6 !== null)
      return ["pods have IPv4 addresses alone: Weave has no others"];
    if (cni !== "calico" || calico === null) return [];
    const has = familiesOf(calico);
    return [
      ...(clusterCidr6 !== null && !has.includes(6)
        ? ["pods have IPv4 addresses alone: Calico has no pool of IPv6"]
        : []),
      ...(clusterCidr !== null && !has.includes(4)
        ? ["pods have IPv6 addresses alone: Calico has no pool of IPv4"]
        : []),
    ];
  }

  /** host-gw needs the nodes side by side. */
  #unreachedPeers(): string[] {
    const { flannel } = this.#configuration;
    if (flannel?.backend !== "host-gw") return [];
    const networks = new Set(this.#members.filter(hasIpv4).map(({ address }) => networkAround(address)));
    if (networks.size < 2) return [];
    return [
      `host-gw between ${networks.size} networks of nodes: a node has no routes to pods of nodes on another network, as the kernel takes no gateway that is not on the wire`,
    ];
  }

  /** A cluster that has only plugins without a policy engine takes the objects and does nothing. */
  #policies(): string[] {
    const { calico, cni } = this.#configuration;
    if (calico !== null) return assumedOfFelix(this.#objects);
    const enforced = cni === "weave" ? assumedOfWeave(this.#objects) : [];
    const policies = POLICY_KINDS.filter((kind) => cni !== "weave" || kind !== "NetworkPolicy").flatMap(
      (kind) => this.#objects.list(kind).map(describeObject),
    );
    if (policies.length === 0) return enforced;
    const [verb, them] = policies.length === 1 ? ["has", "it"] : ["have", "them"];
    const most = 5;
    const named = policies.slice(0, most).join(", ");
    const rest = policies.length > most ? ` and ${policies.length - most} more` : "";
    return [...enforced, `${named}${rest} ${verb} no effect: ${cni} does not enforce ${them}`];
  }
}

const POLICY_KINDS = [
  "NetworkPolicy",
  "AdminNetworkPolicy",
  "BaselineAdminNetworkPolicy",
  "CalicoNetworkPolicy",
  "GlobalNetworkPolicy",
] as const;
