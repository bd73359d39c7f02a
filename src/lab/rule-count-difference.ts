import type { Network } from "../walk/network.ts";
import type { HookVisit, Outcome } from "../walk/trace.ts";
import { discoveriesAt, isBulk } from "./excused.ts";
import { isUncounted, modelledNftCounts, nftKey } from "./nft-counted.ts";
import { isNftTable, nftCounts } from "./nft-difference.ts";
import type { RecordedProbe, RecordedRuleHit, RecordedVisit } from "./recorded.ts";
import { familyOf, familyOfVisit } from "./visit-difference.ts";

/** What a recorder takes out of a policy's counter for neighbour discovery may be one too many or too few. */
const MISCOUNTED = 1;

/** What rules were walked by, of both sides. */
export interface Walked {
  /** The recorded visits; undefined: they were not traced. */
  readonly trace: readonly RecordedVisit[] | undefined;
  /** Our ways through hooks of packets that the recording traced nowhere. */
  readonly untraced: readonly HookVisit[];
}

/**
 * The first difference between counters that rose and the rules that matched, where the trace is of all packets (one flow).
 *
 * @param family of what was asked
 */
export function ruleCountDifference(
  network: Network,
  recorded: RecordedProbe,
  outcome: Outcome,
  family: 4 | 6,
  { trace, untraced }: Walked,
): string | null {
  if (isBulk(recorded) || (recorded.query.count ?? 1) > 1) return null;
  const ofNft = nftCounts(network, recorded.nftTrace ?? [], family);
  const walked = trace === undefined ? modelledCounts(network, outcome) : tracedCounts(trace, untraced);
  const counted = new Map([...ofNft, ...walked]);
  for (const hit of recorded.rulesHit ?? []) {
    if (isUncounted(network, hit)) continue;
    const key = isNftTable(hit.table)
      ? nftKey(hit)
      : countKey(hit.ns, familyOf(hit), hit.table, hit.chain, hit.rule);
    const seen = counted.get(key) ?? 0;
    if (seen !== hit.packets && !countsDiscoveries(network, recorded, hit, seen)) {
      const by = trace === undefined ? "modelled" : "by the rules walked";
      return `rule counters: ${key}: ${hit.packets} recorded, ${seen} ${by}`;
    }
    counted.delete(key);
  }
  // nftables' own rules have counters only where they say so.
  const [extra] = [...counted].flatMap(([key, count]) =>
    ofNft.has(key) || (recorded.ageless !== true && isPolicyOf6(key) && count <= MISCOUNTED) ? [] : [key],
  );
  return extra === undefined ? null : `rule counters: ${extra} was walked, and its counter did not rise`;
}

/** Where iptables-nft keeps the rules, neighbour discovery is counted and not traced; elsewhere it was taken out again. */
function countsDiscoveries(
  network: Network,
  recorded: RecordedProbe,
  hit: RecordedRuleHit,
  seen: number,
): boolean {
  const host = network.host(network.hostNumber(hit.ns))?.host;
  if (hit.family !== 6 || recorded.ageless === true) return false;
  if (hit.rule === 0 && Math.abs(hit.packets - seen) <= MISCOUNTED) return true;
  if (host?.ip6tables?.backend !== "nft") return false;
  return hit.packets > seen && hit.packets - seen <= discoveriesAt(recorded, hit.ns) + MISCOUNTED;
}

function tracedCounts(trace: readonly RecordedVisit[], untraced: readonly HookVisit[]): Map<string, number> {
  const counted = new Map<string, number>();
  for (const visit of trace) {
    for (const step of visit.steps) {
      const [table = "", chain = "", kind = "", rest = ""] = step.split(":");
      if (kind === "return") continue;
      const number = kind === "policy" ? 0 : Number.parseInt(rest, 10);
      const key = countKey(visit.ns, familyOf(visit), table, chain, number);
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
  }
  addCounts(counted, untraced);
  return counted;
}

function modelledCounts(network: Network, { hooks }: Outcome): Map<string, number> {
  const counted = modelledNftCounts(network, hooks);
  addCounts(counted, hooks);
  return counted;
}

function addCounts(counted: Map<string, number>, visits: readonly HookVisit[]): void {
  for (const visit of visits) {
    const { host, steps } = visit;
    for (const { table, chain, kind, index } of steps) {
      if (kind === "return" || isNftTable(table)) continue;
      const key = countKey(host, familyOfVisit(visit), table, chain, kind === "policy" ? 0 : index);
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
  }
}

function countKey(host: string, family: number, table: string, chain: string, rule: number): string {
  return `${host} ${family === 6 ? "ip6tables " : ""}${table} ${chain} rule ${rule}`;
}

function isPolicyOf6(key: string): boolean {
  return key.includes(" ip6tables ") && key.endsWith(" rule 0");
}
