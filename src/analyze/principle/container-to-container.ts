import { judgeEach, wrongWithoutNat } from "../judge.ts";
import type { AddressedPod, Pair } from "../pairs.ts";
import { type Case, nodesOf, type Principle, search } from "../principle.ts";
import { type Target, targetText } from "../walker.ts";

/** 5. Every container reaches every other one without NAT: on one node or two, of one namespace or two. */
export const containerToContainer: Principle = {
  number: 5,
  name: "container-to-container",
  sentence: "Every container reaches every other container without NAT.",
  check(cluster) {
    const { podPairs, allPodPairs } = cluster.pairs;
    return search(cluster, podPairs.map(reaches), { of: allPodPairs, none: "there are no two pods" });
  },
};

function reaches({ from, to }: Pair): Case {
  const target = targetOf(to);
  return {
    pods: [from.name, to.name],
    nodes: nodesOf(from, to),
    question: { from, to: target },
    expected: `${to.name} answers at ${targetText(target)} and sees the client as ${from.address}`,
    judge: (answers) => judgeEach(answers, (answer) => wrongWithoutNat(answer, to.host, from.address)),
  };
}

/** The first port it listens on, or the address alone. */
export function targetOf({ address, ports }: AddressedPod): Target {
  return { address, port: ports[0] ?? null };
}
