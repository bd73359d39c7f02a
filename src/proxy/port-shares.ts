import { type ChosenEndpoints, chooseEndpoints } from "./choose-endpoints.ts";
import type { NodeFacts } from "./configuration.ts";
import { endpointsOn } from "./endpoints.ts";
import type { PortModel, ProxyModel } from "./model.ts";
import { usesLocalEndpoints } from "./service-ports.ts";
import { allowsNode } from "./source-ranges.ts";
import { between, type Splice, spliced, spliceOf } from "./splice.ts";
import type { ProxyFeatures } from "./versions.ts";

/** How a mode makes of a port of a Service what a node gets for it. */
export interface PortMaker<T> {
  readonly features: ProxyFeatures;
  readonly make: (model: PortModel, chosen: ChosenEndpoints, node: NodeFacts) => T;
  /** It tells a node's own endpoints from others even where no policy does. */
  readonly looksForLocal: boolean;
}

/**
 * What the ports of Services come to on nodes, computed once for all nodes on which it comes to the same: most ports are the
 * same everywhere.
 */
export class PortShares<T> {
  readonly #model: ProxyModel;
  readonly #maker: PortMaker<T>;
  readonly #ports: readonly SharedPort<T>[];
  /** Places of the ports that look at anything of the node. */
  readonly #looking: readonly number[];
  readonly #lists = new Map<string, readonly T[]>();
  /** Lists of the model before, and what has changed since. */
  #before: { readonly lists: ReadonlyMap<string, readonly T[]>; readonly splice: Splice } | null = null;

  private constructor(
    model: ProxyModel,
    maker: PortMaker<T>,
    ports: readonly SharedPort<T>[],
    looking: readonly number[],
  ) {
    this.#model = model;
    this.#maker = maker;
    this.#ports = ports;
    this.#looking = looking;
  }

  static of<T>(model: ProxyModel, maker: PortMaker<T>): PortShares<T> {
    const made = model.ports.map((port) => sharedPort(port, maker));
    return new PortShares(model, maker, made, lookingPlaces(made));
  }

  /** The same of a changed model: what was made of ports that are still the same is taken over. */
  after(model: ProxyModel): PortShares<T> {
    const splice = spliceOf(this.#model.ports, model.ports);
    const { head, tail } = splice;
    const made = between(model.ports, splice).map((port) => sharedPort(port, this.#maker));
    const ports = spliced(this.#ports, splice, made);
    const shift = ports.length - this.#ports.length;
    const looking = [
      ...this.#looking.filter((place) => place < head),
      ...lookingPlaces(made).map((place) => place + head),
      ...this.#looking.filter((place) => place >= this.#ports.length - tail).map((place) => place + shift),
    ];
    const shares = new PortShares(model, this.#maker, ports, looking);
    shares.#before = { lists: this.#lists, splice };
    return shares;
  }

  /** In the order of ports. Nodes that see the same of every port are given the identical list. */
  on(node: NodeFacts): readonly T[] {
    const seen = this.#looking.map((i) => {
      const { facets, model } = this.#ports[i] as SharedPort<T>;
      return partSeen(facets, model, node, this.#maker.features);
    });
    const key = seen.join(" ");
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const byPlace = new Map(this.#looking.map((place, i) => [place, seen[i] as string]));
    const madeAt = (place: number): T =>
      this.#madeOf(this.#ports[place] as SharedPort<T>, node, byPlace.get(place) ?? NOTHING_SEEN);
    // With no port that looks at a node all nodes are the same, then as now.
    const old = this.#looking.length === 0 ? this.#before?.lists.get(key) : undefined;
    const list =
      old === undefined || this.#before === null
        ? this.#ports.map((_, place) => madeAt(place))
        : splicedBy(old, this.#before.splice, this.#ports.length, madeAt);
    this.#lists.set(key, list);
    return list;
  }

  #madeOf({ model, made }: SharedPort<T>, node: NodeFacts, seen: string): T {
    const known = made.get(seen);
    if (known !== undefined) return known;
    const { features, make } = this.#maker;
    const place = { node: node.name, zone: node.zone };
    const chosen = chooseEndpoints(model.port, endpointsOn(node.name, model.endpoints), place, features);
    const one = make(model, chosen, node);
    made.set(seen, one);
    return one;
  }
}

interface SharedPort<T> {
  readonly model: PortModel;
  readonly facets: Facets;
  /** By what of the node the port looks at (`partSeen`). */
  readonly made: Map<string, T>;
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

function lookingPlaces(ports: readonly SharedPort<unknown>[]): number[] {
  return ports.flatMap(({ facets }, i) => (looksAtNode(facets) ? [i] : []));
}

function sharedPort<T>(model: PortModel, { looksForLocal }: PortMaker<T>): SharedPort<T> {
  return { model, facets: facetsOf(model, looksForLocal), made: new Map() };
}

/** What of a node a port of a Service can look at at all. */
interface Facets {
  /** Nodes that hold an endpoint, where local ones are treated in their own way; null where they are not. */
  readonly localNodes: ReadonlySet<string> | null;
  readonly zones: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
  readonly firewall: boolean;
}

function facetsOf({ port, endpoints }: PortModel, always: boolean): Facets {
  const all = [...endpoints.endpoints, ...[...endpoints.copies.values()].flat()];
  const looksForLocal = always || usesLocalEndpoints(port) || endpoints.copies.size > 0;
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

/** The part of a node that a port depends on, as a key: nodes with the same one get the same. */
function partSeen(facets: Facets, model: PortModel, node: NodeFacts, features: ProxyFeatures): string {
  const local = facets.localNodes?.has(node.name) ? node.name : "";
  const zone = node.zone !== null && facets.zones.has(node.zone) ? node.zone : "";
  const hinted = features.nodeHints && facets.nodes.has(node.name) ? node.name : "";
  const allowed = facets.firewall && allowsNode(model.port, node.ip) ? "+" : "";
  return `${local}|${zone}|${hinted}|${allowed}`;
}
