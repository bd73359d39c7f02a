import { addressesOf, type Place } from "../cluster-members.ts";
import { judgeEach, reached } from "../judge.ts";
import type { AddressedPod } from "../pairs.ts";
import { broken, type Case, HOLDS, type Inspected, nodesOf, type Principle, search } from "../principle.ts";
import type { Question } from "../walker.ts";

/**
 * 1. The first of the model's basics: an address means one pod, and the same one wherever it is asked from. Whether it can be
 * reached from there is for the fifth to say.
 */
export const ownAddress: Principle = {
  number: 1,
  name: "own-address",
  sentence: "Every pod has its own address, in one flat space.",
  check(cluster) {
    const { pairs } = cluster;
    return search(cluster, [...pairs.pods.map((pod) => borneOnce(cluster, pod)), ...flat(cluster)], {
      of: pairs.pods.length + pairs.allPodPairs,
      none: "there is no pod with an address of its own",
    });
  },
};

/** Nobody else is said to have the address, and nobody else bears it on a device. */
function borneOnce(cluster: Inspected, pod: AddressedPod): Case {
  const { bearers, said } = addressBook(cluster);
  const others = (said.get(pod.address) ?? []).filter((other) => other !== pod);
  const [twin] = others;
  const rival = (bearers.get(pod.address) ?? []).find(
    ({ host }) => host !== pod.host && !others.some((other) => other.host === host),
  );
  const text = pod.address;
  const rivalNode = cluster.members.nodes.find(({ host }) => host === rival?.host);
  return {
    pods: twin === undefined ? [pod.name] : [pod.name, twin.name],
    nodes: [...new Set([...nodesOf(pod, twin ?? pod), ...(rivalNode === undefined ? [] : [rivalNode.name])])],
    question: pingFrom(pod.node ?? pod, pod.address),
    expected: `${pod.name} alone bears ${text}`,
    judge: () => {
      if (twin !== undefined) return broken(`${twin.name} has the address ${text} too`);
      return rival === undefined ? HOLDS : broken(`${rival.host} bears ${text} too, on ${rival.dev}`);
    },
  };
}

/** From every other pod the address leads to the same pod. */
function flat({ pairs }: Inspected): Case[] {
  return pairs.podPairs.map(({ from, to }) => ({
    pods: [from.name, to.name],
    nodes: nodesOf(from, to),
    question: pingFrom(from, to.address),
    expected: `whoever answers at ${to.address} is ${to.name}`,
    judge(answers) {
      const answered = answers.filter(({ verdict }) => verdict.disposition === "DELIVERED");
      return judgeEach(answered, (answer) =>
        reached(answer, to.host)
          ? null
          : `${answer.servers.at(-1)?.host ?? "nobody known"} answers at ${to.address}`,
      );
    },
  }));
}

function pingFrom(from: Place, address: string): Question {
  return { from, to: { address, port: null } };
}

interface AddressBook {
  readonly said: ReadonlyMap<string, readonly AddressedPod[]>;
  readonly bearers: ReadonlyMap<string, readonly { readonly host: string; readonly dev: string }[]>;
}

const books = new WeakMap<Inspected, AddressBook>();

/** Who has each address: by what is said of pods, and by the devices of every host. Made once for a cluster. */
function addressBook(cluster: Inspected): AddressBook {
  const known = books.get(cluster);
  if (known !== undefined) return known;
  const said = new Map<string, AddressedPod[]>();
  for (const pod of cluster.pairs.pods) said.set(pod.address, [...(said.get(pod.address) ?? []), pod]);
  const bearers = new Map<string, { host: string; dev: string }[]>();
  for (const host of cluster.members.world.hosts.values()) {
    for (const { address, dev } of addressesOf(host, cluster.members.family)) {
      if (said.has(address))
        bearers.set(address, [...(bearers.get(address) ?? []), { host: host.name, dev }]);
    }
  }
  const book = { said, bearers };
  books.set(cluster, book);
  return book;
}
