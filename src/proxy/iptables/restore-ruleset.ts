import {
  probabilityOf,
  type RandomMatch,
  type StatisticMatch,
} from "../../kernel/netfilter/match/statistic.ts";
import type { Chain, Rule, Ruleset, Table } from "../../kernel/netfilter/rule.ts";
import { parseIptablesSave } from "../../kernel/netfilter/save/parse.ts";
import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import type { ServiceRules, Sync } from "./proxier.ts";

/**
 * What `restoreText` says, as rules. The rules of a Service are read once for all nodes that have them, and whole tables
 * are shared by nodes between which nothing differs.
 *
 * Stale chains are here as empty ones: that is what they are until they are deleted, and no rule jumps to them.
 */
export function restoreRuleset(sync: Sync): Ruleset {
  const { rules } = sync;
  if (sync.stale.length > 0 || sync.written.size < rules.services.length) return assemble(sync);
  const fixed = JSON.stringify([rules.filterFirst, rules.filterLast, rules.natFirst, rules.natLast]);
  const known = full.get(rules.services) ?? new Map<string, Ruleset>();
  full.set(rules.services, known);
  const found = known.get(fixed) ?? assemble(sync);
  known.set(fixed, found);
  return found;
}

/** As the kernel gives it back: odds in parts of 2³¹, not the decimals that were written. */
function asKept(rule: Rule): Rule {
  if (!rule.matches.some(({ kind }) => kind === "statistic")) return rule;
  const matches = rule.matches.map((match) => {
    if (match.kind !== "statistic" || (match as StatisticMatch).mode !== "random") return match;
    const random = match as RandomMatch;
    const { invert, value } = random.probability;
    return { ...random, probability: { invert, value: probabilityOf(value.threshold) } };
  });
  return { ...rule, matches };
}

/** Read the lines of a table of which all chains are declared here. What kube-proxy writes is always right. */
export function parseTable(
  table: string,
  chains: readonly string[],
  lines: readonly string[],
  origin: Origin = ORIGIN_NONE,
): Table {
  const text = [`*${table}`, ...chains.map((chain) => `:${chain} - [0:0]`), ...lines, "COMMIT"].join("\n");
  const result = parseIptablesSave(text, { origin: () => origin });
  if (result.kind === "invalid") {
    const [first] = result.errors;
    throw new Error(`a rule of kube-proxy cannot be read: ${first?.text}: ${first?.message}`);
  }
  const read = (result.ruleset.tables.get(table) as Table).chains;
  const kept = [...read].map(([name, chain]): [string, Chain] => [
    name,
    { ...chain, rules: chain.rules.map(asKept) },
  ]);
  return { name: table, chains: new Map(kept) };
}

/** Full syncs by their list of Services, which nodes share, and by the rules that belong to none. */
const full = new WeakMap<readonly ServiceRules[], Map<string, Ruleset>>();

/** The rules of a port: those in chains that all share, and its own chains. */
interface ParsedService {
  readonly filter: readonly Chain[];
  readonly nat: readonly Chain[];
  readonly own: readonly Chain[];
}

const parsed = new WeakMap<ServiceRules, ParsedService>();

function assemble({ rules, written, stale }: Sync): Ruleset {
  const filter = new Draft(rules.filterChains);
  const nat = new Draft(rules.natChains);
  const { origin } = rules;
  filter.addLines("filter", rules.filterFirst, origin);
  nat.addLines("nat", rules.natFirst, origin);
  for (const service of rules.services) {
    const tables = parseService(service, rules.filterChains, rules.natChains);
    for (const { name, rules: shared } of tables.filter) filter.addRules(name, shared);
    for (const { name, rules: shared } of tables.nat) nat.addRules(name, shared);
    if (!written.has(service)) continue;
    for (const chain of tables.own) nat.addChain(chain);
  }
  for (const chain of stale) nat.addChain(emptyChain(chain));
  filter.addLines("filter", rules.filterLast, origin);
  nat.addLines("nat", rules.natLast, origin);
  return {
    backend: "nft",
    tables: new Map([
      ["filter", { name: "filter", chains: filter.chains }],
      ["nat", { name: "nat", chains: nat.chains }],
    ]),
  };
}

function parseService(
  service: ServiceRules,
  filterChains: readonly string[],
  natChains: readonly string[],
): ParsedService {
  const known = parsed.get(service);
  if (known !== undefined) return known;
  const { port, endpoints, endpointChains } = service.model;
  const { origin } = port;
  const nat = parseTable(
    "nat",
    [...natChains, ...service.ownChains],
    [...service.natShared, ...service.natOwn],
    origin,
  );
  const chains = new Map(nat.chains);
  for (const endpoint of endpoints.endpoints) {
    const chain = chains.get(endpointChains.get(endpoint.text) ?? "");
    if (chain === undefined || endpoint.origin === origin) continue;
    const rules = chain.rules.map((rule) => ({ ...rule, origin: endpoint.origin }));
    chains.set(chain.name, { ...chain, rules });
  }
  const filter =
    service.filter.length === 0
      ? []
      : [...parseTable("filter", filterChains, service.filter, origin).chains.values()];
  const made = {
    filter: filter.filter(({ rules }) => rules.length > 0),
    nat: natChains.flatMap((name) => chains.get(name) ?? []).filter(({ rules }) => rules.length > 0),
    own: service.ownChains.map((name) => chains.get(name) as Chain),
  };
  parsed.set(service, made);
  return made;
}

/** A table being put together from shared rules. */
class Draft {
  readonly chains = new Map<string, Chain>();
  readonly #rules = new Map<string, Rule[]>();

  constructor(chains: readonly string[]) {
    for (const name of chains) {
      const rules: Rule[] = [];
      this.#rules.set(name, rules);
      this.chains.set(name, { name, policy: null, policyCounters: null, rules });
    }
  }

  addRules(chain: string, rules: readonly Rule[]): void {
    const own = this.#rules.get(chain) as Rule[];
    for (const rule of rules) own.push(rule);
  }

  addLines(table: string, lines: readonly string[], origin: Origin): void {
    const { chains } = parseTable(table, [...this.#rules.keys()], lines, origin);
    for (const { name, rules } of chains.values()) this.addRules(name, rules);
  }

  addChain(chain: Chain): void {
    this.chains.set(chain.name, chain);
  }
}

function emptyChain(name: string): Chain {
  return { name, policy: null, policyCounters: null, rules: [] };
}
