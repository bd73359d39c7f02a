import { Network } from "../src/walk/network.ts";
import { type BuiltCluster, buildFrom, checkAnswers } from "./cluster.ts";
import { type ClusterSize, clusterManifests } from "./cluster-manifests.ts";
import type { Options } from "./options.ts";
import { grouped, milli, print, Table } from "./report.ts";

const SIZES: readonly ClusterSize[] = [
  { nodes: 100, pods: 1000, services: 100 },
  { nodes: 300, pods: 3000, services: 300 },
  { nodes: 1000, pods: 10_000, services: 1000 },
];

/**
 * S11: from manifests to the programmed state of every node and pod. Time of the processor counts, that of the compiler's
 * and the collector's threads included: what one core would take.
 */
export async function s11(_options: Options): Promise<void> {
  print("S11  a cluster from its manifests: read, reconciled, every node and pod programmed");
  const table = new Table(
    "nodes",
    "pods",
    "services",
    "read",
    "controllers",
    "agents",
    "processor",
    "clock",
    "trace",
  );
  let last = 0;
  for (const size of SIZES) {
    const built = buildFrom(clusterManifests(size));
    const network = new Network(built.cluster.world);
    const begun = performance.now();
    const outcomes = checkAnswers(built, network, size);
    const traced = performance.now() - begun;
    last = sum(built, "cpu");
    table.row(
      ...[grouped(size.nodes), grouped(size.pods), grouped(size.services)],
      ...built.steps.map(({ cpu }) => milli(cpu)),
      ...[milli(last), milli(sum(built, "wall")), `${milli(traced)} (${outcomes} outcomes)`],
    );
  }
  table.print();
  print("  every endpoint of the Services asked answers, all with the same odds");
  print(
    `RATIO S11  ${(last / 1000).toFixed(2)} s  (must 5 s, aim 2 s)  1,000 nodes, 10,000 pods, 1,000 services`,
  );
}

function sum({ steps }: BuiltCluster, column: "cpu" | "wall"): number {
  return steps.reduce((total, step) => total + step[column], 0);
}
