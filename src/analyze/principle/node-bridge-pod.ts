import { type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import type { ServiceMember, ServicePort } from "../cluster-members.ts";
import { happenedText, judgeEach, reached } from "../judge.ts";
import type { AddressedPod } from "../pairs.ts";
import {
  type Case,
  type Inspected,
  type Judgement,
  nodesOf,
  type Principle,
  search,
  UNDECIDED,
} from "../principle.ts";
import { type Answer, targetText } from "../walker.ts";
import { targetOf } from "./container-to-container.ts";

/**
 * 8. The architecture: a pod hangs on its node by what the plugin made, a bridge or a device of its own. Frames between the
 * two need nobody else; and what the node's rules translate on the way from pod to pod of the same node, to the pod itself
 * even, they see again on its way back.
 */
export const nodeBridgePod: Principle = {
  number: 8,
  name: "node-bridge-pod",
  sentence: "Node, bridge or plugin, and pod hold together.",
  check(cluster) {
    const placed = cluster.pairs.pods.filter(({ node }) => node !== null);
    const cases = [...placed.flatMap(joined), ...placed.flatMap((pod) => throughServices(cluster, pod))];
    return search(cluster, cases, { none: "there is no pod with an address of its own on a node" });
  },
};

/** The pod's node answers it, and it its node, with nobody between. */
function joined(pod: AddressedPod): Case[] {
  const { node } = pod;
  if (node === null) return [];
  const between = { pods: [pod.name], nodes: [node.name] };
  const down: Case = {
    ...between,
    question: { from: node, to: targetOf(pod) },
    expected: `${pod.name} answers its node, with nobody between`,
    judge: (answers) => judgeEach(answers, (answer) => detour(answer, pod, pod.host)),
  };
  if (node.address === null) return [down];
  const up: Case = {
    ...between,
    question: { from: pod, to: { address: node.address, port: null } },
    expected: `${node.name} answers its pod ${pod.name}, with nobody between`,
    judge: (answers) => judgeEach(answers, (answer) => detour(answer, pod, node.host)),
  };
  return [down, up];
}

function detour(answer: Answer, pod: AddressedPod, to: string): string | null {
  const other = [...answer.hosts].find((host) => host !== pod.host && host !== pod.node?.host);
  if (!reached(answer, to)) return happenedText(answer);
  return other === undefined ? null : `the way leads over ${other}`;
}

/** The Services that a pod is an endpoint of, asked by itself and by one neighbour on its node. */
function throughServices({ members, pairs }: Inspected, pod: AddressedPod): Case[] {
  const neighbour = pairs.podPairs.find(({ from, to }) => to === pod && from.node === pod.node)?.from;
  return (members.services ?? [])
    .filter(({ endpoints }) => endpoints.has(pod.address))
    .flatMap((service) =>
      service.ports.flatMap((port) =>
        [neighbour, pod].flatMap((client) =>
          client === undefined || service.address === null
            ? []
            : [throughService(service, service.address, port, client, pod)],
        ),
      ),
    );
}

function throughService(
  service: ServiceMember,
  address: Ipv4,
  port: ServicePort,
  client: AddressedPod,
  pod: AddressedPod,
): Case {
  const to = { address, port: { proto: port.proto, port: port.port } };
  return {
    pods: [...new Set([client.name, pod.name])],
    nodes: nodesOf(pod),
    question: { from: client, to },
    expected: `${pod.name} answers ${client === pod ? "itself" : client.name} for ${service.ref} at ${targetText(to)}`,
    judge(answers): Judgement {
      const toPod = answers.filter((answer) => isTranslatedTo(answer, pod.address));
      if (toPod.length === 0) return UNDECIDED;
      return judgeEach(toPod, (answer) => (reached(answer, pod.host) ? null : happenedText(answer)));
    },
  };
}

/** Does the request's last translation make it one for this address? */
export function isTranslatedTo({ rewrites }: Answer, address: Ipv4): boolean {
  const last = rewrites.findLast(({ field, phase }) => field === "dst" && phase === "request");
  return last !== undefined && parseIpv4(last.to.split(":")[0] ?? "") === address;
}
