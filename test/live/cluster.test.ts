import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import { sweep, sweepOwn } from "./probing.ts";
import { CLUSTERS_IN_TURN, type RandomCluster, randomCluster } from "./random-cluster.ts";
import { runLive } from "./run.ts";

/**
 * Clusters built from objects, for real: what our agents write is loaded by `iptables-restore`, `nft -f`, `ipset restore` and
 * `ip -batch`, and a real kernel treats random flows as the model says.
 */

const SEED = 12;
const PACKETS = 12;

const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length > 0) console.warn(`skipped: clusters on this machine's kernel: ${unfit.join("; ")}`);

describe("the generator of clusters", () => {
  it("writes the same for the same seed, and what can be built", () => {
    const text = ({ queries, description }: RandomCluster) => JSON.stringify([queries, description]);
    expect(text(randomCluster(3, 5))).toBe(text(randomCluster(3, 5)));
    for (let seed = 100; seed < 130; seed++) {
      const { world, queries } = randomCluster(seed, 5);
      expect(queries).toHaveLength(5);
      const strange = [...world.hosts.values()].flatMap(({ devices }) =>
        devices.filter(({ detail }) => detail.kind === "unmodelled"),
      );
      expect(strange).toEqual([]);
    }
  });
});

describe.skipIf(unfit.length > 0)(`random clusters from seed ${SEED}, kernel ${release()}`, () => {
  beforeAll(() => {
    sweep();
  });
  afterAll(() => sweepOwn());

  it("every network of pods: the kernel does what the model says", () => {
    const devices = new Set<string>();
    const report = runLive({
      seed: SEED,
      worlds: CLUSTERS_IN_TURN,
      kind: "cluster",
      packets: PACKETS,
      width: 2,
      until: Date.now() + 100_000,
      save: null,
      onRecorded: ({ world }) => {
        for (const { devices: own } of world.hosts.values())
          for (const { detail } of own) devices.add(detail.kind);
      },
    });
    const { coverage, disagreements, failures } = report;
    const told = disagreements.map(({ seed, index, difference }) => `${seed}/${index}: ${difference}`);
    const late = failures.filter((failure) => /too busy|table of neighbours/.test(failure));
    if (late.length > 0) console.warn(`left out: ${late.join("; ")}`);
    console.info(`${coverage.packets} packets, ${disagreements.length} disagreements`);
    expect(failures).toEqual(late);
    expect(told).toEqual([]);
    expect(coverage.packets).toBe((CLUSTERS_IN_TURN - late.length) * PACKETS);
    expect(coverage.packets).toBeGreaterThan(PACKETS);
    // What agents make beside cables: bridges, and tunnels of flannel or Calico.
    expect([...devices]).toEqual(expect.arrayContaining(["bridge", "vxlan"]));
  }, 120_000);
});
