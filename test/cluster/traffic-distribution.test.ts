import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hopscope } from "../cli/cli.ts";

/** `spec.trafficDistribution`: the control plane writes hints by it, kube-proxy goes by them (KEP-4444, KEP-3015). */

const file = join(mkdtempSync(join(tmpdir(), "hopscope-distribution-")), "cluster.yaml");
/** Two nodes in the zone za, one in zb; a pod of the Service on each but n4, which is alone in zc. */
const ZONES = ["za", "za", "zb", "zc"];

function cluster(spec: string, version: string, annotations = "{}"): string {
  const nodes = ZONES.map(
    (zone, i) =>
      `---\napiVersion: v1\nkind: Node\nmetadata: {name: n${i + 1}, labels: {topology.kubernetes.io/zone: ${zone}}}\nstatus: {nodeInfo: {kubeletVersion: ${version}}, addresses: [{type: InternalIP, address: 192.168.50.1${i}}]}\n`,
  );
  const pods = ZONES.map(
    (_, i) =>
      `---\napiVersion: v1\nkind: Pod\nmetadata: {name: c${i + 1}}\nspec: {nodeName: n${i + 1}, containers: [{name: c}]}\n${
        i === 3
          ? ""
          : `---\napiVersion: v1\nkind: Pod\nmetadata: {name: w${i + 1}, labels: {app: web}}\nspec: {nodeName: n${i + 1}, containers: [{name: c}]}\n`
      }`,
  );
  return `${nodes.join("")}${pods.join("")}---\napiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: ${annotations}}\nspec: {selector: {app: web}, ports: [{port: 80}]${spec}}\n`;
}

async function servers(text: string, from: string, mode: string): Promise<string[]> {
  writeFileSync(file, text);
  const { out } = await hopscope([
    ...[
      "trace",
      `pod/${from}`,
      "svc/web:80",
      "-o",
      "json",
      "--verdict-only",
      "-f",
      file,
      "--proxy-mode",
      mode,
    ],
  ]);
  const { outcomes } = JSON.parse(out) as { outcomes: { server?: { host: string } }[] };
  return outcomes.map(({ server }) => server?.host ?? "nobody").sort();
}

const ALL = ["w1", "w2", "w3"];

describe.each(["iptables", "ipvs", "nftables"])("%s", (mode) => {
  it.each([
    ["nothing", "", "v1.34.0", "c1", ALL],
    ["PreferClose", ", trafficDistribution: PreferClose", "v1.34.0", "c1", ["w1", "w2"]],
    ["PreferClose", ", trafficDistribution: PreferClose", "v1.34.0", "c3", ["w3"]],
    ["PreferClose, in a zone without any", ", trafficDistribution: PreferClose", "v1.34.0", "c4", ALL],
    ["PreferClose of 1.31", ", trafficDistribution: PreferClose", "v1.31.2", "c1", ["w1", "w2"]],
    ["PreferClose of 1.30, whose gate is off", ", trafficDistribution: PreferClose", "v1.30.2", "c1", ALL],
    ["PreferSameZone", ", trafficDistribution: PreferSameZone", "v1.34.0", "c2", ["w1", "w2"]],
    [
      "PreferSameZone of 1.33, whose gate is off",
      ", trafficDistribution: PreferSameZone",
      "v1.33.0",
      "c2",
      ALL,
    ],
    ["PreferSameNode", ", trafficDistribution: PreferSameNode", "v1.34.0", "c2", ["w2"]],
    ["PreferSameNode, on a node without any", ", trafficDistribution: PreferSameNode", "v1.34.0", "c4", ALL],
  ] as const)("%s%s, %s: from %s", async (_name, spec, version, from, expected) => {
    expect(await servers(cluster(spec, version), from, mode)).toEqual(expected);
  });
});

it("the topology-mode annotation goes first, and its hints are named as not computed", async () => {
  const text = cluster(
    ", trafficDistribution: PreferClose",
    "v1.34.0",
    "{service.kubernetes.io/topology-mode: Auto}",
  );
  expect(await servers(text, "c1", "iptables")).toEqual(ALL);
  const { out } = await hopscope(["trace", "pod/c1", "svc/web:80", "-f", file]);
  expect(out.replaceAll(/\s+/g, " ")).toContain(
    "Service default/web: its topology-mode annotation asks for hints in proportion to the zones' processors, which are not computed",
  );
});
