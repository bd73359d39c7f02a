import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readRecordingText } from "../fixtures.ts";
import { hopscope, onRecorded, words } from "./cli.ts";

const recorded = JSON.parse(readRecordingText("d-services-vxlan")) as {
  readonly hosts: { readonly node1: { readonly iptablesSave: string } };
};

describe("export", () => {
  it("prints the rules byte for byte as iptables-save did, but for its dated comments", async () => {
    const { out, code } = await onRecorded(words("export --node node1 --format iptables-save"));
    const dump = recorded.hosts.node1.iptablesSave ?? "";
    expect(out.trimEnd()).toBe(
      dump
        .split("\n")
        .filter((line) => !line.startsWith("#"))
        .join("\n")
        .trimEnd(),
    );
    expect(code).toBe(0);
  });

  it("prints a script of ip commands", async () => {
    const { out } = await onRecorded(words("export --node host/node1 --format ip"));
    expect(out).toMatch(/^#!\/bin\/sh\n/);
    expect(out).toContain("ip link add flannel.1");
  });

  it("prints a snapshot that -f reads back to the same", async () => {
    const { out } = await onRecorded(words("export --node node1 --format snapshot"));
    const again = await onRecorded(words("export --node node1 --format snapshot -f -"), { stdin: out });
    expect(again).toEqual({ out, err: "", code: 0 });
  });

  it("writes to a file with --out", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "hopscope-")), "node1.sh");
    expect(await onRecorded(["export", "--node", "node1", "--format", "ip", "--out", path])).toEqual({
      out: "",
      err: "",
      code: 0,
    });
    expect(readFileSync(path, "utf8")).toBe((await onRecorded(words("export --node node1 --format ip"))).out);
  });

  it.each([
    ["ipset", "h-filter-sets", "ipsetSave"],
    ["iptables-save", "h-filter-reject", "iptablesSave"],
    ["ip6tables-save", "k-filter-reject", "ip6tablesSave"],
  ])("prints what a dump held in %s, byte for byte but for comments", async (format, file, field) => {
    const path = `fixtures/truth/${file}.json.gz`;
    const { hosts } = JSON.parse(gunzipSync(readFileSync(path)).toString()) as {
      hosts: Record<string, Record<string, string>>;
    };
    const dumped = (hosts["fw"]?.[field] ?? "").replace(/^#.*\n/gm, "");
    expect(dumped).not.toBe("");
    expect((await hopscope(["export", "--node", "fw", "--format", format, "-f", path])).out).toBe(dumped);
  });
});
