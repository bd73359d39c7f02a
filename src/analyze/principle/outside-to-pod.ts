import { formatIp } from "../../address/ip.ts";
import { prefixHolds } from "../../proxy/canonical-address.ts";
import {
  addressesOf,
  type NodeMember,
  type Place,
  type Port,
  type ServiceMember,
  type ServicePort,
} from "../cluster-members.ts";
import { happenedText, judgeEach, reached } from "../judge.ts";
import type { AddressedPod } from "../pairs.ts";
import {
  broken,
  type Case,
  HOLDS,
  type Inspected,
  type Judgement,
  nodesOf,
  type Principle,
  search,
} from "../principle.ts";
import { type Answer, targetText } from "../walker.ts";
import { targetOf } from "./container-to-container.ts";
import { isTranslatedTo } from "./node-bridge-pod.ts";

/**
 * 9. Addresses come in layers: a client outside speaks to a node, the node to a Service's cluster IP, that leads to a pod. A
 * cluster IP is rules alone: no device bears it and no ping is answered, but for IPVS, which wants it on one. Outside knows node addresses only, unless a route
 * says so: one that is meant is noted, any other breaks the principle, and the counterexample names it.
 */
export const outsideToPod: Principle = {
  number: 9,
  name: "outside-to-pod",
  sentence: "Outside reaches nodes, nodes the cluster IPs, and these the pods; outside sees nodes alone.",
  check(cluster) {
    const layers = new Layers(cluster);
    const cases = layers.cases();
    return search(cluster, cases, {
      of: cases.length + layers.passedOver,
      none: "there is no pod, and no Service is known",
      notes: () => layers.notes(),
    });
  },
};

/** Of more Services than can each be asked so many are, evenly spread. */
const SOME_SERVICES = 200;

class Layers {
  readonly #cluster: Inspected;
  readonly #services: readonly ServiceMember[];
  readonly #outside: readonly Place[];
  /** Addresses that an endpoint may have, and that somebody modelled answers at. */
  readonly #hostOf = new Map<string, string>();

  /** What was found of them. */
  readonly #routes = new Set<string>();
  /** IPVS wants the addresses of its services on a device: bearing them is the mode's way, and no fault of the cluster. */
  #isBalanced = false;

  /** Services, and node ports on nodes, that are not among the cases. */
  passedOver = 0;

  constructor(cluster: Inspected) {
    this.#cluster = cluster;
    const services = cluster.members.services ?? [];
    const step = services.length / SOME_SERVICES;
    this.#services = cluster.pairs.isFull(services.length)
      ? services
      : Array.from({ length: SOME_SERVICES }, (_, i) => services[Math.floor(i * step)] as ServiceMember);
    this.passedOver = services.length - this.#services.length;
    this.#outside = cluster.members.outside;
    for (const { address, host } of cluster.members.nodes) {
      if (address !== null) this.#hostOf.set(address, host);
    }
    for (const { address, host } of cluster.pairs.pods) this.#hostOf.set(address, host);
  }

  cases(): Case[] {
    const { pods } = this.#cluster.pairs;
    const { nodes } = this.#cluster.members;
    const inside: Case[] = this.#services.flatMap((service, i) => {
      const { address } = service;
      if (address === null) return [];
      const node = nodes[i % nodes.length];
      const pod = pods[i % pods.length];
      const clients = [node, pod].filter((client) => client !== undefined);
      return clients.flatMap((client) => [
        this.#silent(service, address, client),
        ...service.ports.flatMap((port) => this.#clusterIp(service, address, port, client)),
      ]);
    });
    const [client] = this.#outside;
    if (client === undefined) return inside;
    return [
      ...pods.map((pod) => this.#hiddenPod(pod, client)),
      ...this.#services.flatMap((service) =>
        service.ports.map((port) => this.#hiddenService(service, port, client)).filter((one) => one !== null),
      ),
      ...this.#nodePorts(client),
      ...inside,
    ];
  }

  notes(): string[] {
    return [
      ...[...this.#routes].slice(0, 1),
      ...(this.#isBalanced
        ? [
            "kube-proxy by IPVS has every node bear the cluster IPs itself, so that a ping to them is answered",
          ]
        : []),
      ...(this.#cluster.members.services === null
        ? ["not checkable: node ports and cluster IPs, since the source holds no Services"]
        : []),
      ...(this.#outside.length === 0 ? ["not checkable: what is reached from outside, since nobody is"] : []),
    ];
  }

  /** The node answers for no cluster IP: nobody bears it, nobody is pinged at it. */
  #silent({ ref }: ServiceMember, address: string, client: NodeMember | AddressedPod): Case {
    const bearer = bearersOf(this.#cluster).get(address);
    return {
      ...takingPart(client),
      question: { from: client, to: { address, port: null } },
      expected: `no device bears the cluster IP of ${ref}, and no ping to ${address} is answered`,
      judge: (answers) => {
        if (bearer?.isBalanced === true) {
          this.#isBalanced = true;
          return HOLDS;
        }
        if (bearer !== undefined) return broken(`${bearer.host} bears it on ${bearer.dev}`);
        return judgeEach(answers, (answer) =>
          answer.verdict.disposition === "DELIVERED" ? happenedText(answer) : null,
        );
      },
    };
  }

  /** A Service with an endpoint leads to one from everywhere in the cluster. */
  #clusterIp(
    service: ServiceMember,
    address: string,
    { proto, port }: ServicePort,
    client: NodeMember | AddressedPod,
  ): Case[] {
    if (!this.#isServed(service)) return [];
    const to = { address, port: { proto, port } };
    return [
      {
        ...takingPart(client),
        question: { from: client, to },
        expected: `${service.ref} at ${targetText(to)} leads ${client.name} to one of its pods`,
        judge: (answers) =>
          judgeEach(answers, (answer) => {
            const arrives = this.#arrivesAtEndpoint(answer, service);
            return (arrives ?? service.internalLocal) ? null : happenedText(answer);
          }),
      },
    ];
  }

  #nodePorts(client: Place): Case[] {
    const { nodes } = this.#cluster.members;
    const ports = this.#services
      .filter((service) => this.#isServed(service))
      .flatMap((service) => service.ports.map((port) => ({ service, port })))
      .filter(({ port }) => port.nodePort !== null);
    const inFull = this.#cluster.pairs.isFull(ports.length * nodes.length);
    if (!inFull) this.passedOver += ports.length * (nodes.length - 1);
    return ports.flatMap(({ service, port }, i) =>
      nodes
        .filter((_, at) => inFull || at === i % nodes.length)
        .flatMap((node) => this.#nodePort(service, port, node, client)),
    );
  }

  /** A node that takes the port hands it on to a pod; and one of them takes it. */
  #nodePort(
    service: ServiceMember,
    { proto, nodePort }: ServicePort,
    node: NodeMember,
    client: Place,
  ): Case[] {
    if (node.address === null || nodePort === null) return [];
    const to = { address: node.address, port: { proto, port: nodePort } };
    return [
      {
        pods: [],
        nodes: [node.name],
        question: { from: client, to },
        expected: `${node.name} leads ${client.host} from ${targetText(to)} to a pod of ${service.ref}`,
        judge: (answers) =>
          judgeEach(answers, (answer) => {
            const arrives = this.#arrivesAtEndpoint(answer, service);
            if (
              arrives === null &&
              this.#isTakenElsewhere(service, { proto, port: nodePort }, node, client)
            ) {
              return null;
            }
            return arrives === true ? null : happenedText(answer);
          }),
      },
    ];
  }

  /** Policies and `nodePortAddresses` leave ports to some nodes: one that does not take it is no fault if another does. */
  #isTakenElsewhere(
    service: ServiceMember,
    port: { readonly proto: Port["proto"]; readonly port: number },
    node: NodeMember,
    from: Place,
  ): boolean {
    const others = this.#cluster.members.nodes.filter((other) => other !== node);
    return others.some(({ address }) => {
      if (address === null) return false;
      const answers = this.#cluster.walker.ask({ from, to: { address, port } });
      return answers.some((answer) => this.#arrivesAtEndpoint(answer, service) === true);
    });
  }

  /** null: it was never translated to an endpoint; else whether that endpoint got it. */
  #arrivesAtEndpoint(answer: Answer, { endpoints }: ServiceMember): boolean | null {
    const endpoint = [...endpoints].find((address) => isTranslatedTo(answer, address));
    if (endpoint === undefined) return null;
    const host = this.#hostOf.get(endpoint);
    return host === undefined || reached(answer, host);
  }

  #isServed({ endpoints }: ServiceMember): boolean {
    return [...endpoints].some((address) => this.#hostOf.has(address));
  }

  #hiddenPod(pod: AddressedPod, client: Place): Case {
    const to = targetOf(pod);
    return {
      pods: [pod.name],
      nodes: nodesOf(pod),
      question: { from: client, to },
      expected: `${client.host} outside does not reach ${pod.name} at ${pod.address}`,
      judge: (answers) => {
        const arrived = answers.find(({ hosts }) => hosts.has(pod.host));
        return arrived === undefined ? HOLDS : this.#leak(arrived, pod.address);
      },
    };
  }

  #hiddenService({ ref, address }: ServiceMember, { proto, port }: ServicePort, client: Place): Case | null {
    if (address === null) return null;
    const to = { address, port: { proto, port } };
    return {
      pods: [],
      nodes: [],
      question: { from: client, to },
      expected: `${client.host} outside does not reach ${ref} at ${targetText(to)}`,
      judge: (answers) => {
        const arrived = answers.find(({ servers }) => servers.length > 0);
        return arrived === undefined ? HOLDS : this.#leak(arrived, address);
      },
    };
  }

  /** Which route outside the cluster leads there, and whether it is meant to. */
  #leak(answer: Answer, address: string): Judgement {
    const route = this.#routeOutside(answer, address);
    if (route === null) return broken(`it does: ${happenedText(answer)}`);
    if (!this.#cluster.routed) return broken(`it does: ${route} says so`);
    this.#routes.add(`outside reaches ${address} and the like: ${route} says so`);
    return HOLDS;
  }

  #routeOutside(answer: Answer, address: string): string | null {
    const { world, nodes, pods, family } = this.#cluster.members;
    const members = new Set([...nodes, ...pods].map(({ host }) => host));
    for (const name of answer.hosts) {
      if (members.has(name)) continue;
      const { routes = [], routes6 = [] } = world.hosts.get(name) ?? {};
      const there = family === 4 ? routes : routes6;
      const leading = there
        .filter(({ dst, type }) => type === "unicast" && dst.length > 0)
        .map(({ dst }) => `${formatIp(dst.address)}/${dst.length}`)
        .find((prefix) => prefixHolds(prefix, address));
      if (leading !== undefined) return `a route of ${name} to ${leading}`;
    }
    return null;
  }
}

function takingPart(client: NodeMember | AddressedPod): Pick<Case, "pods" | "nodes"> {
  return "ports" in client
    ? { pods: [client.name], nodes: nodesOf(client) }
    : { pods: [], nodes: [client.name] };
}

interface Bearer {
  readonly host: string;
  readonly dev: string;
  /** The host's IPVS has a service of the address. */
  readonly isBalanced: boolean;
}

type Bearers = ReadonlyMap<string, Bearer>;

const bearersOfCluster = new WeakMap<Inspected, Bearers>();

/** One device for every address that any bears. Made once for a cluster. */
function bearersOf(cluster: Inspected): Bearers {
  const known = bearersOfCluster.get(cluster);
  if (known !== undefined) return known;
  const bearers = new Map<string, Bearer>();
  for (const host of cluster.members.world.hosts.values()) {
    const { name } = host;
    const balanced = new Set(
      (host.ipvs?.services ?? []).map(({ selector }) =>
        selector.kind === "address" ? formatIp(selector.address) : "",
      ),
    );
    for (const { address, dev } of addressesOf(host, cluster.members.family)) {
      bearers.set(address, { host: name, dev, isBalanced: balanced.has(address) });
    }
  }
  bearersOfCluster.set(cluster, bearers);
  return bearers;
}
