import { describe, expect, it } from "vitest";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { readRecordingText } from "../fixtures.ts";
import { Coverage } from "./coverage.ts";
import { packetsDecided, type RuleName } from "./decided.ts";
import { judged, type Probed } from "./probing.ts";

/** Whose fate hung on which rule, of packets that a kernel was recorded with. */

function recordedWorld(name: string) {
  const snapshot = readSnapshot(name, readRecordingText(name));
  if (snapshot.kind === "invalid" || snapshot.recording === null) throw new Error(`${name} is no recording`);
  const probes = snapshot.recording.probes.map(({ recorded }) => recorded as unknown as RecordedProbe);
  return { world: snapshot.world, all: judged(snapshot.world, probes) };
}

/** How many packets each rule took, by its text. */
function taken(all: readonly Probed[]): Map<string, { readonly rule: RuleName; packets: number }> {
  const found = new Map<string, { readonly rule: RuleName; packets: number }>();
  for (const { recorded } of all) {
    for (const hit of recorded.rulesHit ?? []) {
      const { ns, table, chain, rule, text } = hit as typeof hit & { readonly text: string };
      if (rule === 0) continue;
      const name: RuleName = { host: ns, family: 4, table, chain, index: rule };
      const entry = found.get(`${ns} ${text}`) ?? { rule: name, packets: 0 };
      entry.packets++;
      found.set(`${ns} ${text}`, entry);
    }
  }
  return found;
}

describe("packets whose fate hung on a rule", () => {
  it("are all that a REJECT or a DROP took", () => {
    const { world, all } = recordedWorld("h-filter-reject");
    const rules = [...taken(all)].filter(([text]) => /-j (REJECT|DROP)/.test(text));
    expect(rules.length).toBeGreaterThan(5);
    for (const [text, { rule, packets }] of rules)
      expect(packetsDecided(world, all, rule).length, text).toBe(packets);
  });

  it("are none that was only counted, or accepted where nothing else was to come", () => {
    const { world, all } = recordedWorld("h-filter-chains");
    const rules = taken(all);
    const decided = (pattern: RegExp) =>
      [...rules]
        .filter(([text]) => pattern.test(text))
        .map(([, { rule }]) => packetsDecided(world, all, rule).length);
    const logged = decided(/-j (LOG|NFLOG)|-A \S+( -m comment --comment \S+)?$/);
    expect(logged.filter((count) => count > 0)).toEqual([]);
    expect(decided(/-j DROP/).some((count) => count > 0)).toBe(true);
  });

  it("make the second column of the coverage", () => {
    const { world, all } = recordedWorld("h-filter-reject");
    const coverage = new Coverage();
    coverage.add(world, all);
    const { counts } = coverage;
    expect(counts["target REJECT"]?.[1]).toBeGreaterThan(0);
    expect(counts["target REJECT"]?.[0]).toBeGreaterThanOrEqual(counts["target REJECT"]?.[1] ?? 0);
    expect(counts["match u32"]).toEqual([0, 0]);
    expect(coverage.zeros).toContain("reason tc-drop");
    expect(coverage.zeros).not.toContain("reason ipvs-no-server");
    const merged = new Coverage();
    merged.merge(coverage.packets, counts);
    merged.merge(coverage.packets, counts);
    expect(merged.counts["target REJECT"]?.[0]).toBe(2 * (counts["target REJECT"]?.[0] ?? 0));
  });
});
