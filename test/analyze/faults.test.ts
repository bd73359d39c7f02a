import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PRINCIPLES, verify } from "../../src/analyze/verify.ts";
import { FAULTS, type Fault, planted } from "./planted-faults.ts";
import { arbitraryCluster, build, type ClusterSpec } from "./random-cluster.ts";
import { SEED } from "./seed.ts";

/** Each fault in clusters at random: its principle must be found broken, and the cluster shrink to a small one. */

const ALL = ["bridge", "docker0", "vxlan", "host-gw"] as const;
/** So many clusters are tried before a fault counts as unfindable. */
const TRIES = 150;
const BEGINNINGS = 5;

function brokenIn(spec: ClusterSpec, fault: Fault, principles = PRINCIPLES): number[] | null {
  const cluster = planted(build(spec), fault);
  if (cluster === null) return null;
  return verify(cluster.members, { principles })
    .filter(({ finding }) => finding.kind === "broken")
    .map(({ principle }) => principle.number);
}

/** The smallest that fast-check comes to: it ends where no single step leads further, so it begins at several places. */
function shrunk(fault: Fault): ClusterSpec | null {
  const principles = PRINCIPLES.filter(({ number }) => number === fault.breaks);
  let best: ClusterSpec | null = null;
  for (let begin = 0; begin < BEGINNINGS; begin++) {
    let thrown: Error | null = null;
    const found = fc.check(
      fc.property(arbitraryCluster(fault.plugins ?? ALL), (spec) => {
        try {
          return (brokenIn(spec, fault, principles) ?? []).length === 0;
        } catch (error) {
          // A mistake of ours is no fault found.
          thrown ??= error as Error;
          return true;
        }
      }),
      { seed: SEED + begin, numRuns: TRIES },
    );
    if (thrown !== null) throw thrown;
    const spec = found.counterexample?.[0] ?? null;
    if (spec !== null && (best === null || total(spec) < total(best))) best = spec;
    if (best !== null && total(best) <= sum(fault.smallest)) break;
  }
  return best;
}

function sizeOf({ nodes, services }: ClusterSpec) {
  const pods = nodes.reduce((sum, node) => sum + node.pods.length, 0);
  return { nodes: nodes.length, pods, services: services.length };
}

function sum({ nodes, pods, services }: Fault["smallest"]): number {
  return nodes + pods + services;
}

function total(spec: ClusterSpec): number {
  return sum(sizeOf(spec));
}

describe(`a planted fault (seed ${SEED})`, () => {
  it.each(FAULTS.map((fault) => [fault.name, fault] as const))("%s", (_, fault) => {
    const spec = shrunk(fault);
    if (spec === null) throw new Error(`no cluster of ${TRIES} showed it`);
    const size = sizeOf(spec);
    // A node or pod that the fault does not need may be left where a step of the shrinking breaks off early.
    expect(size.nodes, JSON.stringify(spec)).toBeLessThanOrEqual(fault.smallest.nodes + 1);
    expect(size.pods, JSON.stringify(spec)).toBeLessThanOrEqual(fault.smallest.pods + 1);
    expect(size.services, JSON.stringify(spec)).toBe(fault.smallest.services);
    expect(verify(build(spec).members).filter(({ finding }) => finding.kind === "broken")).toEqual([]);
    const broken = brokenIn(spec, fault);
    expect(broken).toContain(fault.breaks);
    expect([fault.breaks, ...fault.also], `principles ${broken}`).toEqual(
      expect.arrayContaining(broken ?? []),
    );
  });

  it("at least two for each principle", () => {
    for (const { number } of PRINCIPLES) {
      expect(FAULTS.filter(({ breaks }) => breaks === number).length, `principle ${number}`).toBeGreaterThan(
        1,
      );
    }
  });
});
