import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compareRecording } from "../../src/lab/compare.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";

/** What random worlds found and has been mended since, each as the kernel's own recording. */

const FOLDER = "fixtures/live";

describe("disagreements of the live truth that are no more", () => {
  it.each(readdirSync(FOLDER))("%s", (file) => {
    const snapshot = readSnapshot(file, readFileSync(join(FOLDER, file), "utf8"));
    if (snapshot.kind === "invalid" || snapshot.recording === null)
      throw new Error(`${file} is no recording`);
    const { probes, unsupported } = compareRecording(snapshot.world, snapshot.recording, {});
    expect(unsupported).toBeNull();
    expect(probes.length).toBeGreaterThan(0);
    expect(probes.filter(({ agrees }) => !agrees)).toEqual([]);
  });
});
