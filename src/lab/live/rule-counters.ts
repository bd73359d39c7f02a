import { spawnSync } from "node:child_process";
import type { RecordedRuleHit } from "../recorded.ts";
import type { RealNetns } from "./real-netns.ts";

/** The packet counters of a namespace's iptables rules, by `table chain number`; number 0 is a chain's policy. */
export type Counters = ReadonlyMap<string, number>;

/** @param backend which of the two wrote the rules */
export function readCounters(within: RealNetns, backend: "legacy" | "nft"): Counters {
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
    if (policy !== undefined) counters.set(`${table} ${policy} 0`, Number(onPolicy));
    const [, packets, chain] = /^\[(\d+):\d+\] -A (\S+)/.exec(line) ?? [];
    if (chain === undefined) continue;
    const number = (numbers.get(chain) ?? 0) + 1;
    numbers.set(chain, number);
    counters.set(`${table} ${chain} ${number}`, Number(packets));
  }
  return counters;
}

/** Counters that rose, as a recording lists them. */
export function risen(host: string, before: Counters, after: Counters): RecordedRuleHit[] {
  return [...after].flatMap(([key, value]) => {
    const packets = value - (before.get(key) ?? 0);
    const [table = "", chain = "", rule = ""] = key.split(" ");
    return packets > 0 ? [{ ns: host, table, chain, rule: Number(rule), packets }] : [];
  });
}
