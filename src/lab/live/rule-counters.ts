import { spawnSync } from "node:child_process";
import type { Family } from "../../address/ip.ts";
import type { Host } from "../../kernel/host.ts";
import type { Ruleset } from "../../kernel/netfilter/rule.ts";
import { walkedNft } from "../../kernel/nft/walked.ts";
import type { RecordedRuleHit } from "../recorded.ts";
import type { RealNetns } from "./real-netns.ts";

/** What loads and prints rules of a family. */
export const IPTABLES = { 4: "iptables", 6: "ip6tables" } as const satisfies Record<Family, string>;

/**
 * The packet counters of a namespace's rules, by family, table, chain and number with tabs between them. A table of nftables is
 * named with its family, as a trace names it, and stands under no other; number 0 is the policy of a chain of iptables.
 */
export type Counters = ReadonlyMap<string, number>;

/** Those of all that a host's own tables count; undefined where it has no rules. */
export function readCounters(within: RealNetns, host: Host): Counters | undefined {
  const loaded = loadedRules(host);
  const tables = new Set(walkedNft(host).tables.map(({ family, name }) => `${family} ${name}`));
  if (loaded.length === 0 && tables.size === 0) return undefined;
  const ofIptables = loaded.flatMap(({ family, rules }) => [...readIptables(within, family, rules.backend)]);
  const ofNft = tables.size === 0 ? [] : [...readNft(within)];
  return new Map([...ofIptables, ...ofNft.filter(([key]) => tables.has(key.split("\t")[1] ?? ""))]);
}

/** A host's iptables rules of both families, where there are any. */
export function loadedRules({ iptables, ip6tables }: Host): { family: Family; rules: Ruleset }[] {
  return [{ family: 4, rules: iptables } as const, { family: 6, rules: ip6tables } as const].flatMap(
    ({ family, rules }) => (rules === null || rules.tables.size === 0 ? [] : [{ family, rules }]),
  );
}

/** @param backend which of the two wrote the rules */
function readIptables(within: RealNetns, family: Family, backend: "legacy" | "nft"): Counters {
  const tool = `${IPTABLES[family]}-${backend}-save`;
  const run = within.inside(() => spawnSync(tool, ["-c"], { encoding: "utf8" }));
  if (run.status !== 0) throw new Error(`${tool}: ${run.error?.message ?? run.stderr.trim()}`);
  return parseCounters(run.stdout, family);
}

export function parseCounters(text: string, family: Family = 4): Counters {
  const counters = new Map<string, number>();
  const numbers = new Map<string, number>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      table = line.slice(1);
      numbers.clear();
      continue;
    }
    const [, policy, onPolicy] = /^:(\S+) \S+ \[(\d+):/.exec(line) ?? [];
    if (policy !== undefined) counters.set(`${family}\t${table}\t${policy}\t0`, Number(onPolicy));
    const [, packets, chain] = /^\[(\d+):\d+\] -A (\S+)/.exec(line) ?? [];
    if (chain === undefined) continue;
    const number = (numbers.get(chain) ?? 0) + 1;
    numbers.set(chain, number);
    counters.set(`${family}\t${table}\t${chain}\t${number}`, Number(packets));
  }
  return counters;
}

function readNft(within: RealNetns): Counters {
  const run = within.inside(() => spawnSync("nft", ["-j", "list", "ruleset"], { encoding: "utf8" }));
  if (run.status !== 0) throw new Error(`nft: ${run.error?.message ?? run.stderr.trim()}`);
  return parseNftCounters(run.stdout);
}

interface ListedRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr?: readonly { readonly counter?: { readonly packets?: number } | null }[];
}

/** @param json what `nft -j list ruleset` prints: the last counter of each rule that has one */
export function parseNftCounters(json: string): Counters {
  const { nftables } = JSON.parse(json) as { readonly nftables: readonly { readonly rule?: ListedRule }[] };
  const counters = new Map<string, number>();
  const numbers = new Map<string, number>();
  for (const { rule } of nftables) {
    if (rule === undefined) continue;
    const chain = `\t${rule.family} ${rule.table}\t${rule.chain}`;
    const number = (numbers.get(chain) ?? 0) + 1;
    numbers.set(chain, number);
    const counter = rule.expr?.findLast((each) => typeof each.counter?.packets === "number")?.counter;
    if (counter?.packets !== undefined) counters.set(`${chain}\t${number}`, counter.packets);
  }
  return counters;
}

/** Counters that rose, as a recording lists them. */
export function risen(host: string, before: Counters, after: Counters): RecordedRuleHit[] {
  return [...after].flatMap(([key, value]) => {
    const packets = value - (before.get(key) ?? 0);
    const [family, table = "", chain = "", rule = ""] = key.split("\t");
    const hit = { ns: host, table, chain, rule: Number(rule), packets };
    return packets > 0 ? [family === "6" ? { ...hit, family: 6 } : hit] : [];
  });
}
