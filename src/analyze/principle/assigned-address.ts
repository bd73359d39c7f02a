import { formatMac } from "../../address/mac.ts";
import { type ClusterMembers, globalAddresses } from "../cluster-members.ts";
import type { AddressedPod } from "../pairs.ts";
import { broken, type Case, HOLDS, type Inspected, nodesOf, type Principle, search } from "../principle.ts";
import type { Answer } from "../walker.ts";

/**
 * 2. The address that a pod is said to have is on a device of its own, it is the only one, and its node finds it in a network
 * of its own: nobody is asked for it beyond the node, and no other device claims it.
 */
export const assignedAddress: Principle = {
  number: 2,
  name: "assigned-address",
  sentence: "A pod's address is really assigned, by its node's network, to the pod as a whole.",
  check(cluster) {
    const cases = cluster.pairs.pods.map((pod) => assigned(cluster, pod));
    return search(cluster, cases, { none: "there is no pod with an address of its own" });
  },
};

function assigned({ members }: Inspected, pod: AddressedPod): Case {
  const host = members.world.hosts.get(pod.host);
  const own = host === undefined ? [] : globalAddresses(host, members.family);
  const macs = new Set(host?.devices.map(({ mac }) => formatMac(mac)));
  const text = pod.address;
  return {
    pods: [pod.name],
    nodes: nodesOf(pod),
    question: { from: pod.node ?? pod, to: { address: pod.address, port: null } },
    expected: `${pod.name} bears ${text} and nothing else, in a network of its node`,
    judge(answers) {
      if (!own.includes(pod.address)) {
        return broken(own.length === 0 ? `no device of it has an address` : `it bears ${own.join(", ")}`);
      }
      const second = own.find((address) => address !== pod.address);
      if (second !== undefined) return broken(`it bears ${second} as well`);
      if (pod.node === null) return HOLDS;
      for (const answer of answers) {
        const fault = strayOf(answer, pod, members) ?? claimOf(answer, pod, macs);
        if (fault !== null) return broken(fault);
      }
      return HOLDS;
    },
  };
}

/** Its node need not leave itself to find the pod: it asks its own pods at most. */
function strayOf({ hosts, asked }: Answer, pod: AddressedPod, members: ClusterMembers): string | null {
  const { node } = pod;
  const near = new Set(members.pods.filter((other) => other.node === node).map(({ host }) => host));
  if (node !== null) near.add(node.host);
  const stray = [...hosts, ...asked].find((host) => !near.has(host));
  return stray === undefined ? null : `${node?.name ?? "it"} is led outside to it, to ${stray}`;
}

function claimOf({ claims }: Answer, pod: AddressedPod, macs: ReadonlySet<string>): string | null {
  const claim = claims.find(({ address, mac }) => address === pod.address && !macs.has(mac));
  return claim === undefined ? null : `${claim.mac}, no device of the pod, claims the address`;
}
