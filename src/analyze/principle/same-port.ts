import type { Place, PodMember, Port } from "../cluster-members.ts";
import { happenedText, judgeEach, rewriteText, socketText } from "../judge.ts";
import { type Case, type Inspected, nodesOf, type Principle, search } from "../principle.ts";
import { type Answer, targetText } from "../walker.ts";

/**
 * 3. What a container listens on is what others connect to: no translation of address or port on the way in, and the same
 * answer inside as outside. A packet that does not arrive at all is no case of it.
 */
export const samePort: Principle = {
  number: 3,
  name: "same-port",
  sentence: "A container's address and port are the same inside and outside.",
  check(cluster) {
    const askers = askersOf(cluster);
    const cases = cluster.members.pods.flatMap((pod) => casesOf(cluster, pod, askers.get(pod) ?? []));
    return search(cluster, cases, { none: "there is no pod that listens, or nobody outside it to ask" });
  },
};

/** Of a pod that listens on more ports so many are asked. */
const PORTS_AT_MOST = 4;

function casesOf(cluster: Inspected, pod: PodMember, outsiders: readonly Asker[]): Case[] {
  const address = pod.sharesNode ? (pod.node?.address ?? null) : pod.address;
  if (address === null || outsiders.length === 0) return [];
  const inside: Asker = { from: pod, pod };
  return pod.ports
    .slice(0, PORTS_AT_MOST)
    .flatMap((port) => [inside, ...outsiders].map((asker) => sameFor(cluster, pod, address, port, asker)));
}

function sameFor(
  { walker }: Inspected,
  pod: PodMember,
  address: string,
  port: Port,
  { from, pod: asking }: Asker,
): Case {
  const to = { address, port };
  return {
    pods: [...new Set([...(asking === null ? [] : [asking.name]), pod.name])],
    nodes: nodesOf(asking ?? pod, pod),
    question: { from, to },
    expected: `${pod.name} is asked at ${targetText(to)}, inside and outside`,
    judge(answers) {
      const inside = walker.ask({ from: pod, to })[0]?.verdict.disposition;
      const arrived = answers.filter(
        (answer) => turnOf(answer) !== undefined || ARRIVED.has(answer.verdict.disposition),
      );
      return judgeEach(
        arrived,
        (answer) => otherwise(answer, address, port) ?? contradiction(answer, inside),
      );
    },
  };
}

const ARRIVED: ReadonlySet<string> = new Set(["DELIVERED", "REFUSED"]);

/** A translation of where the request goes. */
function turnOf({ rewrites }: Answer): Answer["rewrites"][number] | undefined {
  return rewrites.find(({ field, phase }) => field === "dst" && phase === "request");
}

/** What it arrived at, where that is not what was asked for. */
function otherwise(answer: Answer, address: string, port: Port): string | null {
  const turn = turnOf(answer);
  if (turn !== undefined) return rewriteText(turn);
  const { servers } = answer;
  const server = servers.at(-1);
  if (server === undefined || (server.address === address && server.port === port.port)) return null;
  return `it was asked at ${socketText(server)}`;
}

function contradiction(answer: Answer, inside: string | undefined): string | null {
  const outside = answer.verdict.disposition;
  const heard = new Set([inside, outside]);
  return heard.has("DELIVERED") && heard.has("REFUSED")
    ? `inside ${inside}, here ${happenedText(answer)}`
    : null;
}

/** Who asks: a pod, or its node. */
interface Asker {
  readonly from: Place;
  readonly pod: PodMember | null;
}

/** Two outside each pod: the pod that asks it elsewhere too, and its node. */
function askersOf({ members, pairs }: Inspected): ReadonlyMap<PodMember, readonly Asker[]> {
  const partners = new Map<PodMember, PodMember>();
  for (const { from, to } of pairs.podPairs) if (!partners.has(to)) partners.set(to, from);
  return new Map(
    members.pods.map((pod): [PodMember, readonly Asker[]] => {
      if (pod.unmodelled !== null) return [pod, []];
      const partner = partners.get(pod) ?? pairs.pods.find((other) => other !== pod);
      const node = pod.sharesNode ? null : pod.node;
      return [
        pod,
        [
          ...(partner === undefined ? [] : [{ from: partner, pod: partner }]),
          ...(node === null ? [] : [{ from: node, pod: null }]),
        ],
      ];
    }),
  );
}
