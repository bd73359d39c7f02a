import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { internMac } from "../../src/address/mac.ts";
import { applyOperations } from "../../src/kernel/apply-operation.ts";
import { emptyHost, type Host } from "../../src/kernel/host.ts";
import { formatIpsetSave } from "../../src/kernel/ipset/save.ts";
import { formatIpvsadmSave } from "../../src/kernel/ipvs/ipvsadm-save.ts";
import { formatIptablesSave } from "../../src/kernel/netfilter/save/format.ts";
import type { NftTable } from "../../src/kernel/nft/ruleset.ts";
import { formatNftRuleset } from "../../src/kernel/nft/text/format.ts";
import type { Operation } from "../../src/kernel/operation.ts";
import { freshNodeOperations, freshNodeRuleset } from "../../src/proxy/ipvs/operations.ts";
import { IpvsProxier } from "../../src/proxy/ipvs/proxier.ts";
import { syncOperations } from "../../src/proxy/ipvs/sync.ts";
import { changedModel, proxyModel } from "../../src/proxy/model.ts";
import { isServiceChain } from "../../src/proxy/nftables/names.ts";
import { deletionOperation, freshNodeTable, syncOperation } from "../../src/proxy/nftables/operations.ts";
import { NftablesProxier } from "../../src/proxy/nftables/proxier.ts";
import { deletionText, fullSync, partialSync, syncText } from "../../src/proxy/nftables/sync.ts";
import { NAMES, objectsOf, pair, type Wanted, wanted } from "./changing.ts";
import { CONFIGURATION, NODE } from "./objects.ts";

function applied(host: Host, ...operations: readonly Operation[]): Host {
  const result = applyOperations(host, operations);
  if (result.kind === "invalid") throw new Error(result.errors.map(({ message }) => message).join("\n"));
  return result.host;
}

/** Objects that change one name at a time: the model of all at first, and that after each change. */
function* models(first: readonly Wanted[], changes: readonly Wanted[]) {
  const now = new Map<string, Wanted>(first.map((one) => [one.name, one]));
  let model = proxyModel(...pair([...now.values()]));
  yield { model, whole: model };
  for (const change of changes) {
    now.set(change.name, change);
    const [namespace = "", name = ""] = change.name.split("/");
    const { services, slices } = objectsOf(change);
    model = changedModel(model, [{ namespace, name }], services, slices);
    yield { model, whole: proxyModel(...pair([...now.values()])) };
  }
}

const FIRST = fc.array(wanted(), { maxLength: 6 });
const CHANGES = fc.array(wanted(), { minLength: 1, maxLength: 8 });

describe("nftables mode, one change at a time", () => {
  /** Chains with their rules, and elements, in no order; stale chains apart. */
  function content(table: NftTable): string[] {
    const text = formatNftRuleset({ tables: [table] });
    const found: string[] = [];
    for (const [, head = "", body = ""] of text.matchAll(
      /^\t((?:set|map|chain) \S+) \{\n([\s\S]*?)^\t\}\n/gm,
    )) {
      if (body === "" && isServiceChain(head)) continue;
      const elements = /elements = \{([\s\S]*?)\}/.exec(body)?.[1]?.split(",") ?? [];
      found.push(
        `${head} ${body.replace(/elements = \{[\s\S]*?\}/, "")}`,
        ...elements.map((one) => `${head}: ${one.trim().replace(/\s+/g, " ")}`),
      );
    }
    return found.sort();
  }

  it("comes to what all at once does", () => {
    fc.assert(
      fc.property(FIRST, CHANGES, (first, changes) => {
        let last: NftablesProxier | undefined;
        let host = emptyHost("n1", "node");
        for (const { model, whole } of models(first, changes)) {
          const before: NftablesProxier | undefined = last;
          const proxier: NftablesProxier =
            before === undefined ? new NftablesProxier(model, CONFIGURATION) : before.after(model);
          last = proxier;
          const rules = proxier.rulesFor(NODE);
          if (before === undefined)
            host = applied(host, { kind: "nft-restore", ruleset: { tables: [freshNodeTable(rules)] } });
          else {
            const sync = partialSync(rules, before.rulesFor(NODE));
            host = applied(host, syncOperation(sync));
            const deletion = deletionOperation(sync);
            expect(deletion === null).toBe(deletionText(sync) === "");
            if (deletion !== null) host = applied(host, deletion);
          }
          const fresh = freshNodeTable(new NftablesProxier(whole, CONFIGURATION).rulesFor(NODE));
          const [table] = (host.nft?.tables ?? []) as [NftTable];
          expect(content(table)).toEqual(content(fresh));
          expect(new Set(table.chains.map(({ name }) => name))).toEqual(
            new Set(fresh.chains.map(({ name }) => name)),
          );
          expect(new Set(table.sets.map(({ name }) => name))).toEqual(
            new Set(fresh.sets.map(({ name }) => name)),
          );
        }
      }),
      { numRuns: 100 },
    );
  });

  it("writes a handful of lines for one endpoint more", () => {
    const all = NAMES.map((name): Wanted => ({ name, ports: ["x"], endpoints: [1, 3], local: false }));
    const [one, two] = [...models(all, [{ name: "a/c", ports: ["x"], endpoints: [1, 3, 5], local: false }])];
    if (one === undefined || two === undefined) throw new Error("two models");
    const before = new NftablesProxier(one.model, CONFIGURATION);
    const now = before.after(two.model).rulesFor(NODE);
    const text = syncText(partialSync(now, before.rulesFor(NODE)));
    const lines = text.trimEnd().split("\n");
    expect(lines.filter((line) => !line.includes("a/c"))).toEqual([]);
    expect(lines.filter((line) => line.startsWith("add element"))).toEqual([]);
    expect(lines.length).toBeLessThan(syncText(fullSync(now)).split("\n").length / 5);
  });

  it("a full sync empties what no Service needs", () => {
    const rules = new NftablesProxier(proxyModel([], []), CONFIGURATION).rulesFor(NODE);
    const text = syncText(
      fullSync(rules, {
        chains: ["services", "service-ABCDEFGH-a/b/tcp/x"],
        sets: ["cluster-ips", "affinity-ABCDEFGH-a/b/tcp/x__10.1.0.1/80"],
      }),
    );
    expect(text).toContain("flush chain ip kube-proxy service-ABCDEFGH-a/b/tcp/x\n");
    expect(text).toContain("delete set ip kube-proxy affinity-ABCDEFGH-a/b/tcp/x__10.1.0.1/80\n");
    expect(text).not.toContain("delete set ip kube-proxy cluster-ips");
  });
});

describe("IPVS mode, one change at a time", () => {
  const MAC = internMac("02:00:00:00:00:99");
  const NONE = { connections: () => 0, draining: new Set<string>() };

  function content(host: Host): string[] {
    const texts = [
      formatIpvsadmSave(host.ipvs?.services ?? []),
      formatIpsetSave(host.ipsets ?? []),
      host.iptables === null ? "" : formatIptablesSave(host.iptables),
      host.addresses.map(({ address, dev }) => `${dev} ${address}`).join("\n"),
      host.routes.map(({ dst, table, type }) => `${type} ${table} ${dst.address}`).join("\n"),
    ];
    return texts.flatMap((text) => text.split("\n")).sort();
  }

  function fresh(proxier: IpvsProxier): Host {
    const state = proxier.stateFor(NODE);
    const host = emptyHost("n1", "node");
    return applied(host, ...freshNodeOperations(state, host, MAC), {
      kind: "iptables-restore",
      ruleset: freshNodeRuleset(state, { kubelet: true, canaries: false }),
      noflush: false,
    });
  }

  it("comes to what all at once does", () => {
    fc.assert(
      fc.property(FIRST, CHANGES, (first, changes) => {
        let last: IpvsProxier | undefined;
        let host = emptyHost("n1", "node");
        for (const { model, whole } of models(first, changes)) {
          const before: IpvsProxier | undefined = last;
          const proxier: IpvsProxier =
            before === undefined ? new IpvsProxier(model, CONFIGURATION) : before.after(model);
          last = proxier;
          if (before === undefined) host = fresh(proxier);
          else {
            const found = { ...NONE, iptables: host.iptables };
            const sync = syncOperations(proxier.stateFor(NODE), before.stateFor(NODE), found);
            host = applied(host, ...sync.operations);
          }
          expect(content(host)).toEqual(content(fresh(new IpvsProxier(whole, CONFIGURATION))));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("an endpoint that goes gets no new connections while it has some, and comes back as it was", () => {
    const all = (endpoints: number[]): Wanted[] => [{ name: "a/c", ports: ["x"], endpoints, local: false }];
    const [one, two, three] = [...models(all([1, 3]), [...all([1]), ...all([1, 3])])];
    if (one === undefined || two === undefined || three === undefined) throw new Error("three models");
    const first = new IpvsProxier(one.model, CONFIGURATION);
    const second = first.after(two.model);
    const third = second.after(three.model);
    let host = fresh(first);
    const [cluster] = host.ipvs?.services ?? [];
    expect(cluster?.servers.map(({ weight }) => weight)).toEqual([1, 1]);

    const gone = syncOperations(second.stateFor(NODE), first.stateFor(NODE), {
      iptables: host.iptables,
      connections: () => 7,
      draining: new Set(),
    });
    host = applied(host, ...gone.operations);
    expect(host.ipvs?.services[0]?.servers.map(({ weight }) => weight)).toEqual([0, 1]);
    // The cluster IP, and the node port on both of the node's addresses.
    expect(gone.draining.size).toBe(3);

    const back = syncOperations(third.stateFor(NODE), second.stateFor(NODE), {
      iptables: host.iptables,
      connections: () => 7,
      draining: gone.draining,
    });
    host = applied(host, ...back.operations);
    expect(back.draining.size).toBe(0);
    expect(host.ipvs?.services[0]?.servers.map(({ weight }) => weight)).toEqual([1, 1]);
  });
});
