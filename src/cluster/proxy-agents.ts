import { formatIp } from "../address/ip.ts";
import { HASHED_NAMES } from "../cni/names.ts";
import type { Netns } from "../cni/netns.ts";
import type { Operation } from "../kernel/operation.ts";
import type { Origin } from "../kernel/origin.ts";
import { familyNumber, type IpFamily } from "../proxy/canonical-address.ts";
import type { NodeFacts, ProxyConfiguration } from "../proxy/configuration.ts";
import { conntrackOperations } from "../proxy/conntrack-settings.ts";
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
import { portalRuleset } from "../proxy/userspace/portal-rules.ts";
import { withProxySockets } from "../proxy/userspace/relay-sockets.ts";
import type { ProxyFeatures } from "../proxy/versions.ts";

/** What the proxiers of both families know of a node; one runs where the node has an address of its family. */
export interface ProxiedNode {
  readonly four: NodeFacts | null;
  readonly six: NodeFacts | null;
}

/** What Services and EndpointSlices come to, for each family. */
export interface ProxyModels {
  readonly four: ProxyModel;
  readonly six: ProxyModel;
}

/** kube-proxy on every node, in the mode it is configured for. */
export interface ProxyAgents {
  /** Before the node has any pod: its rules, beside those of the kubelet. */
  start(node: Netns, facts: ProxiedNode): void;
  /** When the node has all its interfaces. */
  finish(node: Netns, facts: ProxiedNode): void;
}

/** @param origin of what belongs to no Service, but to kube-proxy's configuration */
export function proxyAgents(
  models: ProxyModels,
  configuration: ProxyConfiguration,
  origin: Origin,
): ProxyAgents {
  return new ConntrackTuning(configuration, modeAgents(models, configuration, origin));
}

/** Before all else, in every mode. */
class ConntrackTuning implements ProxyAgents {
  readonly #configuration: ProxyConfiguration;
  readonly #agents: ProxyAgents;

  constructor(configuration: ProxyConfiguration, agents: ProxyAgents) {
    this.#configuration = configuration;
    this.#agents = agents;
  }

  start(node: Netns, facts: ProxiedNode): void {
    const cores = facts.four?.cores ?? facts.six?.cores ?? null;
    node.do(...conntrackOperations(this.#configuration, cores));
    this.#agents.start(node, facts);
  }

  finish(node: Netns, facts: ProxiedNode): void {
    this.#agents.finish(node, facts);
  }
}

function modeAgents(models: ProxyModels, configuration: ProxyConfiguration, origin: Origin): ProxyAgents {
  const set = { models, four: configuration, six: { ...configuration, family: "IPv6" as const }, origin };
  switch (configuration.mode) {
    case "iptables":
      return new IptablesAgents(set);
    case "nftables":
      return new NftablesAgents(set);
    case "ipvs":
      return new IpvsAgents(set);
    case "userspace":
      return new UserspaceAgents(set);
    default:
      return configuration.mode satisfies never;
  }
}

interface Settings {
  readonly models: ProxyModels;
  readonly four: ProxyConfiguration;
  readonly six: ProxyConfiguration;
  readonly origin: Origin;
}

class IptablesAgents implements ProxyAgents {
  readonly #four: IptablesProxier;
  readonly #six: IptablesProxier;

  constructor({ models, four, six, origin }: Settings) {
    this.#four = new IptablesProxier(models.four, four, origin);
    this.#six = new IptablesProxier(models.six, six, origin);
  }

  start(node: Netns, { four, six }: ProxiedNode): void {
    const options = { kubelet: true, canaries: true };
    if (four !== null) {
      node.do(...iptablesStart(this.#four.configuration), {
        kind: "iptables-restore",
        ruleset: iptablesRuleset(this.#four.rulesFor(four), options),
        noflush: false,
      });
    }
    if (six === null) return;
    const ruleset = iptablesRuleset(this.#six.rulesFor(six), options);
    node.do({ kind: "iptables-restore", family: 6, ruleset, noflush: false });
  }

  finish(): void {}
}

class NftablesAgents implements ProxyAgents {
  readonly #four: NftablesProxier;
  readonly #six: NftablesProxier;

  constructor({ models, four, six, origin }: Settings) {
    this.#four = new NftablesProxier(models.four, four, origin);
    this.#six = new NftablesProxier(models.six, six, origin);
  }

  start(node: Netns, { four, six }: ProxiedNode): void {
    const both = [
      ...(four === null ? [] : [{ family: "IPv4" as const, rules: this.#four.rulesFor(four) }]),
      ...(six === null ? [] : [{ family: "IPv6" as const, rules: this.#six.rulesFor(six) }]),
    ];
    node.do(...both.map(({ family, rules }) => kubeletsOwn(rules.features, family)), {
      kind: "nft-restore",
      ruleset: { tables: both.map(({ rules }) => freshNodeTable(rules)) },
    });
  }

  finish(): void {}
}

function kubeletsOwn(features: ProxyFeatures, family: IpFamily): Operation {
  const ruleset = rulesetAfter({ features, family }, { kubelet: true, canaries: false }, () => []);
  return { kind: "iptables-restore", family: familyNumber(family), ruleset, noflush: false };
}

class IpvsAgents implements ProxyAgents {
  readonly #four: IpvsProxier;
  readonly #six: IpvsProxier;

  constructor({ models, four, six, origin }: Settings) {
    this.#four = new IpvsProxier(models.four, four, origin);
    this.#six = new IpvsProxier(models.six, six, origin);
  }

  start(node: Netns, facts: ProxiedNode): void {
    node.do(...ipvsStart(this.#four.configuration, node.host.kernel));
    for (const { proxier, known } of this.#proxiersOf(facts)) {
      node.do({
        kind: "iptables-restore",
        family: familyNumber(proxier.configuration.family),
        ruleset: ipvsRuleset(proxier.stateFor(known), { kubelet: true, canaries: false }),
        noflush: false,
      });
    }
  }

  /** Node ports are served on every address, so on those of the pods' bridge too. */
  finish(node: Netns, facts: ProxiedNode): void {
    const mac = HASHED_NAMES.mac(`${node.name} ${DUMMY_DEVICE}`);
    const addresses = [...node.host.addresses, ...node.host.addresses6].map(({ address }) =>
      formatIp(address),
    );
    for (const { proxier, known } of this.#proxiersOf(facts)) {
      node.do(...freshNodeOperations(proxier.stateFor({ ...known, addresses }), node.host, mac));
    }
  }

  #proxiersOf({ four, six }: ProxiedNode): { readonly proxier: IpvsProxier; readonly known: NodeFacts }[] {
    return [
      ...(four === null ? [] : [{ proxier: this.#four, known: four }]),
      ...(six === null ? [] : [{ proxier: this.#six, known: six }]),
    ];
  }
}

/** One family, that of the node's first address: here IPv4. */
class UserspaceAgents implements ProxyAgents {
  readonly #model: ProxyModel;
  readonly #origin: Origin;

  constructor({ models, origin }: Settings) {
    this.#model = models.four;
    this.#origin = origin;
  }

  start(node: Netns, { four }: ProxiedNode): void {
    if (four === null) return;
    node.do({
      kind: "iptables-restore",
      ruleset: portalRuleset(this.#model, four, this.#origin),
      noflush: false,
    });
  }

  /** It listens when everything else does. */
  finish(node: Netns): void {
    node.do({ kind: "sockets", sockets: withProxySockets(node.host, this.#model).sockets });
  }
}
