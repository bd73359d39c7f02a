import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, expect, it } from "vitest";
import { conntrackTimeouts } from "../../../src/kernel/conntrack/timeouts.ts";
import { whyUnfit } from "../../../src/lab/live/fit.ts";

/** The settings that the model asks for, with the values it takes without them, beside those of a new namespace. */

/** What of the kernel's has no part in what is walked: protocols and cases that the model does not have. */
const NOT_ASKED = /dccp|max_retrans|frag6/;
const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length > 0)
  console.warn(`skipped: conntrack's timeouts on this machine's kernel: ${unfit.join("; ")}`);

function asked(): Record<string, number> {
  const found: Record<string, number> = {};
  conntrackTimeouts({
    integer: (name, usual) => {
      found[name] = usual;
      return usual;
    },
  });
  return found;
}

describe.skipIf(unfit.length > 0)("conntrack's timeouts", () => {
  it("are named as the kernel names them, and begin as it has them", () => {
    const name = `hsct${process.pid}`;
    spawnSync("ip", ["netns", "add", name]);
    try {
      const { stdout } = spawnSync("ip", ["netns", "exec", name, "sysctl", "-a"], { encoding: "utf8" });
      const pairs = stdout
        .split("\n")
        .map((line) => /^(net\.netfilter\.nf_conntrack_\w*timeout\w*) = (\d+)$/.exec(line))
        .flatMap((found) => (found === null ? [] : [[found[1] ?? "", Number(found[2])] as const]))
        .filter(([setting]) => !NOT_ASKED.test(setting));
      expect(pairs.length).toBeGreaterThan(15);
      expect(asked()).toEqual(Object.fromEntries(pairs));
    } finally {
      spawnSync("ip", ["netns", "del", name]);
    }
  });
});

it("a setting is of seconds, for its own state alone", () => {
  const values = conntrackTimeouts({
    integer: (name, usual) => (name === "net.netfilter.nf_conntrack_tcp_timeout_established" ? 77 : usual),
  });
  expect(values.tcp[3]).toBe(77_000);
  expect(values.tcp[4]).toBe(120_000);
  expect(values.udpStream).toBe(120_000);
});
