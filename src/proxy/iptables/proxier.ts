import { chooseEndpoints } from "../choose-endpoints.ts";
import { localMatch, type NodeFacts, type ProxyConfiguration } from "../configuration.ts";
import { endpointsOn } from "../endpoints.ts";
import type { PortModel, ProxyModel } from "../model.ts";
import { isServiceChain } from "../names.ts";
import { usesLocalEndpoints } from "../service-ports.ts";
import { featuresOf, type ProxyFeatures } from "../versions.ts";
import {
  filterChains,
  firewallRules,
  forwardRules,
  masqueradeRules,
  natChains,
  nodePortRules,
  servesLocalhost,
} from "./fixed-rules.ts";
import type { RuleStyle, ServiceLines } from "./service-lines.ts";
import { serviceLines } from "./service-rules.ts";
import { allowsNode } from "./source-ranges.ts";

/** The lines of one port of a Service on some nodes: one value for all of them. */
export interface ServiceRules extends ServiceLines {
  readonly model: PortModel;
}

/** All that kube-proxy has to say on one node. */
export interface NodeRules {
  readonly node: NodeFacts;
  readonly configuration: ProxyConfiguration;
  readonly large: boolean;
  /** Of the node's release. */
  readonly features: ProxyFeatures;
  readonly filterChains: readonly string[];
  readonly natChains: readonly string[];
  readonly filterFirst: readonly string[];
  readonly natFirst: readonly string[];
  readonly services: readonly ServiceRules[];
  readonly natLast: readonly string[];
  readonly filterLast: readonly string[];
}

/** One run of `iptables-restore`: a node's rules, and how much of them is written. */
export interface Sync {
  readonly rules: NodeRules;
  /** Ports whose own chains are written; a full sync writes all. */
  readonly written: ReadonlySet<ServiceRules>;
  /** Chains that no Service needs any more: emptied, then deleted. */
  readonly stale: readonly string[];
}

/**
 * kube-proxy in iptables mode for all nodes of a cluster that share a configuration. What a port of a Service comes to is
 * computed once for all nodes on which it comes to the same, and most ports are the same everywhere.
 */
export class IptablesProxier {
  readonly model: ProxyModel;
  readonly configuration: ProxyConfiguration;
  /** By the style of a node's rules and the features of its release. */
  readonly #shared = new Map<string, SharedRules>();

  constructor(model: ProxyModel, configuration: ProxyConfiguration) {
    this.model = model;
    this.configuration = configuration;
  }

  rulesFor(node: NodeFacts): NodeRules {
    const { configuration, model } = this;
    const features = featuresOf(node.version, configuration.featureGates);
    const style = this.#styleOf(node, features);
    const key = JSON.stringify([style, features]);
    const shared = this.#shared.get(key) ?? new SharedRules(model, features, style);
    this.#shared.set(key, shared);
    return {
      node,
      configuration,
      large: model.large,
      features,
      filterChains: filterChains(configuration, features),
      natChains: natChains(features),
      filterFirst: firewallRules(configuration, features),
      natFirst: masqueradeRules(configuration, features),
      services: shared.servicesOf(node),
      natLast: nodePortRules(configuration, node),
      filterLast: forwardRules(configuration, features),
    };
  }

  #styleOf(node: NodeFacts, features: ProxyFeatures): RuleStyle {
    const { configuration, model } = this;
    return {
      features,
      local: localMatch(configuration, node),
      masqueradeAll: configuration.masqueradeAll,
      countLocalhostNodePorts: configuration.nfacct && servesLocalhost(configuration),
      endpointComments: !model.large,
    };
  }
}

/** The rules of Services for all nodes of one style and release. */
class SharedRules {
  readonly #features: ProxyFeatures;
  readonly #style: RuleStyle;
  readonly #ports: readonly PortRules[];
  readonly #lists = new Map<string, readonly ServiceRules[]>();

  constructor(model: ProxyModel, features: ProxyFeatures, style: RuleStyle) {
    this.#features = features;
    this.#style = style;
    this.#ports = model.ports.map((port) => ({ model: port, facets: facetsOf(port), rules: new Map() }));
  }

  /** Nodes that see the same of every port are given the identical list. */
  servicesOf(node: NodeFacts): readonly ServiceRules[] {
    const seen = this.#ports.map(({ facets, model }) => partSeen(facets, model, node, this.#features));
    const key = seen.join(" ");
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const list = this.#ports.map((port, i) => this.#rulesOf(port, node, seen[i] as string));
    this.#lists.set(key, list);
    return list;
  }

  #rulesOf({ model, rules }: PortRules, node: NodeFacts, seen: string): ServiceRules {
    const known = rules.get(seen);
    if (known !== undefined) return known;
    const made = serviceRules(model, node, this.#features, this.#style);
    rules.set(seen, made);
    return made;
  }
}

interface PortRules {
  readonly model: PortModel;
  readonly facets: Facets;
  /** By what of the node the port looks at (`partSeen`). */
  readonly rules: Map<string, ServiceRules>;
}

/** Everything is written. `existing` are the chains of nat before: of them, a Service's that none needs are deleted. */
export function fullSync(rules: NodeRules, existing: Iterable<string> = []): Sync {
  return { rules, written: new Set(rules.services), stale: staleChains(rules, existing) };
}

/** The chains that all share are written in full, a Service's own only if it, or an endpoint of it, changed. */
export function partialSync(rules: NodeRules, before: NodeRules, options: PartialSyncOptions = {}): Sync {
  const earlier = new Map(before.services.map(({ model }) => [portKey(model), inputsOf(model)]));
  const changed = new Set<string>();
  for (const { model } of rules.services) {
    if (earlier.get(portKey(model)) !== inputsOf(model)) changed.add(serviceKey(model));
    earlier.delete(portKey(model));
  }
  // A port that went changes its Service, and so the other ports are written too.
  for (const { model } of before.services) {
    if (earlier.has(portKey(model))) changed.add(serviceKey(model));
  }
  const deleteStale = options.deleteStale ?? !rules.large;
  return {
    rules,
    written: new Set(rules.services.filter(({ model }) => changed.has(serviceKey(model)))),
    stale: deleteStale
      ? staleChains(rules, options.existing ?? before.services.flatMap((s) => s.ownChains))
      : [],
  };
}

export interface PartialSyncOptions {
  /** The chains of nat before; those of the rules before if absent. */
  readonly existing?: Iterable<string>;
  /** In a large cluster chains are deleted only once in a sync period. */
  readonly deleteStale?: boolean;
}

function staleChains(rules: NodeRules, existing: Iterable<string>): string[] {
  const active = new Set(rules.services.flatMap(({ ownChains }) => ownChains));
  return [...new Set(existing)].filter((chain) => isServiceChain(chain) && !active.has(chain)).sort();
}

function serviceRules(
  model: PortModel,
  node: NodeFacts,
  features: ProxyFeatures,
  style: RuleStyle,
): ServiceRules {
  const place = { node: node.name, zone: node.zone };
  const chosen = chooseEndpoints(model.port, endpointsOn(node.name, model.endpoints), place, features);
  return { model, ...serviceLines(model, chosen, node.ip, style) };
}

/** What of a node a port of a Service can look at at all. */
interface Facets {
  /** Nodes that hold an endpoint, where local ones are treated in their own way; null where they are not. */
  readonly localNodes: ReadonlySet<string> | null;
  readonly zones: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
  readonly firewall: boolean;
}

function facetsOf({ port, endpoints }: PortModel): Facets {
  const all = [...endpoints.endpoints, ...[...endpoints.copies.values()].flat()];
  const looksForLocal = usesLocalEndpoints(port) || endpoints.copies.size > 0;
  return {
    localNodes: looksForLocal ? new Set(all.flatMap(({ nodeName }) => nodeName ?? [])) : null,
    zones: new Set(all.flatMap(({ zoneHints }) => zoneHints)),
    nodes: new Set(all.flatMap(({ nodeHints }) => nodeHints)),
    firewall: port.sourceRanges.length > 0 && port.vips.length > 0,
  };
}

/** The part of a node that a port's rules depend on, as a key: nodes with the same one have the same rules. */
function partSeen(facets: Facets, model: PortModel, node: NodeFacts, features: ProxyFeatures): string {
  const local = facets.localNodes?.has(node.name) ? node.name : "";
  const zone = node.zone !== null && facets.zones.has(node.zone) ? node.zone : "";
  const hinted = features.nodeHints && facets.nodes.has(node.name) ? node.name : "";
  const allowed = facets.firewall && allowsNode(model, node.ip) ? "+" : "";
  return `${local}|${zone}|${hinted}|${allowed}`;
}

function portKey({ port }: PortModel): string {
  return `${port.name}/${port.protocol}`;
}

function serviceKey({ port }: PortModel): string {
  return `${port.namespace}/${port.service}`;
}

function inputsOf({ port, endpoints }: PortModel): string {
  return JSON.stringify([{ ...port, origin: 0 }, endpoints.endpoints, [...endpoints.copies]]);
}
