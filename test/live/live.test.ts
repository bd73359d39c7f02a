import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import { listNetns } from "../../src/lab/live/real-netns.ts";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import type { World } from "../../src/world/world.ts";
import { found, MUTATIONS } from "./mutations.ts";
import { sweep, sweepOwn } from "./probing.ts";
import { randomWorld } from "./random-world.ts";
import { newReport, runLive } from "./run.ts";

/** A fixed number of random packets for real; `npm run live` sends as many as one likes. */

const SEED = 20_261;
const WORLDS = 10;
const PACKETS = 30;

/** Disagreements of these very packets that are known and not mended yet. */
const KNOWN: ReadonlyMap<string, string> = new Map([
  ["20266/18", "an ARP question in the name of 127.0.0.1 gets no answer (arp_process asks for a route back)"],
  ["20267/26", "a forged source's error is counted in the sender's OUTPUT"],
]);

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
  const recorded: { readonly world: World; readonly probes: readonly RecordedProbe[] }[] = [];
  let report = newReport();

  beforeAll(() => {
    sweep();
    report = runLive({
      seed: SEED,
      worlds: WORLDS,
      packets: PACKETS,
      width: WORLDS,
      until: Date.now() + 50_000,
      save: null,
      onRecorded: ({ world }, probes) => recorded.push({ world, probes }),
    });
  });

  afterAll(() => sweepOwn());

  it("every frame, verdict, counter and conntrack entry is the kernel's", () => {
    const { coverage, agreedLater, disagreements, failures } = report;
    const told = disagreements
      .filter(({ seed, index }) => !KNOWN.has(`${seed}/${index}`))
      .map(({ seed, index, difference }) => `${seed}/${index}: ${difference}`);
    console.info(
      `${coverage.packets} packets, ${disagreements.length} disagreements, ${agreedLater} agreed when asked again`,
    );
    expect(failures).toEqual([]);
    expect(told).toEqual([]);
    expect(coverage.packets).toBe(WORLDS * PACKETS);
  });

  it("ends at least three in ten otherwise than delivered", () => {
    expect(report.coverage.undelivered).toBeGreaterThan(0.3);
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
