import type { PodMember, Port } from "../cluster-members.ts";
import { judgeEach, wrongWithoutNat } from "../judge.ts";
import { type Case, nodesOf, type Principle, search } from "../principle.ts";
import { targetText } from "../walker.ts";

const LOCALHOST = { 4: "127.0.0.1", 6: "::1" } as const;

/** 4. The containers of a pod share its network: what one listens on, the others find on 127.0.0.1 and ::1. */
export const meetOnLocalhost: Principle = {
  number: 4,
  name: "meet-on-localhost",
  sentence: "The containers of a pod meet on localhost.",
  check(cluster) {
    const cases = cluster.members.pods.flatMap((pod) =>
      (pod.ports.length === 0 ? [null] : pod.ports).map((port) =>
        meet(pod, port, LOCALHOST[cluster.members.family]),
      ),
    );
    return search(cluster, cases, { none: "there is no pod" });
  },
};

function meet(pod: PodMember, port: Port | null, address: string): Case {
  const to = { address, port };
  return {
    pods: [pod.name],
    nodes: nodesOf(pod),
    question: { from: pod, to },
    expected: `a container of ${pod.name} finds another at ${targetText(to)}`,
    judge: (answers) => judgeEach(answers, (answer) => wrongWithoutNat(answer, pod.host, address)),
  };
}
