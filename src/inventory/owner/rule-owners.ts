import type { Rule, Ruleset } from "../../kernel/netfilter/rule.ts";
import type { Lister } from "../../object/object-map.ts";
import type { Owner, World } from "../../world/world.ts";
import { ofCalico } from "./calico.ts";
import { CniChains } from "./cni-plugins.ts";
import { ofDocker } from "./docker.ts";
import { ofFlannel } from "./flannel.ts";
import { ofIstio } from "./istio.ts";
import { ofKubeAgents } from "./kube-proxy.ts";
import type { NameSource } from "./placed-rule.ts";
import { ServiceChains } from "./service-chains.ts";

/**
 * Whose rules they are, where nothing recorded it: read off the names and comments that programs leave in the rules of real
 * nodes. Every owner found so is marked `inferred`. Rules that are nobody's (written by hand) have none.
 */
export class RuleOwners {
  readonly #objects: Lister | null;
  readonly #sources = new WeakMap<Ruleset, readonly NameSource[]>();

  constructor(objects: Lister | null) {
    this.#objects = objects;
  }

  ownerOf(world: World, host: string, table: string, chain: string, rule: Rule): Owner | undefined {
    const ruleset = world.hosts.get(host)?.iptables;
    if (ruleset === null || ruleset === undefined) return undefined;
    for (const source of this.#sourcesOf(ruleset)) {
      const owner = source({ table, chain, rule });
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  /** From the most telling to the least. */
  #sourcesOf(ruleset: Ruleset): readonly NameSource[] {
    const known = this.#sources.get(ruleset);
    if (known !== undefined) return known;
    const made = [
      new ServiceChains(ruleset, this.#objects).ownerOf,
      new CniChains(ruleset.tables.values()).ownerOf,
      ofFlannel,
      ofCalico,
      ofKubeAgents,
      ofIstio,
      ofDocker,
    ];
    this.#sources.set(ruleset, made);
    return made;
  }
}
