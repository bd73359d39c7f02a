import { ChainOverlay, type Chains } from "./chain-map.ts";
import { MATCHES } from "./match/registry.ts";
import type { UnknownMatch } from "./match/unknown.ts";
import type { Rule, Ruleset } from "./rule.ts";
import type { CtTarget } from "./target/ct.ts";
import { TARGETS } from "./target/registry.ts";
import type { UnknownTarget } from "./target/unknown.ts";

/** Extensions without a module here whose checkentry calls `nf_ct_netns_get`. */
const UNMODELLED_MATCHES: ReadonlySet<string> = new Set([
  "cluster",
  "connbytes",
  "connlabel",
  "connlimit",
  "helper",
]);
const UNMODELLED_TARGETS: ReadonlySet<string> = new Set(["CLUSTERIP", "CONNSECMARK", "SYNPROXY"]);

/**
 * Does loading these rules switch connection tracking on? A match or target asks for it (`nf_ct_netns_get`), wherever it
 * stands; the nat table by itself does not, and neither does `CT --notrack`.
 */
export function needsConntrack(ruleset: Ruleset): boolean {
  for (const { chains } of ruleset.tables.values()) {
    if (!(chains instanceof ChainOverlay)) {
      if (chainsNeedConntrack(chains)) return true;
      continue;
    }
    for (const chain of chains.own.values()) if (chain.rules.some(ruleNeedsConntrack)) return true;
    // Only where a chain of the base is replaced may the base want it and the table not.
    if (!chainsNeedConntrack(chains.base)) continue;
    for (const [name, chain] of chains.base) {
      if (!chains.own.has(name) && chain.rules.some(ruleNeedsConntrack)) return true;
    }
  }
  return false;
}

/** Chains that many tables share are looked at once. */
const known = new WeakMap<Chains, boolean>();

function chainsNeedConntrack(chains: Chains): boolean {
  let needs = known.get(chains);
  if (needs === undefined) {
    needs = [...chains.values()].some(({ rules }) => rules.some(ruleNeedsConntrack));
    known.set(chains, needs);
  }
  return needs;
}

function ruleNeedsConntrack({ matches, target }: Rule): boolean {
  for (const match of matches) {
    if (MATCHES.get(match.kind)?.needsConntrack) return true;
    if (match.kind === "unknown" && UNMODELLED_MATCHES.has((match as UnknownMatch).name)) return true;
  }
  if (target === null) return false;
  if (target.kind === "unknown") return UNMODELLED_TARGETS.has((target as UnknownTarget).name);
  if (target.kind === "CT" && (target as CtTarget).notrack) return false;
  return TARGETS.get(target.kind)?.needsConntrack ?? false;
}
