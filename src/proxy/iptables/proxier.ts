import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import { changedPorts } from "../changed-ports.ts";
import { localMatch, type NodeFacts, type ProxyConfiguration } from "../configuration.ts";
import type { PortModel, ProxyModel } from "../model.ts";
import { isServiceChain } from "../names.ts";
import { PortShares } from "../port-shares.ts";
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
  readonly #shared = new Map<string, PortShares<ServiceRules>>();

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
    for (const [key, shared] of before.#shared) this.#shared.set(key, shared.after(model));
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
    const shared =
      this.#shared.get(key) ??
      PortShares.of<ServiceRules>(model, {
        features,
        looksForLocal: false,
        make: (port, chosen, { ip }) => ({ model: port, ...serviceLines(port, chosen, ip, style) }),
      });
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
      services: shared.on(node),
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

/** Everything is written. `existing` are the chains of nat before: of them, a Service's that none needs are deleted. */
export function fullSync(rules: NodeRules, existing: Iterable<string> = []): Sync {
  return { rules, written: new Set(rules.services), stale: staleChains(rules, existing) };
}

/** The chains that all share are written in full, a Service's own only if it, or an endpoint of it, changed. */
export function partialSync(rules: NodeRules, before: NodeRules, options: PartialSyncOptions = {}): Sync {
  const deleteStale = options.deleteStale ?? !rules.large;
  return {
    rules,
    before,
    written: changedPorts(rules.services, before.services),
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
