import type { Chain, Rule, Ruleset } from "../../kernel/netfilter/rule.ts";
import { familyNumber } from "../canonical-address.ts";
import { between, spliceOf } from "../splice.ts";
import { type ParsedService, parseService, parseTable } from "./parsed-rules.ts";
import type { NodeRules, ServiceRules, Sync } from "./proxier.ts";
import { SharedChains } from "./shared-chains.ts";

/**
 * What `restoreText` says, as rules. The rules of a Service are read once for all nodes that have them, and whole tables
 * are shared by nodes between which nothing differs.
 *
 * Stale chains are here as empty ones: that is what they are until they are deleted, and no rule jumps to them.
 */
export function restoreRuleset(sync: Sync): Ruleset {
  const { rules } = sync;
  if (sync.stale.length > 0 || sync.written.size < rules.services.length) return assemble(sync);
  const fixed = JSON.stringify([
    rules.origin,
    rules.filterFirst,
    rules.filterLast,
    rules.natFirst,
    rules.natLast,
  ]);
  const known = full.get(rules.services) ?? new Map<string, Ruleset>();
  full.set(rules.services, known);
  const found = known.get(fixed) ?? assemble(sync);
  known.set(fixed, found);
  return found;
}

/** Full syncs by their list of Services, which nodes share, and by the rules that belong to none. */
const full = new WeakMap<readonly ServiceRules[], Map<string, Ruleset>>();

function assemble(sync: Sync): Ruleset {
  const { rules, written, stale } = sync;
  const { filter, nat } = sharedOf(rules, sync.before ?? null);
  const { filterChains, natChains } = rules;
  const filterTable = new Map<string, Chain>();
  const first = chainsOf("filter", filterChains, rules.filterFirst, rules);
  const last = chainsOf("filter", filterChains, rules.filterLast, rules);
  for (const name of filterChains) {
    filterTable.set(name, chain(name, first.get(name) ?? [], filter.rulesOf(name), last.get(name) ?? []));
  }
  const natTable = new Map<string, Chain>();
  const natFirst = chainsOf("nat", natChains, rules.natFirst, rules);
  const natLast = chainsOf("nat", natChains, rules.natLast, rules);
  for (const name of natChains) {
    natTable.set(name, chain(name, natFirst.get(name) ?? [], nat.rulesOf(name), natLast.get(name) ?? []));
  }
  // In the order of Services; a partial sync has a handful.
  for (const service of written) {
    for (const own of parsedOf(service, rules).own) natTable.set(own.name, own);
  }
  for (const name of stale) natTable.set(name, chain(name, [], [], []));
  return {
    backend: "nft",
    tables: new Map([
      ["filter", { name: "filter", chains: filterTable }],
      ["nat", { name: "nat", chains: natTable }],
    ]),
  };
}

function chain(name: string, first: readonly Rule[], shared: readonly Rule[], last: readonly Rule[]): Chain {
  return { name, policy: null, policyCounters: null, rules: first.concat(shared, last) };
}

/** What the Services of a list have in chains that all share. */
interface Shared {
  readonly filter: SharedChains;
  readonly nat: SharedChains;
}

const sharedChains = new WeakMap<readonly ServiceRules[], Shared>();

/** Made of those of the rules before, where they are known. */
function sharedOf(rules: NodeRules, before: NodeRules | null): Shared {
  const { services } = rules;
  const known = sharedChains.get(services);
  if (known !== undefined) return known;
  const filterOf = (service: ServiceRules) => parsedOf(service, rules).filter;
  const natOf = (service: ServiceRules) => parsedOf(service, rules).nat;
  const old = before === null ? undefined : sharedChains.get(before.services);
  let made: Shared;
  if (old === undefined || before === null) {
    made = { filter: SharedChains.of(services.map(filterOf)), nat: SharedChains.of(services.map(natOf)) };
  } else {
    const splice = spliceOf(before.services, services);
    made = {
      filter: old.filter.after(splice, between(services, splice).map(filterOf)),
      nat: old.nat.after(splice, between(services, splice).map(natOf)),
    };
  }
  sharedChains.set(services, made);
  return made;
}

const parsed = new WeakMap<ServiceRules, ParsedService>();

function parsedOf(
  service: ServiceRules,
  { filterChains, natChains, configuration }: NodeRules,
): ParsedService {
  let found = parsed.get(service);
  if (found === undefined) {
    found = parseService(service, service.model, filterChains, natChains, familyNumber(configuration.family));
    parsed.set(service, found);
  }
  return found;
}

/** Rules that belong to no Service are the same at every sync. */
const fixedRules = new Map<string, ReadonlyMap<string, readonly Rule[]>>();
const MOST_FIXED = 256;

function chainsOf(
  table: string,
  chains: readonly string[],
  lines: readonly string[],
  { origin, configuration }: NodeRules,
): ReadonlyMap<string, readonly Rule[]> {
  const family = familyNumber(configuration.family);
  const key = `${family} ${origin} ${table} ${chains.join(" ")}\n${lines.join("\n")}`;
  const known = fixedRules.get(key);
  if (known !== undefined) return known;
  const read = parseTable(table, chains, lines, origin, family).chains;
  const made = new Map([...read].map(([name, { rules }]) => [name, rules]));
  if (fixedRules.size >= MOST_FIXED) fixedRules.clear();
  fixedRules.set(key, made);
  return made;
}
