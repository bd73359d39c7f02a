import { release } from "node:os";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import { sweep, sweepOwn } from "./probing.ts";
import { type LiveOptions, type LiveReport, runLive } from "./run.ts";

/** A few random worlds for real, as the tests of each kind build them; `npm run live` builds as many as one likes. */

/** Side by side: each world lets the others wait for the kernel. */
const WIDTH = 2;
const TIME_MS = 100_000;
/** What a test or a hook that calls `briefRun` is given: a world that has begun is finished. */
export const BRIEF_RUN_TIMEOUT_MS = 120_000;

/** Tests that build namespaces; where this machine cannot, they are skipped and it says why. */
export function describeReal(what: string, seed: number, tests: () => void): void {
  const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
  if (unfit.length > 0) console.warn(`skipped: ${what} on this machine's kernel: ${unfit.join("; ")}`);
  describe.skipIf(unfit.length > 0)(`${what} from seed ${seed}, kernel ${release()}`, () => {
    beforeAll(() => {
      sweep();
    });
    afterAll(() => sweepOwn());
    tests();
  });
}

/** Builds so many worlds and holds every packet against the model. */
export function briefRun(options: Omit<LiveOptions, "width" | "until" | "save">): LiveReport {
  return runLive({ ...options, width: WIDTH, until: Date.now() + TIME_MS, save: null });
}

/** Of all that was sent nothing came out other than the model says. */
export function expectAgreement(
  { coverage, agreedLater, disagreements, failures }: LiveReport,
  { worlds, packets }: Pick<LiveOptions, "worlds" | "packets">,
): void {
  const told = disagreements.map(({ seed, index, difference }) => `${seed}/${index}: ${difference}`);
  console.info(
    `${coverage.packets} packets, ${disagreements.length} disagreements, ${agreedLater} agreed when asked again`,
  );
  // A world that a busy machine gave no time was asked for eight times: it says so, and the others stand for it.
  const late = failures.filter((failure) => /too busy|table of neighbours/.test(failure));
  if (late.length > 0) console.warn(`left out: ${late.join("; ")}`);
  expect(failures).toEqual(late);
  expect(told).toEqual([]);
  expect(coverage.packets).toBe((worlds - late.length) * packets);
  expect(coverage.packets).toBeGreaterThan(packets);
}
