import { spawnSync } from "node:child_process";
import type { Family } from "../../address/ip.ts";
import type { RecordedRuleHit } from "../recorded.ts";
import type { RealNetns } from "./real-netns.ts";

/** What loads and prints rules of a family. */
export const IPTABLES = { 4: "iptables", 6: "ip6tables" } as const satisfies Record<Family, string>;

/** The packet counters of a namespace's iptables rules, by `family table chain number`; number 0 is a chain's policy. */
export type Counters = ReadonlyMap<string, number>;

/** @param backend which of the two wrote the rules */
export function readCounters(within: RealNetns, family: Family, backend: "legacy" | "nft"): Counters {
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
    if (policy !== undefined) counters.set(`${family} ${table} ${policy} 0`, Number(onPolicy));
    const [, packets, chain] = /^\[(\d+):\d+\] -A (\S+)/.exec(line) ?? [];
    if (chain === undefined) continue;
    const number = (numbers.get(chain) ?? 0) + 1;
    numbers.set(chain, number);
    counters.set(`${family} ${table} ${chain} ${number}`, Number(packets));
  }
  return counters;
}

/** Counters that rose, as a recording lists them. */
export function risen(host: string, before: Counters, after: Counters): RecordedRuleHit[] {
  return [...after].flatMap(([key, value]) => {
    const packets = value - (before.get(key) ?? 0);
    const [family, table = "", chain = "", rule = ""] = key.split(" ");
    const hit = { ns: host, table, chain, rule: Number(rule), packets };
    return packets > 0 ? [family === "6" ? { ...hit, family: 6 } : hit] : [];
  });
}
