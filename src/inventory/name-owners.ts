import type { Outcome, RuleHit, Trace } from "../walk/trace.ts";
import type { World } from "../world/world.ts";
import type { RuleOwners } from "./owner/rule-owners.ts";

/** A trace whose rules all have their owners where one can be told: recorded with the rule, or inferred from names. */
export function withOwners(trace: Trace, world: World, owners: RuleOwners): Trace {
  return {
    ...trace,
    outcomes: trace.outcomes.map(
      (outcome): Outcome =>
        outcome.rules.every(({ owner }) => owner !== undefined)
          ? outcome
          : { ...outcome, rules: outcome.rules.map((hit) => named(hit, world, owners)) },
    ),
  };
}

function named(hit: RuleHit, world: World, owners: RuleOwners): RuleHit {
  if (hit.owner !== undefined || hit.backend !== "iptables") return hit;
  const chain = world.hosts.get(hit.host)?.iptables?.tables.get(hit.table)?.chains.get(hit.chain);
  const rule = chain?.rules[hit.index - 1];
  const owner = rule === undefined ? undefined : owners.ownerOf(world, hit.host, hit.table, hit.chain, rule);
  return owner === undefined ? hit : { ...hit, owner };
}
