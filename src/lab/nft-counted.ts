import type { NftRule } from "../kernel/nft/ruleset.ts";
import type { NftStatement } from "../kernel/nft/statement.ts";
import type { Network } from "../walk/network.ts";
import type { HookVisit } from "../walk/trace.ts";
import { isNftTable } from "./nft-difference.ts";
import type { RecordedRuleHit } from "./recorded.ts";

/** Statements that never end a rule as one that does not match, but for what they look up: a counter before them counts what they are met by. */
const FINAL: ReadonlySet<NftStatement["kind"]> = new Set([
  "verdict",
  "log",
  "notrack",
  "reject",
  "nat",
  "fwd",
]);

/** Does a rule's counter count the packets that the rule matches, and does it have one at all? */
function countsMatches({ statements }: NftRule): boolean {
  const at = statements.findLastIndex(({ kind }) => kind === "counter");
  return at >= 0 && statements.slice(at + 1).every(isFinal);
}

/** A map that lacks its key ends the rule (`NFT_BREAK`). */
function isFinal(statement: NftStatement): boolean {
  if (!FINAL.has(statement.kind)) return false;
  return statement.kind !== "nat" || (statement.address?.kind !== "map" && statement.port?.kind !== "map");
}

/**
 * How often each rule of nftables that counts what it matches was met, by `host table chain rule N`: frames of ARP, which a
 * trace does not tell of, are not among them.
 */
export function modelledNftCounts(network: Network, visits: readonly HookVisit[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { host, steps } of visits) {
    for (const { table, chain, kind, index } of steps) {
      if (kind !== "rule" || !isNftTable(table)) continue;
      const key = nftKey({ ns: host, table, chain, rule: index });
      const rule = ruleOf(network, { ns: host, table, chain, rule: index });
      if (rule !== undefined && countsMatches(rule)) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

export function nftKey({ ns, table, chain, rule }: Omit<RecordedRuleHit, "packets">): string {
  return `${ns} ${table} ${chain} rule ${rule}`;
}

/** A counter of nftables that the walk tells nothing of: it stands before something that may keep the rule from matching, or of ARP. */
export function isUncounted(network: Network, hit: RecordedRuleHit): boolean {
  if (!isNftTable(hit.table)) return false;
  const rule = ruleOf(network, hit);
  return hit.table.startsWith("arp ") || rule === undefined || !countsMatches(rule);
}

function ruleOf(
  network: Network,
  { ns, table, chain, rule }: Omit<RecordedRuleHit, "packets">,
): NftRule | undefined {
  const tables = network.world.hosts.get(ns)?.nft?.tables;
  const plain = tables?.find(({ family, name }) => `${family} ${name}` === table);
  return plain?.chains.find(({ name }) => name === chain)?.rules[rule - 1];
}
