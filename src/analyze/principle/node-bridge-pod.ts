import type { ServiceMember, ServicePort } from "../cluster-members.ts";
import { happenedText, hostPart, judgeEach, reached } from "../judge.ts";
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
    const joints = placed.flatMap(joined);
    const served = placed.flatMap((pod) => servedBy(cluster, pod));
    const asked = cluster.pairs.isFull(served.length) ? served : ofEach(served);
    const cases = [...joints, ...asked.flatMap((one) => throughService(cluster, one))];
    return search(cluster, cases, {
      of: cases.length + 2 * (served.length - asked.length),
      none: "there is no pod with an address of its own on a node",
    });
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

/** A port of a Service, and a pod behind it. */
interface Served {
  readonly service: ServiceMember;
  readonly address: string;
  readonly port: ServicePort;
  readonly pod: AddressedPod;
}

function servedBy({ members }: Inspected, pod: AddressedPod): Served[] {
  return (members.services ?? [])
    .filter(({ endpoints }) => endpoints.has(pod.address))
    .flatMap((service) =>
      service.ports.flatMap((port) =>
        service.address === null ? [] : [{ service, address: service.address, port, pod }],
      ),
    );
}

/** As few as have every Service and every node among them. */
function ofEach(served: readonly Served[]): Served[] {
  const seen = new Set<unknown>();
  return served.filter(({ service, pod: { node } }) => {
    if (seen.has(service) && seen.has(node)) return false;
    seen.add(service).add(node);
    return true;
  });
}

/** The pod is asked as the Service by a neighbour on its node, and by itself. */
function throughService({ pairs }: Inspected, { service, address, port, pod }: Served): Case[] {
  const to = { address, port: { proto: port.proto, port: port.port } };
  const neighbour = pairs.neighbourOf(pod);
  return (neighbour === null ? [pod] : [neighbour, pod]).map((client) => ({
    pods: [...new Set([client.name, pod.name])],
    nodes: nodesOf(pod),
    question: { from: client, to },
    expected: `${pod.name} answers ${client === pod ? "itself" : client.name} for ${service.ref} at ${targetText(to)}`,
    judge(answers): Judgement {
      const toPod = answers.filter((answer) => isTranslatedTo(answer, pod.address));
      if (toPod.length === 0) return UNDECIDED;
      return judgeEach(toPod, (answer) => (reached(answer, pod.host) ? null : happenedText(answer)));
    },
  }));
}

/** Does the request's last translation make it one for this address? */
export function isTranslatedTo({ rewrites }: Answer, address: string): boolean {
  const last = rewrites.findLast(({ field, phase }) => field === "dst" && phase === "request");
  return last !== undefined && hostPart(last.to) === address;
}
