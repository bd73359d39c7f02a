import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import { listNetns } from "../../src/lab/live/real-netns.ts";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import type { World } from "../../src/world/world.ts";
import { found, MUTATIONS } from "./mutations.ts";
import { judged, raising, recording, sideBySide, sweep, sweepOwn } from "./probing.ts";
import { randomWorld } from "./random-world.ts";

/** A fixed number of random packets for real; `npm run live` sends as many as one likes. */

const SEED = 20_261;
const WORLDS = 10;
const PACKETS = 30;

const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length > 0) console.warn(`skipped: random packets on this machine's kernel: ${unfit.join("; ")}`);

describe("the generator", () => {
  it("writes the same world for the same seed, another for another", () => {
    const text = (seed: number) => JSON.stringify([...randomWorld(seed, 5).queries]);
    expect(text(7)).toBe(text(7));
    expect(text(7)).not.toBe(text(8));
  });

  it("writes nothing that the project's own readers refuse", () => {
    for (let seed = SEED; seed < SEED + 100; seed++) expect(randomWorld(seed, 5).queries).toHaveLength(5);
  });
});

describe.skipIf(unfit.length > 0)(`random worlds from seed ${SEED}, kernel ${release()}`, () => {
  const recorded: {
    readonly seed: number;
    readonly world: World;
    readonly probes: readonly RecordedProbe[];
  }[] = [];

  beforeAll(() => {
    sweep();
    const live = Array.from({ length: WORLDS }, (_, i) => randomWorld(SEED + i, PACKETS));
    const raised = sideBySide(live.map(({ world }) => raising(world)));
    const works = raised.map((real, i) => {
      if (real instanceof Error) throw real;
      return recording(real, live[i]?.queries ?? []);
    });
    const probes = sideBySide(works);
    for (const [i, real] of raised.entries()) {
      if (!(real instanceof Error)) real.lab.close();
      const own = probes[i];
      if (own instanceof Error) throw own;
      recorded.push({ seed: SEED + i, world: live[i]?.world as World, probes: own ?? [] });
    }
  });

  afterAll(() => sweepOwn());

  it("the model agrees with nearly all", () => {
    const differences = recorded.flatMap(({ seed, world, probes }) =>
      judged(world, probes).flatMap(({ difference }, i) =>
        difference === null ? [] : [`${seed}/${i}: ${difference}`],
      ),
    );
    console.info(
      `${WORLDS * PACKETS} packets, ${differences.length} disagreements\n${differences.join("\n")}`,
    );
    expect(differences.length).toBeLessThanOrEqual(ALLOWED);
  });

  it("ends at least three in ten otherwise than delivered", () => {
    const all = recorded.flatMap(({ world, probes }) => judged(world, probes));
    const others = all.filter(({ outcome }) => outcome?.verdict.disposition !== "DELIVERED");
    expect(others.length / all.length).toBeGreaterThan(0.3);
  });

  it("finds mistakes that are put into the model", () => {
    const names = found(recorded);
    console.info(`missed: ${MUTATIONS.flatMap(({ name }) => (names.has(name) ? [] : [name])).join(", ")}`);
    expect(names.size).toBeGreaterThanOrEqual(10);
  });

  it("leaves no namespace behind", () => {
    expect(listNetns().filter((name) => name.startsWith(`hslive-${process.pid}-`))).toEqual([]);
  });
});

/**
 * Known disagreements, and packets that would agree when asked again (a run asks them again, this test does not). To be
 * brought down to 0.
 */
const ALLOWED = 30;
