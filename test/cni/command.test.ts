import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { field } from "../../src/cni/json.ts";
import { hopscope } from "../cli/cli.ts";
import { readRun } from "./recorded-run.ts";

/** `hopscope cni …`: the recorded runs once more, each call a command of its own with the node kept between them. */

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hopscope-cni-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, json: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof json === "string" ? json : JSON.stringify(json));
  return path;
}

const state = () => join(folder, "state");

function cni(verb: string, conf: string, n: number, ...more: readonly string[]) {
  const who = verb === "gc" || verb === "status" ? [] : ["--container", `cid-pod${n}`, "--netns", `pod${n}`];
  return hopscope(["cni", verb, "--conf", conf, ...who, "--state", state(), ...more]);
}

/** Names and link addresses that are drawn at random, put aside. */
function withoutDrawn(text: string): string {
  return text.replace(/veth[0-9a-f]{8}/g, "VETH").replace(/([0-9a-f]{2}:){5}[0-9a-f]{2}/g, "MAC");
}

describe.each(["02-bridge-gw-masq", "05-ptp-masq", "14-bridge-portmap-two-pods", "15-bridge-firewall"])(
  "%s",
  (name) => {
    it("prints and leaves what the real plugins did", async () => {
      const run = readRun(name);
      const conf = file("net.conflist", Object.values(run.networks)[0]);
      const node = file("node.json", { hosts: { node: run.states["0-before"]?.node } });
      for (const [step, { calls, ipam }] of Object.entries(run.steps)) {
        const [, verb = "", pod = ""] = /^\d+-([a-z]+)-pod(\d)/.exec(step) ?? [];
        const [runtime] = calls.flatMap(({ stdin }) => field(stdin, "runtimeConfig") ?? []);
        const capabilities = runtime === undefined ? [] : ["--cap-args", JSON.stringify(runtime)];
        const first = existsSync(state()) ? [] : ["-f", node];
        const { out, code } = await cni(verb, conf, Number(pod), ...first, ...capabilities);
        const last = calls.findLast(({ exit }) => exit !== 0) ?? calls.at(-1);
        expect(code).toBe(last?.exit);
        if (last?.stdout === "") expect(out).toBe("");
        else {
          expect(JSON.parse(withoutDrawn(out))).toEqual(
            JSON.parse(withoutDrawn(JSON.stringify(last?.stdout))),
          );
        }
        for (const [path, content] of Object.entries(ipam ?? {})) {
          const kept = readFileSync(join(state(), "networks", path), "utf8");
          expect(kept.replace("\r", "")).toBe(content);
        }
        const recorded = field(run.states[step]?.node, "iptablesSave");
        if (recorded === undefined) continue;
        const rules = await hopscope([
          "export",
          "-f",
          state(),
          "--node",
          "node",
          "--format",
          "iptables-save",
        ]);
        expect(rules.out).toBe(recorded);
      }
    });
  },
);

const CONF = {
  ...{ cniVersion: "1.1.0", name: "n" },
  plugins: [
    {
      ...{ type: "bridge", isDefaultGateway: true },
      ipam: { type: "host-local", ranges: [[{ subnet: "10.9.0.0/29" }]] },
    },
  ],
};

it("the directory is a source: one container reaches the other", async () => {
  const conf = file("n.conflist", CONF);
  await cni("add", conf, 1);
  await cni("add", conf, 2);
  const traced = await hopscope(["trace", "-f", state(), "pod1", "10.9.0.3:80", "-q"]);
  expect(traced).toMatchObject({ code: 0, err: "" });
  expect(traced.out).toMatch(/^DELIVERED .* answered by pod2/);
});

it("an exhausted range is an error object and exit code 1, gc makes room", async () => {
  const conf = file("n.conflist", CONF);
  for (let n = 1; n <= 5; n++) expect((await cni("add", conf, n)).code).toBe(0);
  const { out, code } = await cni("add", conf, 6);
  expect([JSON.parse(out), code]).toEqual([
    {
      code: 999,
      msg: "failed to allocate for range 0: no IP addresses available in range set: 10.9.0.1-10.9.0.6",
    },
    1,
  ]);
  expect(await cni("gc", conf, 0, "--valid", "cid-pod3/eth0")).toEqual({ out: "", err: "", code: 0 });
  expect(readdirSync(join(state(), "networks", "n")).sort()).toEqual([
    "10.9.0.4",
    "last_reserved_ip.0",
    "lock",
  ]);
  expect((await cni("status", conf, 0)).code).toBe(0);
});

it.each([
  ["a missing file", "nowhere.conflist", null, /nowhere\.conflist: there is no such file or folder/],
  ["no JSON", "bad.conflist", "{", /bad\.conflist:1: the file ends in the middle of its first value/],
  ["no plugins", "bad.conflist", "{}", /has neither "plugins"/],
])("%s is one line and exit code 2", async (_, name, content, message) => {
  const conf = content === null ? join(folder, name) : file(name, content);
  const { out, err, code } = await cni("add", conf, 1);
  expect([out, code]).toEqual(["", 2]);
  expect(err).toMatch(message);
  expect(err.trimEnd().split("\n")).toHaveLength(1);
});

it("a network's name leads no file out of the directory", async () => {
  const conf = file("evil.conflist", { ...CONF, name: "../../evil" });
  expect((await cni("add", conf, 1)).code).toBe(1);
  expect((await cni("del", conf, 1)).code).toBe(1);
  expect(readdirSync(folder).sort()).toEqual(["evil.conflist", "state"]);
});
