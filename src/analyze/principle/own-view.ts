import { type Place, portOfNode } from "../cluster-members.ts";
import { judgeEach } from "../judge.ts";
import type { AddressedPod } from "../pairs.ts";
import { type Case, nodesOf, type Principle, search } from "../principle.ts";
import type { Answer, Target } from "../walker.ts";
import { targetOf } from "./container-to-container.ts";

/**
 * 7. One address, three views: the one a container's own socket has, the one its peer sees, the one that everybody is told.
 * Of a packet that nobody took, nobody has a view.
 */
export const ownView: Principle = {
  number: 7,
  name: "own-view",
  sentence: "The address a container sees itself as is the one that everybody sees it as.",
  check(cluster) {
    const { podPairs, pods, allPodPairs } = cluster.pairs;
    const cases = [
      ...podPairs.map(({ from, to }) => seenBy(from, to, targetOf(to), to)),
      ...pods.flatMap((pod) =>
        pod.node?.address == null
          ? []
          : [
              seenBy(
                pod,
                pod.node,
                { address: pod.node.address, port: portOfNode(cluster.members, pod.node) },
                null,
              ),
            ],
      ),
    ];
    return search(cluster, cases, {
      of: cases.length - podPairs.length + allPodPairs,
      none: "there is no pod with an address of its own",
    });
  },
};

function seenBy(pod: AddressedPod, by: Place, to: Target, peer: AddressedPod | null): Case {
  const said = pod.address;
  return {
    pods: peer === null ? [pod.name] : [pod.name, peer.name],
    nodes: nodesOf(pod, peer ?? pod),
    question: { from: pod, to },
    expected: `${pod.name} is ${said} to itself and to ${by.host}`,
    judge(answers) {
      const taken = answers.filter(({ servers }) => servers.length > 0);
      return judgeEach(taken, (answer) => otherView(answer, said, pod.host));
    },
  };
}

function otherView({ client, servers }: Answer, said: string, pod: string): string | null {
  if (client.address !== undefined && client.address !== said) return `${pod} is ${client.address} to itself`;
  const server = servers.at(-1);
  if (server === undefined || server.peer.address === said) return null;
  return `${pod} is ${server.peer.address} to ${server.host}`;
}
