import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import { parseIptablesSave } from "../../src/kernel/netfilter/save/parse.ts";
import { hopscope } from "../cli/cli.ts";
import { CASES, type ProxyCase } from "./cases.ts";
import { objectFile } from "./object-files.ts";

/** From files to the text of `iptables-save`, chain by chain against what kube-proxy gives to `iptables-restore`. */

const FOLDER = join(import.meta.dirname, "../../fixtures/proxy");
const files = mkdtempSync(join(tmpdir(), "hopscope-"));

/** The node's own facts that no object tells. */
const NOT_IN_OBJECTS: Readonly<Record<string, string>> = {
  counters: "whether the kernel has nfacct counters",
  "tcp-liberal": "whether iptables knows --random-fully",
  "none-that-count": "a Service without a cluster IP gets one",
};

/** The rules of every chain by `table chain`; those of the kubelet's and the canaries', and of built-in chains, apart. */
function kubeChains(text: string): Record<string, string[]> {
  const chains: Record<string, string[]> = {};
  let table = "";
  for (const line of text.split("\n")) {
    const [, star] = /^\*(\w+)/.exec(line) ?? [];
    if (star !== undefined) table = star;
    const [, declared = ""] = /^:(\S+)/.exec(line) ?? [];
    if (isProxys(declared)) chains[`${table} ${declared}`] = [];
    const [, chain = ""] = /^-A (\S+)/.exec(line) ?? [];
    if (isProxys(chain)) chains[`${table} ${chain}`]?.push(line);
  }
  return chains;
}

function isProxys(chain: string): boolean {
  return /^KUBE-/.test(chain) && !/^KUBE-(?:FIREWALL|MARK-DROP|.*CANARY|IPTABLES-HINT)$/.test(chain);
}

async function exported(text: string, name: string, node = "n1"): Promise<string> {
  const path = join(files, `${name}.json`);
  writeFileSync(path, text);
  const { out, err, code } = await hopscope([
    "export",
    "--node",
    node,
    "--format",
    "iptables-save",
    "-f",
    path,
  ]);
  expect(err.replace(/^warning: .*\n/gm, "")).toBe("");
  expect(code).toBe(0);
  return out;
}

/** What the kernel gives back of a text that was restored; odds come back from their 31 bits (`libxt_statistic`). */
function asSaved(restored: string): string {
  const read = parseIptablesSave(restored);
  if (read.kind === "invalid") throw new Error(read.errors.map(({ message }) => message).join("\n"));
  return formatIptablesSave(read.ruleset).replace(/(?<=--probability )[\d.]+/g, (text) =>
    (Math.round(Number(text) * 2 ** 31) / 2 ** 31).toFixed(11),
  );
}

describe("export --format iptables-save of a node that only objects describe", () => {
  const told = CASES.filter(({ name }) => NOT_IN_OBJECTS[name] === undefined);

  it(`has ${told.length} sets of Services and slices`, () => {
    expect(told.length).toBeGreaterThanOrEqual(40);
  });

  it.each(told)("$name", async (given: ProxyCase) => {
    const golden = readFileSync(join(FOLDER, `${given.name}.txt`), "utf8");
    const out = await exported(objectFile(given), given.name);
    expect(kubeChains(out)).toEqual(kubeChains(asSaved(golden)));
  });

  it("nothing but kube-proxy and the kubelet has written rules where no pod shows a CNI", async () => {
    const out = await exported(objectFile(CASES[0] as ProxyCase), "bare");
    const declared = [...out.matchAll(/^:(\S+) -/gm)].map(([, chain]) => chain);
    expect(declared.filter((chain) => !/^KUBE-/.test(chain ?? ""))).toEqual([]);
  });
});
