import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** The recordings of real kernels under `fixtures/truth`, by name: `a-bridge-brnf-plain`, `ipvs-ipip/sched-rr`. */

const ROOT = new URL("../fixtures/truth/", import.meta.url);
const ENDING = ".json.gz";

/** The text of a recording, as the file holds it. */
export function readRecordingText(name: string): string {
  return gunzipSync(readFileSync(new URL(name + ENDING, ROOT))).toString("utf8");
}

/** A recording as plain JSON. */
export function readRecording(name: string): unknown {
  return JSON.parse(readRecordingText(name));
}

/** All recordings, sorted. */
export function recordingNames(): string[] {
  const names = readdirSync(ROOT, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(ENDING))
    .map((name) => name.slice(0, -ENDING.length).replaceAll("\\", "/"))
    .sort();
}
