import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import { chooseEndpoints } from "../choose-endpoints.ts";
import { localMatch, type NodeFacts, type ProxyConfiguration } from "../configuration.ts";
import { endpointsOn } from "../endpoints.ts";
import type { PortModel, ProxyModel } from "../model.ts";
import { isServiceChain } from "../names.ts";
import { comparePorts, compareText, type ServicePort, usesLocalEndpoints } from "../service-ports.ts";
import { between, lowerBound, type Splice, spliced, spliceOf } from "../splice.ts";
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
  /** Of the rules that belong to no Service. */
  readonly origin: Origin;
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
  /** The rules of the sync before. */
  readonly before?: NodeRules;
}

/**
 * kube-proxy in iptables mode for all nodes of a cluster that share a configuration. What a port of a Service comes to is
 * computed once for all nodes on which it comes to the same, and most ports are the same everywhere.
 */
export class IptablesProxier {
  readonly model: ProxyModel;
  readonly configuration: ProxyConfiguration;
  readonly origin: Origin;
  /** By the style of a node's rules and the features of its release. */
  readonly #shared = new Map<string, SharedRules>();

  /**
   * @param origin of the rules that belong to no Service, but to kube-proxy's configuration
   * @param before a proxier of an earlier model: what it made of ports that are still the same is taken over
   */
  constructor(
    model: ProxyModel,
    configuration: ProxyConfiguration,
    origin: Origin = ORIGIN_NONE,
    before: IptablesProxier | null = null,
  ) {
    this.model = model;
    this.configuration = configuration;
    this.origin = origin;
    if (before === null) return;
    const splice = spliceOf(before.model.ports, model.ports);
    for (const [key, shared] of before.#shared) this.#shared.set(key, shared.after(model, splice));
  }

  /** The same agents after a change of the model (`changedModel`). */
  after(model: ProxyModel): IptablesProxier {
    return new IptablesProxier(model, this.configuration, this.origin, this);
  }

  rulesFor(node: NodeFacts): NodeRules {
    const { configuration, model } = this;
    const features = featuresOf(node.version, configuration.featureGates);
    const style = this.#styleOf(node, features);
    const key = JSON.stringify([style, features]);
    const shared = this.#shared.get(key) ?? SharedRules.of(model.ports, features, style);
    this.#shared.set(key, shared);
    return {
      node,
      configuration,
      origin: this.origin,
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
  /** Places of the ports that look at anything of the node. */
  readonly #looking: readonly number[];
  readonly #lists = new Map<string, readonly ServiceRules[]>();
  /** Lists of the model before, and what has changed since. */
  #before: { readonly lists: ReadonlyMap<string, readonly ServiceRules[]>; readonly splice: Splice } | null =
    null;

  constructor(
    ports: readonly PortRules[],
    looking: readonly number[],
    features: ProxyFeatures,
    style: RuleStyle,
  ) {
    this.#features = features;
    this.#style = style;
    this.#ports = ports;
    this.#looking = looking;
  }

  static of(ports: readonly PortModel[], features: ProxyFeatures, style: RuleStyle): SharedRules {
    const made = ports.map(portRules);
    return new SharedRules(made, lookingPlaces(made), features, style);
  }

  /** For another model, given how its ports became of this one's. */
  after(model: ProxyModel, splice: Splice): SharedRules {
    const { head, tail } = splice;
    const made = between(model.ports, splice).map(portRules);
    const ports = spliced(this.#ports, splice, made);
    const shift = ports.length - this.#ports.length;
    const looking = [
      ...this.#looking.filter((place) => place < head),
      ...lookingPlaces(made).map((place) => place + head),
      ...this.#looking.filter((place) => place >= this.#ports.length - tail).map((place) => place + shift),
    ];
    const shared = new SharedRules(ports, looking, this.#features, this.#style);
    shared.#before = { lists: this.#lists, splice };
    return shared;
  }

  /** Nodes that see the same of every port are given the identical list. */
  servicesOf(node: NodeFacts): readonly ServiceRules[] {
    const seen = this.#looking.map((i) => {
      const { facets, model } = this.#ports[i] as PortRules;
      return partSeen(facets, model, node, this.#features);
    });
    const key = seen.join(" ");
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const byPlace = new Map(this.#looking.map((place, i) => [place, seen[i] as string]));
    const rulesAt = (place: number): ServiceRules =>
      this.#rulesOf(this.#ports[place] as PortRules, node, byPlace.get(place) ?? NOTHING_SEEN);
    // With no port that looks at a node all nodes are the same, then as now.
    const old = this.#looking.length === 0 ? this.#before?.lists.get(key) : undefined;
    const list =
      old === undefined || this.#before === null
        ? this.#ports.map((_, place) => rulesAt(place))
        : splicedBy(old, this.#before.splice, this.#ports.length, rulesAt);
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

/** The old list with the items of the places between the ends made anew. */
function splicedBy<T>(
  old: readonly T[],
  splice: Splice,
  length: number,
  at: (place: number) => T,
): readonly T[] {
  const middle: T[] = [];
  for (let place = splice.head; place < length - splice.tail; place++) middle.push(at(place));
  return spliced(old, splice, middle);
}

function lookingPlaces(ports: readonly PortRules[]): number[] {
  return ports.flatMap(({ facets }, i) => (looksAtNode(facets) ? [i] : []));
}

function portRules(model: PortModel): PortRules {
  return { model, facets: facetsOf(model), rules: new Map() };
}

/** Everything is written. `existing` are the chains of nat before: of them, a Service's that none needs are deleted. */
export function fullSync(rules: NodeRules, existing: Iterable<string> = []): Sync {
  return { rules, written: new Set(rules.services), stale: staleChains(rules, existing) };
}

/** The chains that all share are written in full, a Service's own only if it, or an endpoint of it, changed. */
export function partialSync(rules: NodeRules, before: NodeRules, options: PartialSyncOptions = {}): Sync {
  const changed = changedServices(rules.services, before.services);
  const deleteStale = options.deleteStale ?? !rules.large;
  return {
    rules,
    before,
    written: new Set(changed.flatMap((port) => ofService(rules.services, port))),
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
  const found = [...new Set(existing)].filter(isServiceChain);
  if (found.length === 0) return [];
  const active = new Set(rules.services.flatMap(({ ownChains }) => ownChains));
  return found.filter((chain) => !active.has(chain)).sort();
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

function looksAtNode({ localNodes, zones, nodes, firewall }: Facets): boolean {
  return localNodes !== null || zones.size > 0 || nodes.size > 0 || firewall;
}

/** What a port that looks at nothing sees of every node. */
const NOTHING_SEEN = "";

/** The part of a node that a port's rules depend on, as a key: nodes with the same one have the same rules. */
function partSeen(facets: Facets, model: PortModel, node: NodeFacts, features: ProxyFeatures): string {
  const local = facets.localNodes?.has(node.name) ? node.name : "";
  const zone = node.zone !== null && facets.zones.has(node.zone) ? node.zone : "";
  const hinted = features.nodeHints && facets.nodes.has(node.name) ? node.name : "";
  const allowed = facets.firewall && allowsNode(model, node.ip) ? "+" : "";
  return `${local}|${zone}|${hinted}|${allowed}`;
}

/** The Services of which a port came, went or changed; a port that went changes its Service, and so its other ports too. */
function changedServices(
  now: readonly ServiceRules[],
  before: readonly ServiceRules[],
): readonly ServicePort[] {
  const splice = spliceOf(before, now);
  const middle = between(now, splice);
  const old = between(before, splice);
  const changed = new Map<string, ServicePort>();
  const note = ({ port }: PortModel): unknown => changed.set(`${port.namespace}/${port.service}`, port);
  let i = 0;
  let j = 0;
  while (i < middle.length || j < old.length) {
    const a = middle[i]?.model;
    const b = old[j]?.model;
    const order = a === undefined ? 1 : b === undefined ? -1 : a === b ? 0 : comparePorts(a.port, b.port);
    if (order === 0 && a !== undefined && b !== undefined) {
      if (a !== b && inputsOf(a) !== inputsOf(b)) note(a);
      i++;
      j++;
    } else if (order < 0 && a !== undefined) {
      note(a);
      i++;
    } else if (b !== undefined) {
      note(b);
      j++;
    }
  }
  return [...changed.values()];
}

/** The ports of a Service, by the order of names: `ns/svc`, and `ns/svc:port`, between which others may stand. */
function ofService(services: readonly ServiceRules[], { namespace, service }: ServicePort): ServiceRules[] {
  const found: ServiceRules[] = [];
  for (const first of [`${namespace}/${service}`, `${namespace}/${service}:`]) {
    let at = lowerBound(services, ({ model }) => compareText(model.port.name, first) < 0);
    for (let one = services[at]; one !== undefined; one = services[++at]) {
      const { port } = one.model;
      if (port.service !== service || port.namespace !== namespace) break;
      found.push(one);
    }
  }
  return found;
}

function inputsOf({ port, endpoints }: PortModel): string {
  return JSON.stringify([port, endpoints.endpoints, [...endpoints.copies]], (name, value: unknown) =>
    name === "origin" ? undefined : value,
  );
}
