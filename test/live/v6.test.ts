import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import { sweep, sweepOwn } from "./probing.ts";
import { randomWorld } from "./random-world.ts";
import { runLive } from "./run.ts";

/** Random worlds of IPv6 and of both families for real; `npm run live -- --kind v6` makes as many as one likes. */

const SEED = 20_261;
const WORLDS = 3;
const PACKETS = 24;

const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length > 0)
  console.warn(`skipped: random packets of IPv6 on this machine's kernel: ${unfit.join("; ")}`);

describe("the generator of worlds that speak IPv6", () => {
  it("writes nothing that the project's own readers refuse, and both sorts of worlds", () => {
    const families = new Set<string>();
    let ruled = 0;
    for (let seed = SEED; seed < SEED + 60; seed++) {
      const { world, queries } = randomWorld(seed, 5, "v6");
      expect(queries).toHaveLength(5);
      const hosts = [...world.hosts.values()];
      if (hosts.some(({ ip6tables }) => (ip6tables?.tables.size ?? 0) > 0)) ruled++;
      const speaksIpv4 = hosts.some(({ addresses }) => addresses.some(({ dev }) => dev !== "lo"));
      families.add(speaksIpv4 ? "both" : "IPv6");
    }
    expect(ruled).toBeGreaterThan(40);
    expect(families).toEqual(new Set(["both", "IPv6"]));
  });
});

describe.skipIf(unfit.length > 0)(`random worlds of IPv6 from seed ${SEED}, kernel ${release()}`, () => {
  beforeAll(() => {
    sweep();
  });
  afterAll(() => sweepOwn());

  it("every frame, neighbour discovery too, every verdict, counter and conntrack entry is the kernel's", () => {
    let discoveries = 0;
    const { coverage, disagreements, failures } = runLive({
      seed: SEED,
      worlds: WORLDS,
      kind: "v6",
      packets: PACKETS,
      width: 2,
      until: Date.now() + 100_000,
      save: null,
      onRecorded: (_, probes) => {
        for (const { ndp = [] } of probes) discoveries += ndp.length;
      },
    });
    const told = disagreements.map(({ seed, index, difference }) => `${seed}/${index}: ${difference}`);
    // A world that a busy machine gave no time was asked for eight times: it says so, and the others stand for it.
    const late = failures.filter((failure) => /too busy|table of neighbours/.test(failure));
    if (late.length > 0) console.warn(`left out: ${late.join("; ")}`);
    console.info(`${coverage.packets} packets, ${disagreements.length} disagreements`);
    expect(failures).toEqual(late);
    expect(told).toEqual([]);
    expect(coverage.packets).toBe((WORLDS - late.length) * PACKETS);
    expect(discoveries).toBeGreaterThan(PACKETS);
  }, 120_000);
});
