import { prefixHolds } from "../../proxy/canonical-address.ts";
import { addressesOf, type NodeMember, podNetworks, portOfNode } from "../cluster-members.ts";
import { happenedText, hostPart, judgeEach, reached, rewriteText, wrongWithoutNat } from "../judge.ts";
import type { PodAndNode } from "../pairs.ts";
import { type Case, type Inspected, nodesOf, type Principle, search } from "../principle.ts";
import { type Answer, type Target, targetText } from "../walker.ts";
import { targetOf } from "./container-to-container.ts";

/**
 * 6. Nodes and containers reach one another without NAT.
 *
 * From a node: the container sees the address that the node's own socket has. A rule that masquerades the node as that very
 * address is no translation of it (flannel's host-gw backend has one, which merely draws another port).
 *
 * To a node: its own node sees the container's address, and so does every node at an address within the pods' networks.
 * Another node's own address lies outside these; a packet to it leaves the pod network, where flannel and the bridge plugin
 * masquerade it as its node. That is noted, and no fault: the container still is answered by that node.
 */
export const nodeToContainer: Principle = {
  number: 6,
  name: "node-to-container",
  sentence: "Nodes and containers reach each other without NAT, both ways.",
  check(cluster) {
    const { withNodes, allWithNodes } = cluster.pairs;
    const check = new BothWays(cluster);
    const cases = withNodes.flatMap((pair) => [check.toPod(pair), ...check.toNode(pair)]);
    return search(cluster, cases, {
      of: cases.length + 2 * (allWithNodes - withNodes.length),
      none: "there is no node, or no pod with an address of its own",
      notes: () => check.notes(),
    });
  },
};

class BothWays {
  readonly #cluster: Inspected;
  readonly #podNetworks: readonly string[];
  #masqueraded: PodAndNode | null = null;

  constructor(cluster: Inspected) {
    this.#cluster = cluster;
    this.#podNetworks = podNetworks(cluster.members);
  }

  toPod({ pod, node }: PodAndNode): Case {
    const to = targetOf(pod);
    return {
      pods: [pod.name],
      nodes: [...new Set([...nodesOf(pod), node.name])],
      question: { from: node, to },
      expected: `${pod.name} answers ${node.name} at ${targetText(to)} and sees an address of that node`,
      judge: (answers) => judgeEach(answers, (answer) => this.#wrongFromNode(answer, pod.host, node)),
    };
  }

  #wrongFromNode(answer: Answer, pod: string, node: NodeMember): string | null {
    if (!reached(answer, pod)) return happenedText(answer);
    const moved = answer.rewrites.find(({ from, to }) => hostPart(from) !== hostPart(to));
    if (moved !== undefined) return rewriteText(moved);
    const seen = answer.servers.at(-1)?.peer.address;
    if (seen === undefined || this.#isOf(node.host, seen)) return null;
    return `${pod} saw ${node.name} as ${seen}`;
  }

  /** At its own address, and at the one that the pod knows it by. */
  toNode(pair: PodAndNode): Case[] {
    const { pod, node } = pair;
    const own = node.address === null ? [] : [node.address];
    const shown = this.#shownTo(pair);
    const addresses = new Set(shown === null || node === pod.node ? own : [...own, shown]);
    return [...addresses].map((address) => this.#toNodeAt(pair, address));
  }

  #toNodeAt(pair: PodAndNode, address: string): Case {
    const { pod, node } = pair;
    const to: Target = { address, port: portOfNode(this.#cluster.members, node) };
    const inside = node === pod.node || this.#podNetworks.some((network) => prefixHolds(network, address));
    return {
      pods: [pod.name],
      nodes: [...new Set([...nodesOf(pod), node.name])],
      question: { from: pod, to },
      expected: inside
        ? `${node.name} answers ${pod.name} at ${targetText(to)} and sees it as ${pod.address}`
        : `${node.name} answers ${pod.name} at ${targetText(to)} and sees it, or its node`,
      judge: (answers) =>
        judgeEach(answers, (answer) => {
          const wrong = wrongWithoutNat(answer, node.host, pod.address);
          if (wrong === null || inside || !this.#isMasqueradedAsNode(answer, pair)) return wrong;
          this.#masqueraded ??= pair;
          return null;
        }),
    };
  }

  /** The node answers, and sees the pod's own node. */
  #isMasqueradedAsNode(answer: Answer, { pod, node }: PodAndNode): boolean {
    const seen = answer.servers.at(-1)?.peer.address ?? "";
    return reached(answer, node.host) && this.#isOf(pod.node?.host ?? "", seen);
  }

  #isOf(host: string, address: string): boolean {
    const { world, family } = this.#cluster.members;
    const found = world.hosts.get(host);
    return found !== undefined && addressesOf(found, family).some((own) => own.address === address);
  }

  #shownTo({ pod, node }: PodAndNode): string | null {
    const [answer] = this.#cluster.walker.ask({ from: node, to: targetOf(pod) });
    return answer?.servers.at(-1)?.peer.address ?? null;
  }

  notes(): string[] {
    if (this.#masqueraded === null) return [];
    const { pod, node } = this.#masqueraded;
    return [
      `to another node's own address, as from ${pod.name} to ${node.name}, a pod is masqueraded as its node: that address lies outside the pod network`,
    ];
  }
}
