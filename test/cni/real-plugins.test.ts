import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { Json } from "../../src/kernel/json-fields.ts";
import { hasKind, PODS, recordReal, removeNamespaces, type Scenario, whyNoRealPlugins } from "./real-run.ts";
import { arbitraryScenario, SCENARIOS, TYPED } from "./real-scenarios.ts";
import { RUNS, SEED } from "./real-seed.ts";
import { Replay } from "./replay-run.ts";

/**
 * Debian's plugins and ours, side by side: the same calls, and the same results, errors, devices, addresses, routes, rules,
 * settings and IPAM files after each. Needs root and Debian's containernetworking-plugins.
 */

const reason = whyNoRealPlugins();
if (reason !== null) console.warn(`the real CNI plugins are not asked: ${reason}`);

/** Kinds of devices that plugins make and that this kernel may lack. */
const MISSING = reason === null ? ["macvlan", "ipvlan", "vlan"].filter((kind) => !hasKind(kind)) : [];
if (MISSING.length > 0)
  console.warn(`this kernel has no ${MISSING.join(", no ")}: those plugins are not asked`);
const isPossible = ({ plugins }: Scenario) =>
  !plugins.some(
    ({ type, vlan = 0 }) => MISSING.includes(String(type)) || (vlan !== 0 && MISSING.includes("vlan")),
  );

function compare(scenario: Scenario): void {
  const run = recordReal(scenario);
  const replay = new Replay(run, PODS);
  for (const step of Object.keys(run.steps)) replay.step(step);
  const printed = Object.values(run.steps).flatMap(({ calls }) => calls.map(({ stdout }) => stdout as Json));
  expect(printed.length).toBeGreaterThan(0);
}

describe.skipIf(reason !== null)("the real plugins", () => {
  afterAll(removeNamespaces);

  it.each(SCENARIOS.filter(isPossible).map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    (_name, scenario) => {
      compare(scenario);
    },
    60_000,
  );

  it(`fields of other types than the plugins', seed ${SEED}`, () => {
    const ownSample = fc.sample(fc.shuffledSubarray([...TYPED], { minLength: 25, maxLength: 25 }), {
      numRuns: 1,
      seed: SEED,
    });
    for (const one of ownSample.flat().filter(isPossible)) compare(one);
  }, 300_000);

  it(
    `random lists of plugins, seed ${SEED}`,
    () => {
      fc.assert(fc.property(arbitraryScenario.filter(isPossible), compare), {
        numRuns: RUNS,
        seed: SEED,
        endOnFailure: true,
      });
    },
    300_000 + RUNS * 5_000,
  );
});
