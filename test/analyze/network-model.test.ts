import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AddressedPod } from "../../src/analyze/pairs.ts";
import { verify } from "../../src/analyze/verify.ts";
import { Walker } from "../../src/analyze/walker.ts";
import { FAULTS, planted, Site } from "./planted-faults.ts";
import { arbitraryCluster, type BuiltCluster, build, type ClusterSpec } from "./random-cluster.ts";
import { SEED } from "./seed.ts";

/** Sentences about the network model that the principles rest on, each asked directly in random clusters. */

const RUNS = { seed: SEED, numRuns: 15 };

function podsOf(built: BuiltCluster): readonly AddressedPod[] {
  return new Site(built).pods;
}

function withPods(spec: ClusterSpec): boolean {
  return spec.nodes.some(({ pods }) => pods.some(({ hostNetwork }) => !hostNetwork));
}

const port = (number: number) => ({ proto: "tcp" as const, port: number });

describe(`in random clusters (seed ${SEED})`, () => {
  it("two pods both listen on 80, whichever node they share or not, and each answers for itself", () => {
    const bothOn80 = arbitraryCluster().map((spec) => ({
      ...spec,
      nodes: spec.nodes.map((node) => ({
        ...node,
        pods: node.pods.map((pod) => ({ ...pod, ports: ["80/TCP"], hostNetwork: false })),
      })),
    }));
    fc.assert(
      fc.property(bothOn80, (spec) => {
        const built = build(spec);
        const walker = new Walker(built.world);
        const pods = podsOf(built);
        for (const from of pods) {
          for (const to of pods) {
            const [answer] = walker.ask({ from, to: { address: to.address, port: port(80) } });
            expect(answer?.verdict.disposition).toBe("DELIVERED");
            expect(answer?.servers.map(({ host }) => host)).toEqual([to.host]);
          }
        }
      }),
      RUNS,
    );
  });

  it("without a policy a namespace isolates nothing: its name changes no answer", () => {
    fc.assert(
      fc.property(arbitraryCluster(), (spec) => {
        const apart = build({ ...spec, services: [] });
        const inOne = {
          ...spec,
          services: [],
          nodes: spec.nodes.map((node) => ({
            ...node,
            pods: node.pods.map((pod) => ({ ...pod, namespace: "default" })),
          })),
        };
        const together = build(inOne);
        const answers = reached(apart);
        expect(answers).toEqual(reached(together));
        expect(answers.filter((answer) => !answer.endsWith("DELIVERED"))).toEqual([]);
      }),
      RUNS,
    );
  });

  it("outside reaches no pod address and no cluster IP", () => {
    fc.assert(
      fc.property(arbitraryCluster().filter(withPods), (spec) => {
        const built = build(spec);
        expect(hiddenFromOutside(built).filter(({ arrived }) => arrived)).toEqual([]);
      }),
      RUNS,
    );
  });

  it("unless a route of the gateway says so", () => {
    const leak = FAULTS.find(({ name }) => name === "a route of the gateway to pods");
    fc.assert(
      fc.property(arbitraryCluster().filter(withPods), (spec) => {
        const built = planted(build(spec), leak as (typeof FAULTS)[number]) as BuiltCluster;
        const [first] = podsOf(built);
        const seen = hiddenFromOutside(built).filter(({ pod }) => pod !== null);
        for (const { pod, arrived } of seen) expect(arrived).toBe(pod?.node === first?.node);
        const meant = verify(built.members, { routed: true }).at(-1);
        expect(meant?.finding.kind).toBe("passed");
      }),
      RUNS,
    );
  });
});

/** Who gets an answer from whom: by place, since the names are another namespace's. */
function reached(built: BuiltCluster): string[] {
  const walker = new Walker(built.world);
  const pods = [...podsOf(built)].sort((a, b) => placeOf(a).localeCompare(placeOf(b)));
  return pods.flatMap((from) =>
    pods.map((to) => {
      const [answer] = walker.ask({ from, to: { address: to.address, port: null } });
      return `${placeOf(from)} ${placeOf(to)} ${answer?.verdict.disposition}`;
    }),
  );
}

/** `p1-2` */
function placeOf({ name }: AddressedPod): string {
  return name.split("/").at(-1) ?? name;
}

interface Seen {
  readonly pod: AddressedPod | null;
  readonly address: string;
  readonly arrived: boolean;
}

function hiddenFromOutside(built: BuiltCluster): Seen[] {
  const walker = new Walker(built.world);
  const [from] = built.members.outside;
  if (from === undefined) throw new Error("nobody is outside");
  const pods = podsOf(built).map((pod) => {
    const answers = walker.ask({ from, to: { address: pod.address, port: null } });
    return { pod, address: pod.address, arrived: answers.some(({ hosts }) => hosts.has(pod.host)) };
  });
  const services = (built.members.services ?? []).flatMap(({ address, ports }) =>
    address === null
      ? []
      : ports.map((each) => {
          const answers = walker.ask({ from, to: { address, port: each } });
          return { pod: null, address, arrived: answers.some(({ servers }) => servers.length > 0) };
        }),
  );
  return [...pods, ...services];
}
