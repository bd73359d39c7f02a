import { spawnSync } from "node:child_process";
import process from "node:process";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { newMachine } from "../../src/cluster/fabric.ts";
import type { Host } from "../../src/kernel/host.ts";
import { formatIpsetSave } from "../../src/kernel/ipset/save.ts";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import { formatNftRuleset } from "../../src/kernel/nft/text/format.ts";
import { ORIGIN_NONE } from "../../src/kernel/origin.ts";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import { PROXY_MODES, type ProxyMode } from "../../src/proxy/configuration.ts";
import { CASES } from "../proxy/cases.ts";
import { programmedIn } from "../proxy/mode-hosts.ts";

/**
 * What kube-proxy of every release writes for every case is rules that can be read at all; and a kernel takes them as they
 * are: by `iptables-restore` of both kinds, which gives them back, by `nft -f`, and by `ipset restore`.
 */

const VERSIONS = ["v1.20.4", "v1.22.8", "v1.24.17", "v1.26.15", "v1.29.3", "v1.32.4", "v1.34.1"];
const SEED = Number(process.env["HOPSCOPE_SEED"] ?? 20_261);
const SAMPLE = 40;

interface Asked {
  readonly mode: ProxyMode;
  readonly version: string;
  readonly family: 4 | 6;
  readonly name: string;
}

const ALL: readonly Asked[] = PROXY_MODES.flatMap((mode) =>
  VERSIONS.flatMap((version) =>
    ([4, 6] as const).flatMap((family) => CASES.map(({ name }) => ({ mode, version, family, name }))),
  ),
);

function programmed({ mode, version, family, name }: Asked): Host {
  const given = CASES.find((one) => one.name === name);
  if (given === undefined) throw new Error(`no case ${name}`);
  const node = newMachine("n1", "node", true, ORIGIN_NONE);
  return programmedIn(mode, { ...given, node: { ...given.node, version } }, family)(node.host);
}

it.each(PROXY_MODES)("%s: all releases, both families, all cases", (mode) => {
  const texts = new Set<string>();
  for (const asked of ALL.filter((one) => one.mode === mode)) {
    const host = programmed(asked);
    const ruleset = asked.family === 4 ? host.iptables : host.ip6tables;
    texts.add(
      mode === "nftables"
        ? formatNftRuleset(host.nft ?? { tables: [] })
        : formatIptablesSave(ruleset ?? EMPTY),
    );
  }
  // Neither do all cases come to the same, nor all releases.
  expect(texts.size).toBeGreaterThan(CASES.length);
});

const EMPTY = { backend: "nft", tables: new Map() } as const;

const OWN = `hspl${process.pid}`;
const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length > 0)
  console.warn(`skipped: kube-proxy's rules on this machine's kernel: ${unfit.join("; ")}`);

function run(command: string, input: string): string {
  const [program = "", ...words] = command.split(" ");
  const { status, stdout, stderr } = spawnSync("ip", ["netns", "exec", OWN, program, ...words], {
    input,
    encoding: "utf8",
  });
  expect({ command, status, stderr: stderr.replace(/^# Warning: .*\n/gm, "") }, input).toEqual({
    command,
    status: 0,
    stderr: "",
  });
  return stdout;
}

/** Rules alone: a kernel without IPVS takes no match of it. */
function rulesOf(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("-A"));
}

describe.skipIf(unfit.length > 0)("the kernel takes", () => {
  const bare = () => {
    spawnSync("ip", ["netns", "del", OWN]);
    const made = spawnSync("ip", ["netns", "add", OWN], { encoding: "utf8" });
    expect(made.stderr).toBe("");
    // A rule of nftables may name a bridge by its number.
    run("ip link add cni0 type bridge", "");
  };
  afterAll(() => {
    spawnSync("ip", ["netns", "del", OWN]);
  });

  it(`what any of them writes, seed ${SEED}`, () => {
    const asked = fc.sample(fc.constantFrom(...ALL), { numRuns: SAMPLE, seed: SEED });
    for (const one of asked) {
      bare();
      const host = programmed(one);
      if ((host.ipsets ?? []).length > 0) run("ipset restore", formatIpsetSave(host.ipsets ?? []));
      if (host.nft !== null) run("nft -f -", formatNftRuleset(host.nft));
      const ruleset = one.family === 4 ? host.iptables : host.ip6tables;
      if (ruleset === null) continue;
      const text = formatIptablesSave(ruleset).replace(/^.* -m ipvs .*\n/gm, "");
      const program = one.family === 4 ? "iptables" : "ip6tables";
      for (const kind of ["legacy", "nft"]) {
        run(`${program}-${kind}-restore`, text);
        expect(rulesOf(run(`${program}-${kind}-save`, "")).sort(), JSON.stringify(one)).toEqual(
          rulesOf(text).sort(),
        );
        run(`${program}-${kind}-restore`, text.replace(/^:KUBE.*\n|^-A.*\n/gm, ""));
      }
    }
  }, 120_000);
});
