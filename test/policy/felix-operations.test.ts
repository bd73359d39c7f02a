import { describe, expect, it } from "vitest";
import { applyOperations } from "../../src/kernel/apply-operation.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import { formatIpsetSave } from "../../src/kernel/ipset/save.ts";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import type { Operation } from "../../src/kernel/operation.ts";
import { ORIGIN_NONE } from "../../src/kernel/origin.ts";
import { Felix, type FelixNode } from "../../src/policy/felix/felix.ts";
import { felixOperations, type OriginOf } from "../../src/policy/felix/operations.ts";
import { FELIX_DEFAULTS, type FelixSettings } from "../../src/policy/felix/settings.ts";
import { workloadsOf } from "../../src/policy/workload.ts";
import { parsed } from "../kernel/netfilter/parsed.ts";
import { readText } from "../object/read.ts";
import { POLICIES } from "./policies.ts";
import { deviceOf } from "./policy-world.ts";
import { SHOP } from "./shop.ts";

const NETWORK: Omit<FelixNode, "name" | "workloads"> = {
  devices: [{ node: "n1", name: "eth0", addresses: ["10.0.1.1"] }],
  tunnels: [],
  hosts: ["10.0.1.1", "10.0.2.1"],
  pools: [{ cidr: "10.1.0.0/16", natOutgoing: true }],
};

interface Programming {
  readonly policies: string;
  readonly network?: Partial<FelixNode>;
  readonly settings?: Partial<FelixSettings>;
  readonly origin?: OriginOf;
}

function operationsOn(host: Host, { policies, network, settings, origin }: Programming): Operation[] {
  const { map, errors } = readText(`${SHOP}---\n${policies}`);
  expect(errors).toEqual([]);
  const workloads = workloadsOf(map)
    .filter(({ node }) => node === "n1")
    .map((workload) => ({ workload, device: deviceOf(workload) }));
  const felix = new Felix(map, { ...FELIX_DEFAULTS, ...settings });
  const state = felix.stateFor({ name: "n1", workloads, ...NETWORK, ...network });
  return felixOperations(state, host, origin ?? (() => ORIGIN_NONE));
}

function applied(host: Host, programming: Programming): Host {
  const result = applyOperations(host, operationsOn(host, programming));
  if (result.kind === "invalid") throw new Error(result.errors.map(({ message }) => message).join("; "));
  return result.host;
}

const NEW = emptyHost("n1", "node");

function textOf({ iptables, ipsets }: Host): { rules: string[]; sets: string[] } {
  const rules = iptables === null ? "" : formatIptablesSave(iptables);
  const inOrder = (text: string) => text.split("\n").filter((line) => !line.startsWith(":"));
  return {
    rules: inOrder(rules),
    sets: formatIpsetSave(ipsets ?? [])
      .split("\n")
      .sort(),
  };
}

/** Rules of a chain as `iptables-save` has them, without the hash. */
function chainOf(host: Host, table: string, chain: string): string[] {
  const saved = formatIptablesSave(host.iptables as never);
  const own = saved.split("*").find((part) => part.startsWith(`${table}\n`)) ?? "";
  return own
    .split("\n")
    .filter((line) => line.startsWith(`-A ${chain} `))
    .map((line) => line.slice(`-A ${chain} `.length).replace(/-m comment --comment "cali:[\w-]{16}" ?/, ""));
}

describe("programming a node", () => {
  it.each(Object.entries(POLICIES))("again changes nothing: %s", (_name, policies) => {
    expect(operationsOn(applied(NEW, { policies }), { policies })).toEqual([]);
  });

  it("from any policies to any others is as from nothing", () => {
    let host = NEW;
    const changes = [...Object.values(POLICIES), ""];
    for (const policies of changes) {
      host = applied(host, { policies });
      const fresh = applied(NEW, { policies });
      const chains = ({ iptables }: Host) =>
        [...(iptables?.tables ?? [])].map(([name, { chains: own }]) => [
          name,
          [...own.values()].map((chain) => `${chain.name} ${chain.rules.length}`).sort(),
        ]);
      expect(chains(host)).toEqual(chains(fresh));
      expect(textOf(host).rules.sort()).toEqual(textOf(fresh).rules.sort());
      expect(textOf(host).sets).toEqual(textOf(fresh).sets);
    }
  });

  it("leaves others' rules, stands before them, and accepts behind them", () => {
    const before: Host = {
      ...NEW,
      iptables: parsed(
        "*filter\n:FORWARD DROP [0:0]\n:KUBE-FORWARD - [0:0]\n-A FORWARD -j KUBE-FORWARD\nCOMMIT\n",
      ),
    };
    const host = applied(before, { policies: "" });
    expect(chainOf(host, "filter", "FORWARD")).toEqual([
      "-j cali-FORWARD",
      "-j KUBE-FORWARD",
      '-m comment --comment "Policy explicitly accepted packet." -m mark --mark 0x10000/0x10000 -j ACCEPT',
      "-j MARK --set-xmark 0x10000/0x10000",
    ]);
    expect(host.iptables?.tables.get("filter")?.chains.get("FORWARD")?.policy).toBe("DROP");
    const settings = { insertMode: "append" } as const;
    const behind = applied(before, { policies: "", settings });
    expect(chainOf(behind, "filter", "FORWARD").slice(0, 2)).toEqual(["-j KUBE-FORWARD", "-j cali-FORWARD"]);
    expect(operationsOn(behind, { policies: "", settings })).toEqual([]);
  });

  it("rules have the origin of what they were made from", () => {
    const seen = new Set<string>();
    const policies = POLICIES["two policies add up"] ?? "";
    applied(NEW, {
      policies,
      origin: (source) => {
        if (source !== null)
          seen.add(`${source.object.kind} ${source.object.metadata.name} ${source.field.join(".")}`);
        return ORIGIN_NONE;
      },
    });
    expect([...seen].sort()).toEqual([
      "NetworkPolicy a spec",
      "NetworkPolicy a spec.ingress.0",
      "NetworkPolicy b spec.ingress.0",
    ]);
  });
});

describe("what a pod's chains look like", () => {
  const web = "cali-tw-cali551b05c3e54";
  const policies = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: api}}}]
    ports: [{port: 80}, {port: 8000, endPort: 8080}]
`;

  it("since 3.29", () => {
    const host = applied(NEW, { policies });
    const policy = /-j (cali-pi-\S+)/.exec(chainOf(host, "filter", web).join("\n"))?.[1] ?? "";
    expect(chainOf(host, "filter", web)).toEqual([
      "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "-m conntrack --ctstate INVALID -j DROP",
      "-j MARK --set-xmark 0x0/0x30000",
      '-m comment --comment "Start of tier default" -j MARK --set-xmark 0x0/0x20000',
      `-m mark --mark 0x0/0x20000 -j ${policy}`,
      '-m comment --comment "Return if policy accepted" -m mark --mark 0x10000/0x10000 -j RETURN',
      '-m comment --comment "End of tier default. Drop if no policies passed packet" -m mark --mark 0x0/0x20000 -j DROP',
      "-j cali-pri-kns.shop",
      '-m comment --comment "Return if profile accepted" -m mark --mark 0x10000/0x10000 -j RETURN',
      "-j cali-pri-ksa.shop.default",
      '-m comment --comment "Return if profile accepted" -m mark --mark 0x10000/0x10000 -j RETURN',
      '-m comment --comment "Drop if no profiles matched" -j DROP',
    ]);
    const [allow = "", ...rest] = chainOf(host, "filter", policy);
    expect(allow).toMatch(
      /^-p tcp -m comment --comment "Policy shop\/knp\.default\.web ingress" -m set --match-set cali40s:[\w-]{23} src -m multiport --dports 80,8000:8080 -j MARK --set-xmark 0x10000\/0x10000$/,
    );
    // The RETURN at its end would do nothing, so Felix leaves it out.
    expect(rest).toEqual([]);
    expect(textOf(host).sets.filter((line) => line.startsWith("add cali40s:"))).toEqual([
      expect.stringMatching(/ 10\.1\.2\.2$/),
    ]);
  });

  it("before", () => {
    const chain = chainOf(applied(NEW, { policies, settings: { minor: 26 } }), "filter", web);
    expect(chain.slice(2, 4)).toEqual([
      "-j MARK --set-xmark 0x0/0x10000",
      '-m comment --comment "Start of policies" -j MARK --set-xmark 0x0/0x20000',
    ]);
    expect(chain).toContain(
      '-m comment --comment "Drop if no policies passed packet" -m mark --mark 0x0/0x20000 -j DROP',
    );
  });

  it("devices that share a letter more have a chain of their own", () => {
    const workloads = (devices: readonly string[]) =>
      devices.map((device) => ({ device, workload: { ...WORKLOAD, name: device } }));
    const host = applied(NEW, {
      policies: "",
      network: { workloads: workloads(["cali1a", "cali1b", "cali2c"]) },
    });
    expect(chainOf(host, "filter", "cali-to-wl-dispatch")).toEqual([
      "-o cali1+ -g cali-to-wl-dispatch-1",
      "-o cali2c -g cali-tw-cali2c",
      '-m comment --comment "Unknown interface" -j DROP',
    ]);
    expect(chainOf(host, "filter", "cali-to-wl-dispatch-1")).toEqual([
      "-o cali1a -g cali-tw-cali1a",
      "-o cali1b -g cali-tw-cali1b",
      '-m comment --comment "Unknown interface" -j DROP',
    ]);
  });

  it("tunnels are for nodes alone", () => {
    const host = applied(NEW, {
      policies: "",
      network: {
        tunnels: [
          { kind: "ipip", family: 4, device: "tunl0", port: 0 },
          { kind: "vxlan", family: 4, device: "vxlan.calico", port: 4789 },
        ],
      },
    });
    expect(chainOf(host, "filter", "cali-INPUT").slice(0, 5)).toEqual([
      '-p ipencap -m comment --comment "Allow IPIP packets from Calico hosts" -m set --match-set cali40all-hosts-net src -m addrtype --dst-type LOCAL -j ACCEPT',
      '-p ipencap -m comment --comment "Drop IPIP packets from non-Calico hosts" -j DROP',
      '-p udp -m comment --comment "Allow IPv4 VXLAN packets from allowed hosts" -m multiport --dports 4789 -m set --match-set cali40all-vxlan-net src -m addrtype --dst-type LOCAL -j ACCEPT',
      '-p udp -m comment --comment "Drop IPv4 VXLAN packets from non-allowed hosts" -m multiport --dports 4789 -m addrtype --dst-type LOCAL -j DROP',
      "-i cali+ -g cali-wl-to-host",
    ]);
    expect(chainOf(host, "nat", "cali-POSTROUTING").slice(2)).toEqual([
      "-o tunl0 -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE --random-fully",
      "-o vxlan.calico -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE --random-fully",
    ]);
    expect(textOf(host).sets.filter((line) => line.startsWith("add"))).toEqual([
      "add cali40all-hosts-net 10.0.1.1",
      "add cali40all-hosts-net 10.0.2.1",
      "add cali40all-ipam-pools 10.1.0.0/16",
      "add cali40all-vxlan-net 10.0.1.1",
      "add cali40all-vxlan-net 10.0.2.1",
      "add cali40masq-ipam-pools 10.1.0.0/16",
    ]);
  });
});

const WORKLOAD = {
  pod: { metadata: { name: "a" }, spec: { containers: [] } } as never,
  ...{ namespace: "shop", name: "a", node: "n1", labels: {}, serviceAccount: "default" },
  ...{ addresses: ["10.1.1.9"], ports: [] },
};
