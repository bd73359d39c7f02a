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
        return ["-f", join(folder, "all")];
      },
    ],
  ])("%s", async (_, args) => {
    const { out, err, code } = await hopscope([...QUESTION, "-q", ...args()]);
    expect(err).toBe("");
    expect(out).toMatch(/^DROPPED/);
    expect(code).toBe(1);
  });

  it("a folder with anything below: what is not known is counted and named, logs and binary files are counted", async () => {
    for (const name of ["mixed/node/default/web-0", "mixed/.git"])
      mkdirSync(join(folder, name), { recursive: true });
    file("mixed/node/dump", gzipSync(text));
    file("mixed/notes.txt", "no snapshot");
    file("mixed/.git/config", "not even looked at");
    file(
      "mixed/node/default/web-0/logs.txt",
      "I1121 06:00:00.000000 1 main.go:1] begun\nI1121 06:00:01.000000 1 x] on\n",
    );
    file("mixed/node/core", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 0]));
    const { out, err, code } = await hopscope([...QUESTION, "-q", "-f", join(folder, "mixed")]);
    expect(err).toBe(
      `warning: ${join(folder, "mixed")}: left out: 1 file of a kind not known here (notes.txt), 1 log, 1 binary file\n`,
    );
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

describe("an output of a node's own tool", () => {
  const save =
    "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.0.0.9:6443\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n";

  it("is a host, whose packets end outside the model with their translation kept", async () => {
    const path = file("node9.txt", `root@node9:~# iptables-save\r\n${save.replaceAll("\n", "\r\n")}`);
    const question = ["trace", "8.8.8.8", "10.96.0.1:443", "--at", "host/node9", "-f", path];
    const { out, err, code } = await hopscope(question);
    expect(err).toBe("");
    expect(code).toBe(1);
    expect(out).toMatch(/^UNKNOWN {2}8\.8\.8\.8 \(at node9\) → 10\.96\.0\.1:443\/tcp .*behind eth0 of node9/);
    expect(out).toContain("dnat    10.96.0.1:443 → 10.0.0.9:6443");
    // The rule is the file's fourth line.
    expect(out).toContain(`${path}:4`);
    const json = await hopscope([...question, "-o", "json"]);
    expect((JSON.parse(json.out) as { assumptions: string[] }).assumptions).toContain(
      'node9: no "ip addr" or "ip link": the host is taken to have eth0',
    );
  });

  it("that was cut off is one line that says where", async () => {
    const path = file("cut.txt", save.slice(0, save.indexOf("COMMIT")));
    const { err, code } = await hopscope([
      "trace",
      "8.8.8.8",
      "10.96.0.1:443",
      "--at",
      "host/cut",
      "-f",
      path,
    ]);
    expect(err).toBe(
      `error: ${path}:1: table nat has no COMMIT: end it with a line COMMIT, or the kernel never gets it: *nat\n`,
    );
    expect(code).toBe(2);
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
