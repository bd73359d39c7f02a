import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import { isLoopback, prefixHolds } from "../canonical-address.ts";
import { addressesOf, type NodeFacts, nodePortPrefixes, type ProxyConfiguration } from "../configuration.ts";
import type { ProxyModel } from "../model.ts";
import { PortShares } from "../port-shares.ts";
import { featuresOf, type ProxyFeatures } from "../versions.ts";
import {
  nodePortEntries,
  type PortState,
  portState,
  type SetEntry,
  type VirtualServer,
} from "./port-state.ts";
import { type RuleLines, ruleLines } from "./rule-lines.ts";
import { type KubeSet, kubeSets } from "./sets.ts";

/** All that kube-proxy in IPVS mode keeps on one node. */
export interface NodeState {
  readonly node: NodeFacts;
  readonly configuration: ProxyConfiguration;
  readonly features: ProxyFeatures;
  /** Of what belongs to no Service. */
  readonly origin: Origin;
  /** The node's own addresses, neither loopback nor link-local ones. */
  readonly own: readonly string[];
  /** Those of them that take node ports. */
  readonly nodePortIps: readonly string[];
  readonly ports: readonly PortState[];
  /** In the order they are made. */
  readonly servers: readonly VirtualServer[];
  /** Addresses of kube-ipvs0, each once: a Service's that no other interface has. */
  readonly bound: readonly BoundAddress[];
  /** By set, in the order they are made, empty ones too; each entry once, with whom it is for. */
  readonly sets: ReadonlyMap<KubeSet, ReadonlyMap<string, Origin>>;
  readonly rules: RuleLines;
}

export interface BoundAddress {
  readonly address: string;
  readonly origin: Origin;
}

/**
 * kube-proxy in IPVS mode, for all nodes of a cluster that share a configuration. What a port of a Service comes to is
 * computed once for all nodes on which it comes to the same.
 */
export class IpvsProxier {
  readonly model: ProxyModel;
  readonly configuration: ProxyConfiguration;
  readonly origin: Origin;
  /** By the features of a node's release. */
  readonly #shared = new Map<string, PortShares<PortState>>();

  /**
   * @param origin of what belongs to no Service, but to kube-proxy's configuration
   * @param before a proxier of an earlier model: what it made of ports that are still the same is taken over
   */
  constructor(
    model: ProxyModel,
    configuration: ProxyConfiguration,
    origin: Origin = ORIGIN_NONE,
    before: IpvsProxier | null = null,
  ) {
    this.model = model;
    this.configuration = configuration;
    this.origin = origin;
    if (before === null) return;
    for (const [key, shared] of before.#shared) this.#shared.set(key, shared.after(model));
  }

  /** The same agents after a change of the model (`changedModel`). */
  after(model: ProxyModel): IpvsProxier {
    return new IpvsProxier(model, this.configuration, this.origin, this);
  }

  /** `node.addresses` are all it has but those of kube-ipvs0. */
  stateFor(node: NodeFacts): NodeState {
    const { configuration, origin } = this;
    const features = featuresOf(node.version, configuration.featureGates);
    const key = JSON.stringify(features);
    const shared =
      this.#shared.get(key) ??
      PortShares.of<PortState>(this.model, { features, looksForLocal: true, make: portState });
    this.#shared.set(key, shared);
    const ports = shared.on(node);
    const own = ownAddresses(configuration, node);
    const nodePortIps = nodePortAddresses(configuration, node, own);
    const filled = filledNames(ports, nodePortIps, features);
    const barred = ports.flatMap((port) => port.barred);
    return madeOf(ports, {
      node,
      configuration,
      features,
      origin,
      own,
      nodePortIps,
      rules: ruleLines(configuration, features, node, { filled, barred }),
    });
  }
}

/** The same node with some of its ports only, but the rules of all. */
export function withPorts(state: NodeState, ports: readonly PortState[]): NodeState {
  return madeOf(ports, state);
}

/** What follows from the ports is worked out when it is asked for: a sync looks at a few of them. */
function madeOf(ports: readonly PortState[], rest: Omit<NodeState, Derived | "ports">): NodeState {
  const { node, configuration, features, origin, own, nodePortIps, rules } = rest;
  const bound = once(() => boundAddresses(ports, new Set(own)));
  const servers = once(() => virtualServers(ports, nodePortIps));
  const sets = once(() => filledSets(ports, bound(), nodePortIps, { features, origin }));
  return {
    ...{ node, configuration, features, origin, own, nodePortIps, ports, rules },
    get servers() {
      return servers();
    },
    get bound() {
      return bound();
    },
    get sets() {
      return sets();
    },
  };
}

type Derived = "servers" | "bound" | "sets";

function once<T extends object>(make: () => T): () => T {
  let made: T | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

/** Neither loopback nor link-local ones. */
function ownAddresses({ family }: ProxyConfiguration, node: NodeFacts): string[] {
  return addressesOf(node, family).filter(
    (address) => !isLoopback(address, family) && !/^fe[89ab]/.test(address),
  );
}

function nodePortAddresses(
  configuration: ProxyConfiguration,
  node: NodeFacts,
  own: readonly string[],
): readonly string[] {
  const prefixes = nodePortPrefixes(configuration, node);
  if (prefixes === null) return own;
  return own.filter((address) => prefixes.some((prefix) => prefixHolds(prefix, address)));
}

/** Where two Services claim one address and port, the endpoints of the later stay. */
function virtualServers(
  ports: readonly PortState[],
  nodePortIps: readonly string[],
): readonly VirtualServer[] {
  const found = new Map<string, VirtualServer>();
  const put = (server: VirtualServer) =>
    found.set(`${server.protocol} ${server.address} ${server.port}`, server);
  for (const { servers, nodePort } of ports) {
    for (const server of servers) put(server);
    if (nodePort !== null) for (const address of nodePortIps) put({ ...nodePort, address });
  }
  return [...found.values()];
}

function boundAddresses(ports: readonly PortState[], own: ReadonlySet<string>): BoundAddress[] {
  const found = new Map<string, BoundAddress>();
  for (const { servers } of ports) {
    for (const [i, { address, origin }] of servers.entries()) {
      if (found.has(address) || (i > 0 && own.has(address))) continue;
      found.set(address, { address, origin });
    }
  }
  return [...found.values()];
}

function entriesOf({ entries, nodePort }: PortState, nodePortIps: readonly string[]): readonly SetEntry[] {
  if (nodePort === null || nodePortIps.length === 0) return entries;
  return [...entries, ...nodePortEntries(nodePort, nodePortIps)];
}

/** Which of the sets hold anything. */
function filledNames(
  ports: readonly PortState[],
  nodePortIps: readonly string[],
  features: ProxyFeatures,
): ReadonlySet<KubeSet> {
  const found = new Set<KubeSet>();
  // A cluster IP is bound whatever the node's own addresses are.
  if (ports.some(({ servers }) => servers.length > 0)) found.add("KUBE-IPVS-IPS");
  for (const port of ports) for (const { set } of entriesOf(port, nodePortIps)) found.add(set);
  return new Set(kubeSets(features).filter((name) => found.has(name)));
}

function filledSets(
  ports: readonly PortState[],
  bound: readonly BoundAddress[],
  nodePortIps: readonly string[],
  { features, origin }: { readonly features: ProxyFeatures; readonly origin: Origin },
): Map<KubeSet, Map<string, Origin>> {
  const sets = new Map(kubeSets(features).map((name) => [name, new Map<string, Origin>()]));
  const add = (set: KubeSet, text: string, of: Origin): void => {
    const entries = sets.get(set);
    if (entries !== undefined && !entries.has(text)) entries.set(text, of);
  };
  for (const port of ports) {
    const of = port.model.port.origin;
    for (const { set, text } of entriesOf(port, nodePortIps)) add(set, text, of);
  }
  for (const { address } of bound) add("KUBE-IPVS-IPS", address, origin);
  return sets;
}
