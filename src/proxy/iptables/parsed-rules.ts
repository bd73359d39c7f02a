import type { Family } from "../../address/ip.ts";
import {
  probabilityOf,
  type RandomMatch,
  type StatisticMatch,
} from "../../kernel/netfilter/match/statistic.ts";
import type { Chain, Rule, Table } from "../../kernel/netfilter/rule.ts";
import { parseIptablesSave } from "../../kernel/netfilter/save/parse.ts";
import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import type { PortModel } from "../model.ts";
import type { ServiceLines } from "./service-lines.ts";

/** The rules of a port of a Service: those in chains that all share, and its own chains. */
export interface ParsedService {
  readonly filter: readonly Chain[];
  readonly nat: readonly Chain[];
  readonly own: readonly Chain[];
}

/** Endpoints' chains have the origin of their endpoint where it has one, all else that of the port. */
export function parseService(
  service: ServiceLines,
  { port, endpoints, endpointChains }: PortModel,
  filterChains: readonly string[],
  natChains: readonly string[],
  family: Family,
): ParsedService {
  const { origin } = port;
  const nat = parseTable(
    "nat",
    [...natChains, ...service.ownChains],
    [...service.natShared, ...service.natOwn],
    origin,
    family,
  );
  const chains = new Map(nat.chains);
  for (const endpoint of endpoints.endpoints) {
    const chain = chains.get(endpointChains.get(endpoint.text) ?? "");
    if (chain === undefined || endpoint.origin === ORIGIN_NONE) continue;
    const rules = chain.rules.map((rule) => ({ ...rule, origin: endpoint.origin }));
    chains.set(chain.name, { ...chain, rules });
  }
  const filter =
    service.filter.length === 0
      ? []
      : [...parseTable("filter", filterChains, service.filter, origin, family).chains.values()];
  const hasRules = ({ rules }: Chain) => rules.length > 0;
  return {
    filter: filter.filter(hasRules),
    nat: natChains.flatMap((name) => chains.get(name) ?? []).filter(hasRules),
    own: service.ownChains.map((name) => chains.get(name) as Chain),
  };
}

/** Read the lines of a table of which all chains are declared here. What kube-proxy writes is always right. */
export function parseTable(
  table: string,
  chains: readonly string[],
  lines: readonly string[],
  origin: Origin = ORIGIN_NONE,
  family: Family = 4,
): Table {
  const text = [`*${table}`, ...chains.map((chain) => `:${chain} - [0:0]`), ...lines, "COMMIT"].join("\n");
  const result = parseIptablesSave(text, { origin: () => origin, family });
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
