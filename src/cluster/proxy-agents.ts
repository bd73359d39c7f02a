import { formatIpv4 } from "../address/ipv4.ts";
import { HASHED_NAMES } from "../cni/names.ts";
import type { Netns } from "../cni/netns.ts";
import type { Origin } from "../kernel/origin.ts";
import type { NodeFacts, ProxyConfiguration } from "../proxy/configuration.ts";
import { freshNodeRuleset as iptablesRuleset, rulesetAfter } from "../proxy/iptables/fresh-node.ts";
import { IptablesProxier } from "../proxy/iptables/proxier.ts";
import { startOperations as iptablesStart } from "../proxy/iptables/start-operations.ts";
import {
  DUMMY_DEVICE,
  freshNodeOperations,
  freshNodeRuleset as ipvsRuleset,
} from "../proxy/ipvs/operations.ts";
import { IpvsProxier } from "../proxy/ipvs/proxier.ts";
import { startOperations as ipvsStart } from "../proxy/ipvs/start-operations.ts";
import type { ProxyModel } from "../proxy/model.ts";
import { freshNodeTable } from "../proxy/nftables/operations.ts";
import { NftablesProxier } from "../proxy/nftables/proxier.ts";
import { startOperations as nftablesStart } from "../proxy/nftables/start-operations.ts";

/** kube-proxy on every node, in the mode it is configured for. */
export interface ProxyAgents {
  /** Before the node has any pod: its rules, beside those of the kubelet. */
  start(node: Netns, facts: NodeFacts): void;
  /** When the node has all its interfaces. */
  finish(node: Netns, facts: NodeFacts): void;
}

/** @param origin of what belongs to no Service, but to kube-proxy's configuration */
export function proxyAgents(
  model: ProxyModel,
  configuration: ProxyConfiguration,
  origin: Origin,
): ProxyAgents {
  switch (configuration.mode) {
    case "iptables":
      return new IptablesAgents(model, configuration, origin);
    case "nftables":
      return new NftablesAgents(model, configuration, origin);
    case "ipvs":
      return new IpvsAgents(model, configuration, origin);
    default:
      return configuration.mode satisfies never;
  }
}

class IptablesAgents implements ProxyAgents {
  readonly #proxier: IptablesProxier;

  constructor(model: ProxyModel, configuration: ProxyConfiguration, origin: Origin) {
    this.#proxier = new IptablesProxier(model, configuration, origin);
  }

  start(node: Netns, facts: NodeFacts): void {
    node.do(...iptablesStart(this.#proxier.configuration), {
      kind: "iptables-restore",
      ruleset: iptablesRuleset(this.#proxier.rulesFor(facts), { kubelet: true, canaries: true }),
      noflush: false,
    });
  }

  finish(): void {}
}

class NftablesAgents implements ProxyAgents {
  readonly #proxier: NftablesProxier;

  constructor(model: ProxyModel, configuration: ProxyConfiguration, origin: Origin) {
    this.#proxier = new NftablesProxier(model, configuration, origin);
  }

  start(node: Netns, facts: NodeFacts): void {
    const rules = this.#proxier.rulesFor(facts);
    const kubelets = rulesetAfter(rules.features, { kubelet: true, canaries: false }, () => []);
    node.do(
      ...nftablesStart(this.#proxier.configuration),
      { kind: "iptables-restore", ruleset: kubelets, noflush: false },
      { kind: "nft-restore", ruleset: { tables: [freshNodeTable(rules)] } },
    );
  }

  finish(): void {}
}

class IpvsAgents implements ProxyAgents {
  readonly #proxier: IpvsProxier;

  constructor(model: ProxyModel, configuration: ProxyConfiguration, origin: Origin) {
    this.#proxier = new IpvsProxier(model, configuration, origin);
  }

  start(node: Netns, facts: NodeFacts): void {
    const state = this.#proxier.stateFor(facts);
    node.do(...ipvsStart(this.#proxier.configuration, node.host.kernel), {
      kind: "iptables-restore",
      ruleset: ipvsRuleset(state, { kubelet: true, canaries: false }),
      noflush: false,
    });
  }

  /** Node ports are served on every address, so on those of the pods' bridge too. */
  finish(node: Netns, facts: NodeFacts): void {
    const addresses = node.host.addresses.map(({ address }) => formatIpv4(address));
    const state = this.#proxier.stateFor({ ...facts, addresses });
    node.do(...freshNodeOperations(state, node.host, HASHED_NAMES.mac(`${node.name} ${DUMMY_DEVICE}`)));
  }
}
