import type { Host } from "../src/kernel/host.ts";
import { compileRuleset } from "../src/kernel/netfilter/table.ts";
import { Network } from "../src/walk/network.ts";
import { buildFrom, checkAnswers } from "./cluster.ts";
import { clusterManifests } from "./cluster-manifests.ts";
import { breathe } from "./median.ts";
import type { Options } from "./options.ts";
import { grouped, print, ratio, Table } from "./report.ts";

const SIZE = { nodes: 1000, pods: 10_000, services: 1000 } as const;

/** Flags of the process: the collector is called by name. */
export const HEAP_FLAGS = ["--expose-gc"];

/**
 * S9: what the rule sets of all nodes take together, plain and compiled, beside one node's. Measured by letting go: the heap
 * before and after the nodes' rule sets are dropped, one node's at the end.
 */
export async function s9(_options: Options): Promise<void> {
  print(
    `S9  rule sets of ${grouped(SIZE.nodes)} nodes with ${grouped(SIZE.services)} services and ${grouped(SIZE.pods)} endpoints`,
  );
  const { rulesets, outcomes } = rulesetsOfNodes();
  const rules = countRules(rulesets[0]);
  const compiled = rulesets.map((ruleset) => (ruleset === null ? null : compileRuleset(ruleset)));
  const all = heap();
  rulesets.length = 1;
  compiled.length = 1;
  const one = heap();
  rulesets.length = 0;
  compiled.length = 0;
  // What a table was compiled from is found by itself only, but a turn of the loop clears what was looked up last.
  await breathe();
  const none = heap();
  const table = new Table("", "rules", "heap and columns");
  const oneSize = one - none;
  const allSize = all - none;
  table.row("one node", grouped(rules), `${(oneSize / 1e6).toFixed(1)} MB`);
  table.row(`all ${grouped(SIZE.nodes)}`, grouped(rules * SIZE.nodes), `${(allSize / 1e6).toFixed(1)} MB`);
  table.print();
  print(
    `  a further node takes ${((allSize - oneSize) / (SIZE.nodes - 1) / 1000).toFixed(2)} kB; ${outcomes} outcomes are right`,
  );
  ratio(
    "S9",
    allSize / oneSize,
    "must 1.5, aim 1.1",
    "rule sets of 1,000 nodes ÷ one node's, plain and compiled",
  );
}

/** Nothing but the rule sets is handed out: what else holds them would keep them when they are let go. */
function rulesetsOfNodes(): { readonly rulesets: Host["iptables"][]; readonly outcomes: number } {
  const built = buildFrom(clusterManifests(SIZE));
  const outcomes = checkAnswers(built, new Network(built.cluster.world), SIZE);
  const nodes = [...built.cluster.world.hosts.values()].filter(({ kind }) => kind === "node");
  return { rulesets: nodes.map(({ iptables }) => iptables), outcomes };
}

function countRules(ruleset: Host["iptables"] | undefined): number {
  let count = 0;
  for (const { chains } of ruleset?.tables.values() ?? []) {
    for (const { rules } of chains.values()) count += rules.length;
  }
  return count;
}

function heap(): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error("the collector cannot be called: --expose-gc is missing");
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
