import { describe, it } from "vitest";
import { readRun, runNames } from "./recorded-run.ts";
import { Replay } from "./replay-run.ts";

describe.each(runNames())("%s", (name) => {
  const run = readRun(name);
  const replay = new Replay(run, ["pod1", "pod2", "pod3"]);
  for (const step of Object.keys(run.steps)) it(step, () => replay.step(step));
});
