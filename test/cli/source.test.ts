import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readRecordingText } from "../fixtures.ts";
import { hopscope, onRecorded } from "./cli.ts";

const folder = mkdtempSync(join(tmpdir(), "hopscope-"));
const text = readRecordingText("d-services-vxlan");
const QUESTION = ["trace", "laptop", "172.18.0.26:31342"];

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("a source may be", () => {
  it.each([
    ["a file", () => ["-f", file("plain.json", text)]],
    ["a packed file", () => ["-f", file("packed.json.gz", gzipSync(text))]],
    ["a packed file whose name does not say so", () => ["-f", file("packed", gzipSync(text))]],
    [
      "a folder",
      () => {
        mkdirSync(join(folder, "all"), { recursive: true });
        file("all/x.json", text);
        file("all/notes.txt", "no snapshot");
        return ["-f", join(folder, "all")];
      },
    ],
  ])("%s", async (_, args) => {
    const { out, err, code } = await hopscope([...QUESTION, "-q", ...args()]);
    expect(err).toBe("");
    expect(out).toMatch(/^DROPPED/);
    expect(code).toBe(1);
  });

  it("stdin", async () => {
    expect((await hopscope([...QUESTION, "-q", "-f", "-"], { stdin: text })).code).toBe(1);
    expect((await hopscope([...QUESTION, "-q", "-f", "-"], { stdin: gzipSync(text) })).code).toBe(1);
  });

  it("several files, each with its own hosts, and rules keep the file and line they were read from", async () => {
    const whole = JSON.parse(text) as {
      hosts: Record<string, unknown>;
      wires: unknown[];
      macvlans: unknown[];
    };
    const { node1, laptop, ...others } = whole.hosts;
    const parts = [
      file("node1.json", JSON.stringify({ hosts: { node1 } })),
      file("laptop.json", JSON.stringify({ hosts: { laptop } })),
      file("others.json", JSON.stringify({ hosts: others })),
    ];
    const lonely = await hopscope([
      "trace",
      "node1",
      "127.0.0.1:31342",
      ...parts.flatMap((path) => ["-f", path]),
    ]);
    expect(lonely.err).toBe("");
    const { out } = await hopscope([
      ...["trace", "203.0.113.11", "172.18.0.26:31342", "--at", "host/node1:eth0"],
      ...[...parts].reverse().flatMap((path) => ["-f", path]),
    ]);
    expect(out).toContain(`${join(folder, "node1.json")} hosts.node1.iptablesSave:171`);
  });
});

describe("progress", () => {
  const big = file("big.json", text.padEnd(6_000_000));

  it("is shown on a terminal for a large file, and wiped out", async () => {
    const { err } = await hopscope([...QUESTION, "-q", "-f", big], { warnsOnTerminal: true });
    expect(err).toContain(`reading ${big} (6 MB): 0 %`);
    expect(err.endsWith("\r\u001b[K")).toBe(true);
  });

  it("is not shown where stderr is piped, nor for a small file", async () => {
    expect((await hopscope([...QUESTION, "-q", "-f", big])).err).toBe("");
    expect((await onRecorded([...QUESTION, "-q"], { warnsOnTerminal: true })).err).toBe("");
  });
});
