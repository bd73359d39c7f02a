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

  /** Many packets meet the same rule. */
  readonly #known = new WeakMap<Rule, Owner | null>();

  constructor(objects: Lister | null) {
    this.#objects = objects;
  }

  ownerOf(world: World, host: string, table: string, chain: string, rule: Rule): Owner | undefined {
    const known = this.#known.get(rule);
    if (known !== undefined) return known ?? undefined;
    const ruleset = world.hosts.get(host)?.iptables;
    if (ruleset === null || ruleset === undefined) return undefined;
    let owner: Owner | undefined;
    for (const source of this.#sourcesOf(ruleset)) {
      owner = source({ table, chain, rule });
      if (owner !== undefined) break;
    }
    this.#known.set(rule, owner ?? null);
    return owner;
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
