import { describe, expect, it } from "vitest";
import { BRIEF_RUN_TIMEOUT_MS, briefRun, describeReal, expectAgreement } from "./brief-run.ts";
import { CLUSTERS_IN_TURN, type RandomCluster, randomCluster } from "./random-cluster.ts";

/**
 * Clusters built from objects, for real: what our agents write is loaded by `iptables-restore`, `nft -f`, `ipset restore` and
 * `ip -batch`, and a real kernel treats random flows as the model says.
 */

const SEED = 12;
const PACKETS = 12;

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

describeReal("random clusters", SEED, () => {
  it(
    "every network of pods: the kernel does what the model says",
    () => {
      const devices = new Set<string>();
      const size = { worlds: CLUSTERS_IN_TURN, packets: PACKETS };
      const report = briefRun({
        ...size,
        seed: SEED,
        kind: "cluster",
        onRecorded: ({ world }) => {
          for (const { devices: own } of world.hosts.values())
            for (const { detail } of own) devices.add(detail.kind);
        },
      });
      expectAgreement(report, size);
      // What agents make beside cables: bridges, and tunnels of flannel or Calico.
      expect([...devices]).toEqual(expect.arrayContaining(["bridge", "vxlan"]));
    },
    BRIEF_RUN_TIMEOUT_MS,
  );
});
