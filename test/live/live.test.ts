import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { compareRecording } from "../../src/lab/compare.ts";
import { listNetns } from "../../src/lab/live/real-netns.ts";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import type { Recording } from "../../src/world/probe.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { BRIEF_RUN_TIMEOUT_MS, briefRun, describeReal, expectAgreement } from "./brief-run.ts";
import { searches } from "./mutation-search.ts";
import { MUTATIONS } from "./mutations.ts";
import { judged } from "./probing.ts";
import { IN_TURN, randomWorld } from "./random-world.ts";
import { newReport, saveMinimal } from "./run.ts";

/** A fixed number of random packets for real; `npm run live` sends as many as one likes. */

const SEED = 20_261;
const WORLDS = 5;
const PACKETS = 30;

describe("the generator", () => {
  it("writes the same world for the same seed, another for another", () => {
    const text = (seed: number) => JSON.stringify([...randomWorld(seed, 5).queries]);
    expect(text(7)).toBe(text(7));
    expect(text(7)).not.toBe(text(8));
  });

  it("writes nothing that the project's own readers refuse", () => {
    for (let seed = SEED; seed < SEED + 100; seed++) expect(randomWorld(seed, 5).queries).toHaveLength(5);
  });

  it("lets what is seldom met have its turn, in words that the readers know", () => {
    // A hundred seeds: twenty rounds of each kind, which is everybody's turn.
    for (let seed = 0; seed < 100; seed++)
      if (IN_TURN[seed % IN_TURN.length] !== "cluster")
        expect(randomWorld(seed, 5, "all").queries).toHaveLength(5);
  }, 120_000);
});

describeReal("random worlds", SEED, () => {
  const recorded: { readonly world: World; readonly probes: readonly RecordedProbe[] }[] = [];
  let report = newReport();

  beforeAll(() => {
    report = briefRun({
      seed: SEED,
      worlds: WORLDS,
      packets: PACKETS,
      onRecorded: ({ world }, probes) => recorded.push({ world, probes }),
    });
  }, BRIEF_RUN_TIMEOUT_MS);

  it("every frame, verdict, counter and conntrack entry is the kernel's", () => {
    expectAgreement(report, { worlds: WORLDS, packets: PACKETS });
  });

  it("delivers about half of its packets", () => {
    expect(report.coverage.undelivered).toBeGreaterThan(0.3);
    expect(report.coverage.undelivered).toBeLessThan(0.7);
  });

  it("finds every mistake that is put into the model, in worlds that show it", () => {
    const own = MUTATIONS.filter(({ kind }) => kind === "plain");
    const all = [...searches(own, SEED, 60)];
    console.info(`worlds needed: ${all.map(({ worlds }) => worlds).join(" ")}`);
    expect(all).toHaveLength(own.length);
    expect(all.flatMap(({ name, found }) => (found ? [] : [name]))).toEqual([]);
  }, 300_000);

  it("leaves of a disagreement what it needs, and saves it", () => {
    const mistake = MUTATIONS.find(({ name }) => name === "the TTL is not decremented");
    const mend = mistake?.broken?.();
    const folder = mkdtempSync(join(tmpdir(), "live-"));
    try {
      // The smallest world is built soonest.
      const [{ world, probes } = { world: null, probes: [] }] = [...recorded].sort(
        (a, b) => a.world.hosts.size - b.world.hosts.size,
      );
      if (world === null) throw new Error("no world was recorded");
      const all = judged(world, probes).map(({ difference }) => difference);
      const index = all.findIndex((difference) => difference?.includes("TTL") === true);
      expect(index).toBeGreaterThanOrEqual(0);
      const queries = probes.slice(0, index + 1).map(({ query }) => query);
      const found = { seed: SEED, index, difference: all[index] as string };
      const file = saveMinimal(folder, found, { world, queries }, 12_000);
      const snapshot = readSnapshot(file, readFileSync(file, "utf8"));
      if (snapshot.kind === "invalid" || snapshot.recording === null) throw new Error("it is no recording");
      expect(snapshot.world.hosts.size).toBeLessThanOrEqual(world.hosts.size);
      expect(rulesOf(snapshot.world)).toBeLessThan(rulesOf(world));
      const agrees = () =>
        compareRecording(snapshot.world, snapshot.recording as Recording, {}).probes.at(-1)?.agrees;
      expect(agrees()).toBe(false);
      mend?.();
      expect(agrees()).toBe(true);
    } finally {
      mend?.();
      rmSync(folder, { recursive: true });
    }
  }, 60_000);

  it("leaves no namespace behind", () => {
    expect(listNetns().filter((name) => name.startsWith(`hslive-${process.pid}-`))).toEqual([]);
  });
});

function rulesOf({ hosts }: World): number {
  return [...hosts.values()].reduce(
    (sum, { iptables }) =>
      sum +
      [...(iptables?.tables.values() ?? [])].reduce(
        (all, { chains }) => all + [...chains.values()].reduce((n, { rules }) => n + rules.length, 0),
        0,
      ),
    0,
  );
}
