import { ChainOverlay, type Chains } from "./chain-map.ts";
import { MATCHES } from "./match/registry.ts";
import type { Rule, Ruleset } from "./rule.ts";
import type { CtTarget } from "./target/ct.ts";
import { TARGETS } from "./target/registry.ts";
import type { UnknownTarget } from "./target/unknown.ts";

/** Targets without a module here whose checkentry calls `nf_ct_netns_get`. */
const UNMODELLED_TARGETS: ReadonlySet<string> = new Set(["CLUSTERIP"]);

/**
 * Does loading these rules switch connection tracking on? A match or target asks for it (`nf_ct_netns_get`), wherever it
 * stands; the nat table by itself does not, and neither does `CT --notrack`.
 */
export function needsConntrack(ruleset: Ruleset): boolean {
  return tracking.isIn(ruleset);
}

/** Does it switch conntrack's counters on (`connbytes_mt_check`)? */
export function countsConnections(ruleset: Ruleset): boolean {
  return counting.isIn(ruleset);
}

/** Has it a rule that shakes hands in a server's place (`nf_synproxy_ipv4_init`)? */
export function proxiesHandshakes(ruleset: Ruleset): boolean {
  return proxying.isIn(ruleset);
}

/** Are fragments joined for it, though nothing tracks (`socket_mt_enable_defrag`, `tproxy_tg4_check`, `tproxy_tg6_check`)? */
export function needsDefrag(ruleset: Ruleset): boolean {
  return joining.isIn(ruleset);
}

/** Something that a rule has; chains that many tables share are looked at once. */
class Trait {
  private readonly has: (rule: Rule) => boolean;
  private readonly known = new WeakMap<Chains, boolean>();

  constructor(has: (rule: Rule) => boolean) {
    this.has = has;
  }

  isIn(ruleset: Ruleset): boolean {
    const { has } = this;
    for (const { chains } of ruleset.tables.values()) {
      if (!(chains instanceof ChainOverlay)) {
        if (this.isInChains(chains)) return true;
        continue;
      }
      for (const chain of chains.own.values()) if (chain.rules.some(has)) return true;
      // Only where a chain of the base is replaced may the base have it and the table not.
      if (!this.isInChains(chains.base)) continue;
      for (const [name, chain] of chains.base) {
        if (!chains.own.has(name) && chain.rules.some(has)) return true;
      }
    }
    return false;
  }

  private isInChains(chains: Chains): boolean {
    let found = this.known.get(chains);
    if (found === undefined) {
      found = [...chains.values()].some(({ rules }) => rules.some(this.has));
      this.known.set(chains, found);
    }
    return found;
  }
}

const tracking = new Trait(({ matches, target }) => {
  if (matches.some(({ kind }) => MATCHES.get(kind)?.needsConntrack)) return true;
  if (target === null) return false;
  if (target.kind === "unknown") return UNMODELLED_TARGETS.has((target as UnknownTarget).name);
  if (target.kind === "CT" && (target as CtTarget).notrack) return false;
  return TARGETS.get(target.kind)?.needsConntrack ?? false;
});

const counting = new Trait(({ matches }) => matches.some(({ kind }) => kind === "connbytes"));

const proxying = new Trait(({ target }) => target?.kind === "SYNPROXY");

const joining = new Trait(
  ({ matches, target }) => target?.kind === "TPROXY" || matches.some(({ kind }) => kind === "socket"),
);
