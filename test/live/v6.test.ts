import { describe, expect, it } from "vitest";
import { BRIEF_RUN_TIMEOUT_MS, briefRun, describeReal, expectAgreement } from "./brief-run.ts";
import { randomWorld } from "./random-world.ts";

/** Random worlds of IPv6 and of both families for real; `npm run live -- --kind v6` makes as many as one likes. */

const SEED = 20_261;
const WORLDS = 3;
const PACKETS = 24;

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

describeReal("random worlds of IPv6", SEED, () => {
  it(
    "every frame, neighbour discovery too, every verdict, counter and conntrack entry is the kernel's",
    () => {
      let discoveries = 0;
      const size = { worlds: WORLDS, packets: PACKETS };
      const report = briefRun({
        ...size,
        seed: SEED,
        kind: "v6",
        onRecorded: (_, probes) => {
          for (const { ndp = [] } of probes) discoveries += ndp.length;
        },
      });
      expectAgreement(report, size);
      expect(discoveries).toBeGreaterThan(PACKETS);
    },
    BRIEF_RUN_TIMEOUT_MS,
  );
});
