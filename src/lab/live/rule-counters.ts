import { spawnSync } from "node:child_process";
import type { Host } from "../../kernel/host.ts";
import { walkedNft } from "../../kernel/nft/walked.ts";
import type { RecordedRuleHit } from "../recorded.ts";
import type { RealNetns } from "./real-netns.ts";

/**
 * The packet counters of a namespace's rules, by table, chain and number with tabs between them. A table of nftables is named
 * with its family, as a trace names it; number 0 is the policy of a chain of iptables.
 */
export type Counters = ReadonlyMap<string, number>;

/** Those of all that a host's own tables count; undefined where it has no rules. */
export function readCounters(within: RealNetns, host: Host): Counters | undefined {
  const { iptables } = host;
  const hasIptables = iptables !== null && iptables.tables.size > 0;
  const tables = new Set(walkedNft(host).tables.map(({ family, name }) => `${family} ${name}`));
  if (!hasIptables && tables.size === 0) return undefined;
  const ofIptables = hasIptables ? readIptables(within, iptables.backend) : [];
  const ofNft =
    tables.size === 0 ? [] : [...readNft(within)].filter(([key]) => tables.has(key.split("\t", 1)[0] ?? ""));
  return new Map([...ofIptables, ...ofNft]);
}

function readIptables(within: RealNetns, backend: "legacy" | "nft"): Counters {
  const run = within.inside(() => spawnSync(`iptables-${backend}-save`, ["-c"], { encoding: "utf8" }));
  if (run.status !== 0)
    throw new Error(`iptables-${backend}-save: ${run.error?.message ?? run.stderr.trim()}`);
  return parseCounters(run.stdout);
}

export function parseCounters(text: string): Counters {
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
    if (policy !== undefined) counters.set(`${table}\t${policy}\t0`, Number(onPolicy));
    const [, packets, chain] = /^\[(\d+):\d+\] -A (\S+)/.exec(line) ?? [];
    if (chain === undefined) continue;
    const number = (numbers.get(chain) ?? 0) + 1;
    numbers.set(chain, number);
    counters.set(`${table}\t${chain}\t${number}`, Number(packets));
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
    const chain = `${rule.family} ${rule.table}\t${rule.chain}`;
    const number = (numbers.get(chain) ?? 0) + 1;
    numbers.set(chain, number);
    const packets = rule.expr?.findLast(({ counter }) => typeof counter?.packets === "number")?.counter
      ?.packets;
    if (packets !== undefined) counters.set(`${chain}\t${number}`, packets);
  }
  return counters;
}

/** Counters that rose, as a recording lists them. */
export function risen(host: string, before: Counters, after: Counters): RecordedRuleHit[] {
  return [...after].flatMap(([key, value]) => {
    const packets = value - (before.get(key) ?? 0);
    const [table = "", chain = "", rule = ""] = key.split("\t");
    return packets > 0 ? [{ ns: host, table, chain, rule: Number(rule), packets }] : [];
  });
}
