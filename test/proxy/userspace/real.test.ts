import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Ruleset } from "../../../src/kernel/netfilter/rule.ts";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import { parseIptablesSave } from "../../../src/kernel/netfilter/save/parse.ts";
import { ORIGIN_NONE } from "../../../src/kernel/origin.ts";
import { parseSs } from "../../../src/kernel/socket/ss.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { portalRuleset } from "../../../src/proxy/userspace/portal-rules.ts";
import { portalsOf } from "../../../src/proxy/userspace/portals.ts";
import { NODE, service } from "../objects.ts";

/** What kube-proxy 1.25 itself wrote in userspace mode, beside ours of the same Services (`fixtures/proxy/real/README.md`). */

const SERVICES = [
  service(
    "default/web",
    {
      type: "NodePort",
      clusterIP: "10.96.0.10",
      externalIPs: ["192.0.2.1"],
      ports: [
        { name: "http", port: 80, nodePort: 30080 },
        { name: "dns", protocol: "UDP", port: 53, nodePort: 30053 },
      ],
    },
    { vips: [{ ip: "198.51.100.9" }] },
  ),
  service("default/unnamed", { clusterIP: "10.96.0.11", ports: [{ port: 80 }] }),
];

const REAL = readFileSync(
  join(import.meta.dirname, "../../../fixtures/proxy/real/userspace-1.25-ipv4.txt"),
  "utf8",
);
const [SAVE, SS] = [/^(?:[*:\-C]|$).*$/gm, /^(?:tcp|udp) .*$/gm].map(
  (lines) => `${(REAL.match(lines) ?? []).join("\n")}\n`,
) as [string, string];

function read(text: string): Ruleset {
  const parsed = parseIptablesSave(text);
  if (parsed.kind !== "ok") throw new Error(parsed.errors[0]?.message);
  return parsed.ruleset;
}

/** Its ports by whose they are, as no two runs have the same; no order is promised among Services. */
function rulesOf(ruleset: Ruleset): string[] {
  let text = formatIptablesSave(ruleset);
  for (const { name, proxyPort } of portalsOf(ruleset))
    text = text.replaceAll(new RegExp(`\\b${proxyPort}\\b`, "g"), `PORT of ${name}`);
  const rules = text.split("\n").filter((line) => /^-A .*(?:PORTALS|NODEPORT)/.test(line));
  const hooks = rules.filter((rule) => !rule.startsWith("-A KUBE"));
  return [...hooks, ...rules.filter((rule) => rule.startsWith("-A KUBE")).sort()];
}

it("rule for rule the same", () => {
  const node = { ...NODE, ip: "172.18.0.2", version: "v1.25.16" };
  const ours = portalRuleset(proxyModel(SERVICES, []), node, ORIGIN_NONE);
  expect(rulesOf(ours)).toEqual(rulesOf(read(SAVE)));
  expect(rulesOf(ours)).toHaveLength(27);
});

it("the ports found in its rules are those it listens on", () => {
  const sockets = parseSs(SS, () => ORIGIN_NONE);
  const heard = sockets.kind === "ok" ? sockets.sockets.map(({ proto, port }) => `${proto} ${port}`) : [];
  const portals = portalsOf(read(SAVE));
  expect(portals.map(({ name }) => name).sort()).toEqual([
    "default/unnamed",
    "default/web:dns",
    "default/web:http",
  ]);
  // It holds node ports open as well, so that nobody else takes them.
  expect(heard.sort()).toEqual(
    [
      ...portals.map(({ protocol, proxyPort }) => `${protocol} ${proxyPort}`),
      "tcp 30080",
      "udp 30053",
    ].sort(),
  );
});
