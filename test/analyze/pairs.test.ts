import { describe, expect, it } from "vitest";
import type { ClusterMembers, NodeMember, PodMember } from "../../src/analyze/cluster-members.ts";
import { pairsOf } from "../../src/analyze/pairs.ts";

/** Members without a World: nothing here walks. */
function members(podsOfNodes: readonly number[]): ClusterMembers {
  const nodes = podsOfNodes.map(
    (_, i): NodeMember => ({ host: `n${i}`, ref: `node/n${i}`, name: `n${i}`, address: `10.0.0.${i + 1}` }),
  );
  const pods = podsOfNodes.flatMap((count, i) =>
    Array.from({ length: count }, (_, k): PodMember => {
      const name = `p${i}-${k}`;
      return {
        ...{ host: name, ref: `host/${name}`, name, namespace: "", address: `10.1.${i}.${k}` },
        ...{ node: nodes[i] ?? null, unmodelled: null, sharesNode: false, ports: [] },
      };
    }),
  );
  const world = { hosts: new Map(), wires: [], origins: { sources: [] } };
  return { world, family: 4, nodes, pods, services: [], outside: [] };
}

describe.each([
  [[30]],
  [[1, 1, 30]],
  [[10, 10, 10, 10]],
  [Array.from({ length: 40 }, () => 1)],
  [[25, 0, 25, 3]],
])("a sample of pods on nodes %j", (podsOfNodes) => {
  const cluster = members(podsOfNodes);
  const { pods, podPairs, allPodPairs, withNodes } = pairsOf(cluster, false);

  it("has every pod as sender and as receiver, and no pod with itself", () => {
    expect(new Set(podPairs.map(({ from }) => from))).toEqual(new Set(pods));
    expect(new Set(podPairs.map(({ to }) => to))).toEqual(new Set(pods));
    expect(podPairs.every(({ from, to }) => from !== to)).toBe(true);
  });

  it("grows with the pods, not with their square", () => {
    expect(allPodPairs).toBe(pods.length * (pods.length - 1));
    expect(podPairs.length).toBeLessThanOrEqual(3 * pods.length);
  });

  it("has every pod with a pod of its own node and with one of another, where there are such", () => {
    for (const pod of pods) {
      const others = pods.filter((other) => other !== pod);
      const mine = podPairs.filter(({ from }) => from === pod);
      for (const same of [true, false]) {
        const isSo = (other: PodMember) => (other.node === pod.node) === same;
        expect(mine.some(({ to }) => isSo(to))).toBe(others.some(isSo));
      }
    }
  });

  it("has every pod with its own node, and with another where there is one", () => {
    for (const pod of pods) {
      const mine = withNodes.filter((pair) => pair.pod === pod).map(({ node }) => node);
      expect(mine).toContain(pod.node);
      expect(mine.length).toBeGreaterThanOrEqual(Math.min(2, cluster.nodes.length));
    }
  });

  it("--all leaves none out", () => {
    const all = pairsOf(cluster, true);
    expect(all.podPairs).toHaveLength(allPodPairs);
    expect(all.withNodes).toHaveLength(pods.length * cluster.nodes.length);
  });
});
