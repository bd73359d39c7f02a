import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readRecordingText } from "../fixtures.ts";
import { hopscope } from "./cli.ts";

const folder = mkdtempSync(join(tmpdir(), "hopscope-"));

describe("lab compare", () => {
  it("prints each probe and ends with the sum", async () => {
    const { out, code } = await hopscope(["lab", "compare", "fixtures/truth/a-bridge-drop-on.json.gz"]);
    expect(out).toMatch(/^ {2}10\/10 {2}a-bridge-drop-on\n(?: {2}agrees .*\n){10}10 probes, 10 agree\n$/);
    expect(code).toBe(0);
  });

  it("names the first difference, exit code 1", async () => {
    const recording = JSON.parse(readRecordingText("a-bridge-drop-on")) as {
      probes: { outcome: { result: string } }[];
    };
    const [probe] = recording.probes;
    if (probe !== undefined) probe.outcome.result = "invalid";
    const path = join(folder, "wrong.json");
    writeFileSync(path, JSON.stringify(recording));
    const { out, code } = await hopscope(["lab", "compare", "-q", path]);
    expect(out).toMatch(
      /^ {3}9\/10 {2}a-bridge-drop-on\n {2}differs {3}0 .*\n {15}.*\n10 probes, 9 agree\n$/,
    );
    expect(code).toBe(1);
    const json = JSON.parse((await hopscope(["lab", "compare", "-o", "json", path])).out);
    expect(json).toMatchObject({ probes: 10, agree: 9 });
    expect(json.recordings[0].probes[0]).toMatchObject({
      index: 0,
      agrees: false,
      difference: expect.any(String),
    });
  });

  it("names a recording of a kind that is not supported yet, and why", async () => {
    const recording = JSON.parse(readRecordingText("a-bridge-drop-on")) as {
      hosts: Record<string, { links: { ifname: string; linkinfo?: object }[] }>;
    };
    const eth0 = recording.hosts["web-0"]?.links.find(({ ifname }) => ifname === "eth0");
    Object.assign(eth0 as object, { linkinfo: { info_kind: "wireguard" } });
    const path = join(folder, "strange.json");
    writeFileSync(path, JSON.stringify(recording));
    const { out, code } = await hopscope(["lab", "compare", path]);
    expect(out).toMatch(
      /^not yet {2}a-bridge-drop-on: web-0 has a device of kind wireguard\n0 probes, 0 agree\n$/,
    );
    expect(code).toBe(0);
  });

  it("goes on behind a file that cannot be read, exit code 2", async () => {
    const { out, err, code } = await hopscope([
      "lab",
      "compare",
      "-q",
      "nowhere.json",
      "fixtures/truth/a-bridge-drop-on.json.gz",
    ]);
    expect(err).toBe("error: nowhere.json: there is no such file or folder\n");
    expect(out).toBe("10 probes, 10 agree\n");
    expect(code).toBe(2);
  });
});
