import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Host } from "../../src/kernel/host.ts";
import { formatIpsetSave } from "../../src/kernel/ipset/save.ts";
import type { Ruleset } from "../../src/kernel/netfilter/rule.ts";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import { POLICIES } from "./policies.ts";
import { shopWith } from "./shop.ts";

const TOOLS = { 4: "iptables", 6: "ip6tables" } as const;

/** What Felix's rules come to is taken by the real tools, and given back as it was: in network namespaces without names. */

const unfit = whyNot();
if (unfit !== null) console.warn(`skipped: Felix's rules in this machine's kernel: ${unfit}`);

function whyNot(): string | null {
  if (process.platform !== "linux") return "it is no Linux";
  if (process.getuid?.() !== 0) return "only root may make namespaces";
  const tried = spawnSync("unshare", ["-n", "sh", "-c", "ipset list && iptables-save"], { encoding: "utf8" });
  return tried.status === 0 ? null : (tried.error?.message ?? tried.stderr.trim());
}

const folder = mkdtempSync(join(tmpdir(), "hopscope-policy-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What the kernel holds after it was given a host's sets and rules. */
function given(host: Host, family: 4 | 6): { readonly sets: string; readonly rules: string } {
  const { name, ipsets } = host;
  const ruleset = rulesetOf(host, family);
  if (ruleset === null) throw new Error(`${name} has no rules`);
  const tool = TOOLS[family];
  const [sets, rules] = [join(folder, "sets"), join(folder, "rules")];
  writeFileSync(sets, formatIpsetSave(ipsets ?? []));
  writeFileSync(rules, formatIptablesSave(ruleset));
  const script = `ipset restore < ${sets} && ${tool}-restore < ${rules} && ipset save > ${sets} && ${tool}-save > ${rules} && cat ${sets} && echo ---- && cat ${rules}`;
  const run = spawnSync("unshare", ["-n", "sh", "-c", script], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  const [listed = "", saved = ""] = run.stdout.split("----\n");
  return { sets: listed, rules: saved };
}

/** Rules of each chain in their order, and the chains; without counters and dates. */
function rulesOf(text: string): string[] {
  let table = "";
  const chains = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line;
    const chain = /^(?::|-A )(\S+)/.exec(line)?.[1];
    if (chain === undefined) continue;
    const rules = chains.get(`${table} ${chain}`) ?? [];
    chains.set(`${table} ${chain}`, rules);
    if (line.startsWith("-A")) rules.push(line);
  }
  // Built-in chains that nothing stands in may be printed or not.
  return [...chains]
    .filter(([name, rules]) => name.includes("cali-") || rules.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, rules]) => [name, ...rules]);
}

const members = (text: string) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("add "))
    .sort();

describe.skipIf(unfit !== null)("rules and sets in a real kernel", () => {
  it.each(Object.entries(POLICIES))("%s", (_name, policies) => {
    compare(policies, 4);
  });

  const ofBoth = Object.entries(POLICIES).filter(([name]) =>
    /IPv6|both families|admin|host endpoint/.test(name),
  );
  it.each(ofBoth)("of IPv6: %s", (_name, policies) => {
    compare(policies, 6);
  });

  function compare(policies: string, family: 4 | 6): void {
    const { world } = shopWith(policies, family);
    for (const name of ["n1", "n2"]) {
      const host = world.hosts.get(name) as Host;
      const { sets, rules } = given(host, family);
      expect(rulesOf(rules)).toEqual(rulesOf(formatIptablesSave(rulesetOf(host, family) as Ruleset)));
      expect(members(sets)).toEqual(members(formatIpsetSave(host.ipsets ?? [])));
    }
  }
});

function rulesetOf({ iptables, ip6tables }: Host, family: 4 | 6): Ruleset | null {
  return family === 6 ? ip6tables : iptables;
}
