import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import { DEFAULT_PROXY_CONFIGURATION } from "../../../src/proxy/configuration.ts";
import { freshNodeRuleset } from "../../../src/proxy/iptables/fresh-node.ts";
import { IptablesProxier } from "../../../src/proxy/iptables/proxier.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { endpointHash, type Protocol, serviceHash } from "../../../src/proxy/names.ts";
import { objectsOfDump } from "../dump-objects.ts";
import { isOwnOrJump, kubeChains } from "../kube-chains.ts";
import { NODE } from "../objects.ts";

const ROOT = join(import.meta.dirname, "../../..");
const { HOPSCOPE_WILD = join(ROOT, "../shared/wild") } = process.env;

/** In these the Services' order is not kube-proxy's to promise. */
const UNORDERED = ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"];

function kubeRules(text: string): Record<string, string[]> {
  return kubeChains(text, UNORDERED, isOwnOrJump);
}

function madeAgain(
  text: string,
  isLocal: (ip: string) => boolean,
  version = NODE.version,
): Record<string, string[]> {
  const { services, slices } = objectsOfDump(text, isLocal);
  const proxier = new IptablesProxier(proxyModel(services, slices), {
    ...DEFAULT_PROXY_CONFIGURATION,
    detector: { kind: "cluster-cidr", cidrs: ["10.244.0.0/16"] },
  });
  const fresh = freshNodeRuleset(proxier.rulesFor({ ...NODE, version }), { kubelet: true, canaries: true });
  return kubeRules(formatIptablesSave(fresh));
}

interface Recording {
  readonly hosts: Record<
    string,
    {
      readonly iptablesSave: string;
      readonly addrs: readonly { ifname?: string; addr_info?: { local: string }[] }[];
    }
  >;
}

/** The recorder lists endpoints by pod, not by text: which of them a chain sends to is compared, not in which order. */
function withoutOrder(chains: Record<string, string[]>): Record<string, string[]> {
  const chance = / -m statistic --mode random --probability [\d.]+/;
  return Object.fromEntries(
    Object.entries(chains).map(([key, lines]) => [
      key,
      /KUBE-SV[CL]-/.test(key) ? lines.map((line) => line.replace(chance, "")).sort() : lines,
    ]),
  );
}

const TRUTH = join(ROOT, "fixtures/truth");

function recordedNodes(): [string, string, (ip: string) => boolean][] {
  const files = readdirSync(TRUTH).filter((file) => /^d-(services|affinity|hostport)/.test(file));
  return files.flatMap((file) => {
    const recording: Recording = JSON.parse(gunzipSync(readFileSync(join(TRUTH, file))).toString());
    return Object.entries(recording.hosts)
      .filter(([, { iptablesSave }]) => iptablesSave.includes("KUBE-SERVICES"))
      .map(([host, { iptablesSave, addrs }]): [string, string, (ip: string) => boolean] => {
        const bridge = addrs.find(({ ifname }) => ifname === "cni0")?.addr_info?.[0]?.local ?? "10.244.0.1";
        const subnet = bridge.slice(0, bridge.lastIndexOf(".") + 1);
        return [`${file.replace(".json.gz", "")} ${host}`, iptablesSave, (ip) => ip.startsWith(subnet)];
      });
  });
}

describe("the rules of recorded nodes, made again from the Services they show", () => {
  it.each(recordedNodes())("%s", (_title, text, isLocal) => {
    expect(withoutOrder(madeAgain(text, isLocal))).toEqual(withoutOrder(kubeRules(text)));
  });
});

describe("real nodes", () => {
  const reason = existsSync(HOPSCOPE_WILD)
    ? ""
    : ` (skipped: no folder ${HOPSCOPE_WILD}; HOPSCOPE_WILD names it)`;

  it.skipIf(reason !== "").each([
    ["kubeadm-1.32-flannel", "v1.32.11"],
    ["kubeadm-1.22-flannel-libvirt", "v1.22.8"],
  ])(`%s, of kube-proxy %s${reason}`, (folder, version) => {
    const text = readFileSync(join(HOPSCOPE_WILD, folder, "iptables-save.txt"), "utf8");
    expect(madeAgain(text, (ip) => ip.startsWith("10.244.0."), version)).toEqual(kubeRules(text));
  });

  it.skipIf(reason !== "").each([
    ["kubeadm-1.32-flannel/iptables-save.txt", 10],
    ["kubeadm-1.22-flannel-libvirt/iptables-save.txt", 5],
    ["kubeadm-1.11-no-cni/iptables-save.txt", 2],
    ["calico-felix/iptables-dump.txt", 1],
  ])(`names in %s${reason}`, (file, atLeast) => {
    const lines = readFileSync(join(HOPSCOPE_WILD, file), "utf8").split("\n");
    let checked = 0;
    for (const line of lines) {
      const service =
        /^-A KUBE-SERVICES .*-p (\w+) .*--comment "(\S+)(?: cluster IP)" .*-j KUBE-SVC-(\S+)$/.exec(line);
      if (service !== null) {
        expect(serviceHash(service[2] as string, service[1] as Protocol), line).toBe(service[3]);
        checked++;
      }
      const sep = /^-A KUBE-SEP-(\S+) -p (\w+) .*--comment "?([^" ]+)"? .*--to-destination (\S+)$/.exec(line);
      if (sep !== null) {
        expect(endpointHash(sep[3] as string, sep[2] as Protocol, sep[4] as string), line).toBe(sep[1]);
        checked++;
      }
    }
    expect(checked).toBeGreaterThanOrEqual(atLeast);
  });
});
