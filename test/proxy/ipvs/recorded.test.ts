import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import { freshNodeRuleset } from "../../../src/proxy/ipvs/operations.ts";
import { IpvsProxier } from "../../../src/proxy/ipvs/proxier.ts";
import { ruleLines } from "../../../src/proxy/ipvs/rule-lines.ts";
import { type KubeSet, kubeSets, matchWords } from "../../../src/proxy/ipvs/sets.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { featuresOf } from "../../../src/proxy/versions.ts";
import { kubeChains } from "../kube-chains.ts";
import { CONFIGURATION, NODE } from "../objects.ts";

/** The rules of recorded nodes (kube-proxy 1.29, and those before 1.25), made again from what their sets hold. */

const TRUTH = join(import.meta.dirname, "../../../fixtures/truth/ipvs-ipip");

interface RecordedHost {
  readonly iptablesSave: string;
  readonly ipsetSave?: string;
}

function recordedNodes(): [string, string, RecordedHost][] {
  return readdirSync(TRUTH)
    .filter((file) => file.startsWith("kube-ipvs-"))
    .flatMap((file) => {
      const text = gunzipSync(readFileSync(join(TRUTH, file))).toString();
      const { hosts } = JSON.parse(text) as { hosts: Record<string, RecordedHost> };
      const version = file.includes("old") ? "v1.24.0" : "v1.29.0";
      return Object.entries(hosts)
        .filter(([, { ipsetSave = "" }]) => ipsetSave.includes("KUBE-CLUSTER-IP"))
        .map(([host, recorded]): [string, string, RecordedHost] => [
          `${file.replace(/\.json.*/, "")} ${host}`,
          version,
          recorded,
        ]);
    });
}

/** The kubelet's chain of filter, and what it marks, are none of kube-proxy's. */
function ofProxy(chains: Record<string, string[]>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(chains).filter(([key]) => key !== "filter KUBE-FIREWALL" && key !== "nat KUBE-MARK-DROP"),
  );
}

describe("rules of recorded nodes", () => {
  it("there are nodes of both kinds", () => {
    const versions = recordedNodes().map(([, version]) => version);
    expect(new Set(versions)).toEqual(new Set(["v1.24.0", "v1.29.0"]));
  });

  it.each(recordedNodes())("%s", (_title, version, { iptablesSave, ipsetSave = "" }) => {
    const features = featuresOf(version, {});
    const filled = new Set([...ipsetSave.matchAll(/^add (KUBE-\S+)/gm)].map(([, name]) => name as KubeSet));
    const [, cidr] = /KUBE-SERVICES ! -s (\S+) .*KUBE-CLUSTER-IP/.exec(iptablesSave) ?? [];
    const configuration = {
      ...CONFIGURATION,
      detector:
        cidr === undefined ? CONFIGURATION.detector : { kind: "cluster-cidr" as const, cidrs: [cidr] },
      masqueradeAll: cidr === undefined,
    };
    const proxier = new IpvsProxier(proxyModel([], []), configuration);
    const node = { ...NODE, version };
    const state = {
      ...proxier.stateFor(node),
      rules: ruleLines(configuration, features, node, { filled, barred: [] }),
    };
    const made = formatIptablesSave(freshNodeRuleset(state, { kubelet: false, canaries: false }));
    expect(ofProxy(kubeChains(made))).toEqual(ofProxy(kubeChains(iptablesSave)));
  });

  it.each(recordedNodes())("%s: its sets", (_title, version, { ipsetSave = "" }) => {
    const known = new Set<string>(kubeSets(featuresOf(version, {})));
    const created = [...ipsetSave.matchAll(/^create (KUBE-\S+) (\S+)/gm)];
    for (const [, name = "", type = ""] of created) {
      expect([name, known.has(name)]).toEqual([name, true]);
      expect([name, matchWords(name as KubeSet).split(",").length]).toEqual([name, type.split(",").length]);
    }
  });
});
