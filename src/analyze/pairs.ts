import type { ClusterMembers, NodeMember, PodMember } from "./cluster-members.ts";

/** A pod with a network of its own, with an address that others are told, on a device that is walked. */
export type AddressedPod = PodMember & { readonly address: string; readonly sharesNode: false };

export interface Pair {
  readonly from: AddressedPod;
  readonly to: AddressedPod;
}

/** A pod and a node. */
export interface PodAndNode {
  readonly pod: AddressedPod;
  readonly node: NodeMember;
}

/** Who is asked about whom: all there are where that is few, else a sample in which nobody is left out. */
export interface Pairs {
  readonly pods: readonly AddressedPod[];
  readonly podPairs: readonly Pair[];
  /** Ordered pairs of different pods that there are. */
  readonly allPodPairs: number;
  /** A pod with its own node, and with others. */
  readonly withNodes: readonly PodAndNode[];
  readonly allWithNodes: number;
  /** Another pod on a pod's node, null where it is alone there. */
  neighbourOf(pod: AddressedPod): AddressedPod | null;
  /** Are so many few enough to look at each? */
  isFull(count: number): boolean;
}

/** Up to so many pairs nothing is left out. */
const IN_FULL = 400;

/**
 * The pairs to walk. Of more than can be walked in a moment each pod is once the sender and once the receiver on its own
 * node, and on another, those of a node going round the others: what pods of one class have in common is seen with one.
 */
export function pairsOf(members: ClusterMembers, all: boolean): Pairs {
  const pods = members.pods.filter(isAddressed);
  const allPodPairs = pods.length * (pods.length - 1);
  const allWithNodes = pods.length * members.nodes.length;
  const isFull = (count: number) => all || count <= IN_FULL;
  const podPairs = isFull(allPodPairs) ? everyPair(pods) : someOf(pods);
  const neighbours = new Map<AddressedPod, AddressedPod>();
  for (const { from, to } of podPairs) if (from.node === to.node) neighbours.set(to, from);
  return {
    pods,
    podPairs,
    allPodPairs,
    withNodes: isFull(allWithNodes) ? everyWithNode(pods, members.nodes) : someWithNode(pods, members.nodes),
    allWithNodes,
    neighbourOf: (pod) => neighbours.get(pod) ?? null,
    isFull,
  };
}

function isAddressed(pod: PodMember): pod is AddressedPod {
  return !pod.sharesNode && pod.address !== null && pod.unmodelled === null;
}

function everyPair(pods: readonly AddressedPod[]): Pair[] {
  return pods.flatMap((from) => pods.filter((to) => to !== from).map((to) => ({ from, to })));
}

function someOf(pods: readonly AddressedPod[]): Pair[] {
  const byNode = new Map<string, AddressedPod[]>();
  for (const pod of pods) {
    const name = pod.node?.name ?? "";
    byNode.set(name, [...(byNode.get(name) ?? []), pod]);
  }
  const groups = [...byNode.values()];
  const pairs: Pair[] = [];
  const asked = new Set<AddressedPod>();
  const add = (from: AddressedPod, to: AddressedPod | undefined) => {
    if (to === undefined || to === from) return;
    pairs.push({ from, to });
    asked.add(to);
  };
  groups.forEach((group, i) => {
    group.forEach((from, k) => {
      add(from, group[(k + 1) % group.length]);
      if (groups.length === 1) return;
      const other = groups[(i + 1 + (k % (groups.length - 1))) % groups.length] as AddressedPod[];
      add(from, other[k % other.length]);
    });
  });
  pods.forEach((to, i) => {
    if (!asked.has(to)) add(pods[(i + 1) % pods.length] as AddressedPod, to);
  });
  return pairs;
}

function everyWithNode(pods: readonly AddressedPod[], nodes: readonly NodeMember[]): PodAndNode[] {
  return pods.flatMap((pod) => nodes.map((node) => ({ pod, node })));
}

/** Its own node, and one other. */
function someWithNode(pods: readonly AddressedPod[], nodes: readonly NodeMember[]): PodAndNode[] {
  const places = new Map(nodes.map((node, i) => [node, i]));
  return pods.flatMap((pod, k) => {
    const own = pod.node === null ? undefined : places.get(pod.node);
    const step = nodes.length < 2 ? 0 : 1 + (k % (nodes.length - 1));
    const other = nodes[((own ?? 0) + step) % nodes.length];
    const chosen = new Set([pod.node, other]);
    return [...chosen].flatMap((node) => (node === null || node === undefined ? [] : [{ pod, node }]));
  });
}
