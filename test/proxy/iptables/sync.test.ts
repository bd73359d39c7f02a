import { describe, expect, it } from "vitest";
import { DraftRuleset } from "../../../src/kernel/netfilter/draft-ruleset.ts";
import type { Ruleset } from "../../../src/kernel/netfilter/rule.ts";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import { freshNodeRuleset } from "../../../src/proxy/iptables/fresh-node.ts";
import { operations } from "../../../src/proxy/iptables/operations.ts";
import { probability } from "../../../src/proxy/iptables/probability.ts";
import {
  fullSync,
  IptablesProxier,
  type NodeRules,
  partialSync,
  type Sync,
} from "../../../src/proxy/iptables/proxier.ts";
import { restoreRuleset } from "../../../src/proxy/iptables/restore-ruleset.ts";
import { restoreText } from "../../../src/proxy/iptables/restore-text.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { endpointChain, serviceChains } from "../../../src/proxy/names.ts";
import { CONFIGURATION, type EndpointText, NODE, service, slice } from "../objects.ts";

const WEB = service("shop/web", { clusterIP: "10.96.0.10", ports: [{ name: "http", port: 80 }] });
const DNS = service("kube-system/dns", {
  clusterIP: "10.96.0.53",
  ports: [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "tcp", port: 53 },
  ],
});
const DNS_SLICE = slice("kube-system/dns", ["dns:53/UDP", "tcp:53/TCP"], ["10.1.1.53"]);

function rules(
  services = [WEB, DNS],
  web: readonly EndpointText[] = [{ ip: "10.1.1.1" }, { ip: "10.1.1.2" }],
): NodeRules {
  const slices = [slice("shop/web", ["http:80"], web), DNS_SLICE];
  return new IptablesProxier(proxyModel(services, slices), CONFIGURATION).rulesFor(NODE);
}

function chainsOf(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith(":KUBE-S") && line.includes("-", 8) && /-(SVC|SEP)-/.test(line));
}

function applied(before: Ruleset | null, sync: Sync): Ruleset {
  const draft = new DraftRuleset(before);
  for (const operation of operations(sync, before)) {
    if (operation.kind === "iptables-restore") draft.restore(operation.ruleset, operation.noflush);
    if (operation.kind === "iptables-insert")
      draft.insert(operation.table, operation.chain, operation.index, operation.rule);
  }
  return draft.finish() as Ruleset;
}

const SVC = serviceChains("shop/web:http", "tcp").cluster;
const SEP = (ip: string): string => endpointChain("shop/web:http", "tcp", `${ip}:80`);

describe("a partial sync", () => {
  it("writes no Service's own chains when nothing changed, and all shared ones", () => {
    const text = restoreText(partialSync(rules(), rules()));
    expect(chainsOf(text)).toEqual([]);
    expect(text).toContain(`-j ${SVC}\n`);
    expect(text).toContain("-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n");
  });

  it("writes those of the Service whose endpoints changed, and deletes what it needs no more", () => {
    const text = restoreText(partialSync(rules([WEB, DNS], [{ ip: "10.1.1.1" }]), rules()));
    const gone = SEP("10.1.1.2");
    expect(chainsOf(text)).toEqual([`:${SVC} - [0:0]`, `:${SEP("10.1.1.1")} - [0:0]`, `:${gone} - [0:0]`]);
    expect(text).toContain(`-X ${gone}\n-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports`);
  });

  it("writes all ports of a Service of which one is gone", () => {
    const less = { ...DNS, spec: { ...DNS.spec, ports: [{ name: "dns", port: 53, protocol: "UDP" }] } };
    const sync = partialSync(rules([WEB, less]), rules());
    expect([...sync.written].map(({ model }) => model.port.name)).toEqual(["kube-system/dns:dns"]);
    const tcp = serviceChains("kube-system/dns:tcp", "tcp").cluster;
    expect(sync.stale).toContain(tcp);
  });

  it("leads to the state of a full one, but for the chains that are emptied and wait to be deleted", () => {
    const before = rules();
    const after = rules([WEB, DNS], [{ ip: "10.1.1.1" }, { ip: "10.1.1.3" }]);
    const once = applied(null, fullSync(before));
    const partly = applied(once, partialSync(after, before));
    const wholly = applied(once, fullSync(after, once.tables.get("nat")?.chains.keys()));
    const text = (ruleset: Ruleset): string[] => formatIptablesSave(ruleset).split("\n").sort();
    expect(text(partly)).toEqual(text(wholly));
    expect(partly.tables.get("nat")?.chains.get(SEP("10.1.1.2"))?.rules).toEqual([]);
  });

  it("keeps stale chains for a later sync when told so", () => {
    const sync = partialSync(rules([DNS]), rules(), { deleteStale: false });
    expect(sync.stale).toEqual([]);
  });
});

describe("a full sync", () => {
  it("deletes what an earlier run left, and no chain of others", () => {
    const sync = fullSync(rules(), ["KUBE-SVC-GONE", "KUBE-XLB-OLD", "KUBE-MARK-MASQ", "CNI-X", SVC]);
    expect(sync.stale).toEqual(["KUBE-SVC-GONE", "KUBE-XLB-OLD"]);
  });
});

describe("nodes", () => {
  const services = [
    WEB,
    service("shop/near", { clusterIP: "10.96.0.11", internalTrafficPolicy: "Local", ports: [{ port: 1 }] }),
  ];
  const slices = [
    slice("shop/web", ["http:80"], [{ ip: "10.1.1.1", on: "n1" }]),
    slice("shop/near", [":1"], [{ ip: "10.1.1.1", on: "n1" }]),
  ];
  const proxier = new IptablesProxier(proxyModel(services, slices), CONFIGURATION);
  const on = (name: string): NodeRules => proxier.rulesFor({ ...NODE, name });

  it("between which nothing differs share rules, tables and the whole state", () => {
    expect(on("n2").services).toBe(on("n3").services);
    expect(restoreRuleset(fullSync(on("n2")))).toBe(restoreRuleset(fullSync(on("n3"))));
    const options = { kubelet: true, canaries: true };
    expect(freshNodeRuleset(on("n2"), options)).toBe(freshNodeRuleset(on("n3"), options));
  });

  it("share the rules of Services that are the same on them", () => {
    const [near1, web1] = on("n1").services;
    const [near2, web2] = on("n2").services;
    expect(web1).toBe(web2);
    expect(near1).not.toBe(near2);
  });
});

describe("the chance of one in n", () => {
  it.each([
    [2, "0.5000000000"],
    [3, "0.3333333333"],
    [6, "0.1666666667"],
    [7, "0.1428571429"],
    [1024, "0.0009765625"],
    [2048, "0.0004882812"],
    [4096, "0.0002441406"],
  ])("%i: %s", (n, text) => {
    expect(probability(n)).toBe(text);
  });
});
