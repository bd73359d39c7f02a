import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Verified, verify } from "../../src/analyze/verify.ts";
import { arbitraryCluster, build } from "./random-cluster.ts";
import { SEED } from "./seed.ts";

function brokenOf(verified: readonly Verified[]): string[] {
  return verified.flatMap(({ principle, finding }) =>
    finding.kind === "broken"
      ? [`${principle.number} ${finding.counterexample.expected}: ${finding.counterexample.happened}`]
      : [],
  );
}

describe.each(["bridge", "docker0", "vxlan", "host-gw"] as const)("a random cluster of %s", (plugin) => {
  it(`keeps all nine principles (seed ${SEED})`, () => {
    fc.assert(
      fc.property(arbitraryCluster([plugin]), (spec) => {
        expect(brokenOf(verify(build(spec).members))).toEqual([]);
      }),
      { seed: SEED, numRuns: 12 },
    );
  });
});
