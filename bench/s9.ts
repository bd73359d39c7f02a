import type { Host } from "../src/kernel/host.ts";
import { CompiledTable } from "../src/kernel/netfilter/table.ts";
import { Network } from "../src/walk/network.ts";
import type { BuiltCluster } from "./cluster.ts";
import { buildFrom, checkAnswers } from "./cluster.ts";
import { clusterManifests } from "./cluster-manifests.ts";
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
  const built = buildFrom(clusterManifests(SIZE));
  const outcomes = checkAnswers(built, new Network(built.cluster.world), SIZE);
  const rulesets = nodesOf(built).map(({ iptables }) => iptables);
  const first = rulesets[0];
  const rules = countRules(first);
  // What the rule sets hold must be held by nothing else, or letting go of them frees nothing.
  release(built);
  const compiled: CompiledTable[][] = rulesets.map((ruleset) =>
    [...(ruleset?.tables.values() ?? [])].map((table) => new CompiledTable(table)),
  );
  const all = heap();
  rulesets.length = 1;
  compiled.length = 1;
  const one = heap();
  rulesets.length = 0;
  compiled.length = 0;
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

function nodesOf({ cluster }: BuiltCluster): Host[] {
  return [...cluster.world.hosts.values()].filter(({ kind }) => kind === "node");
}

function countRules(ruleset: Host["iptables"] | undefined): number {
  let count = 0;
  for (const { chains } of ruleset?.tables.values() ?? []) {
    for (const { rules } of chains.values()) count += rules.length;
  }
  return count;
}

function release(built: { cluster: unknown; objects: unknown }): void {
  built.cluster = null;
  built.objects = null;
}

function heap(): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error("the collector cannot be called: --expose-gc is missing");
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
