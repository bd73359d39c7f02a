import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import { localMatchNft, type NodeFacts, type ProxyConfiguration } from "../configuration.ts";
import type { PortModel, ProxyModel } from "../model.ts";
import { PortShares } from "../port-shares.ts";
import { featuresOf, type ProxyFeatures } from "../versions.ts";
import { fixedLines, nodePortIps, tableOf } from "./fixed-lines.ts";
import { type LineStyle, type PortLines, portLines } from "./port-lines.ts";

/** The lines of one port of a Service on some nodes: one value for all of them. */
export interface PortRules extends PortLines {
  readonly model: PortModel;
}

/** All that kube-proxy has to say on one node. */
export interface NodeRules {
  readonly configuration: ProxyConfiguration;
  readonly features: ProxyFeatures;
  /** `ip kube-proxy` */
  readonly table: string;
  /** Of what belongs to no Service. */
  readonly origin: Origin;
  /** What is there whatever the Services are. */
  readonly fixed: readonly string[];
  /** Elements of `nodeport-ips`; null where there is no such set. */
  readonly nodePortIps: readonly string[] | null;
  readonly ports: readonly PortRules[];
}

/**
 * kube-proxy in nftables mode, for all nodes of a cluster that share a configuration (KEP-3866). What a port of a Service
 * comes to is computed once for all nodes on which it comes to the same.
 */
export class NftablesProxier {
  readonly model: ProxyModel;
  readonly configuration: ProxyConfiguration;
  readonly origin: Origin;
  /** By the style of a node's lines. */
  readonly #shared = new Map<string, PortShares<PortRules>>();

  /**
   * @param origin of what belongs to no Service, but to kube-proxy's configuration
   * @param before a proxier of an earlier model: what it made of ports that are still the same is taken over
   */
  constructor(
    model: ProxyModel,
    configuration: ProxyConfiguration,
    origin: Origin = ORIGIN_NONE,
    before: NftablesProxier | null = null,
  ) {
    this.model = model;
    this.configuration = configuration;
    this.origin = origin;
    if (before === null) return;
    for (const [key, shared] of before.#shared) this.#shared.set(key, shared.after(model));
  }

  /** The same agents after a change of the model (`changedModel`). */
  after(model: ProxyModel): NftablesProxier {
    return new NftablesProxier(model, this.configuration, this.origin, this);
  }

  rulesFor(node: NodeFacts): NodeRules {
    const { configuration } = this;
    const features = featuresOf(node.version, configuration.featureGates);
    const style: LineStyle = {
      table: tableOf(configuration.family),
      features,
      local: localMatchNft(configuration, node),
      masqueradeAll: configuration.masqueradeAll,
    };
    const ips = nodePortIps(configuration, node, features);
    return {
      configuration,
      features,
      table: style.table,
      origin: this.origin,
      fixed: fixedLines(configuration, features, ips === null),
      nodePortIps: ips,
      ports: this.#sharesOf(style).on(node),
    };
  }

  #sharesOf(style: LineStyle): PortShares<PortRules> {
    const key = JSON.stringify(style);
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const made = PortShares.of<PortRules>(this.model, {
      features: style.features,
      looksForLocal: false,
      make: (model, chosen, { ip }) => ({ model, ...portLines(model, chosen, ip, style) }),
    });
    this.#shared.set(key, made);
    return made;
  }
}
