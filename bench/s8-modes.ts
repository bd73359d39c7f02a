import { HASHED_NAMES } from "../src/cni/names.ts";
import { applyOperations } from "../src/kernel/apply-operation.ts";
import type { Host } from "../src/kernel/host.ts";
import { emptyHost } from "../src/kernel/host.ts";
import type { Operation } from "../src/kernel/operation.ts";
import { DUMMY_DEVICE, freshNodeOperations } from "../src/proxy/ipvs/operations.ts";
import { IpvsProxier } from "../src/proxy/ipvs/proxier.ts";
import { syncOperations } from "../src/proxy/ipvs/sync.ts";
import { changedModel, type ProxyModel, proxyModel } from "../src/proxy/model.ts";
import { freshNodeTable, syncOperation } from "../src/proxy/nftables/operations.ts";
import { NftablesProxier } from "../src/proxy/nftables/proxier.ts";
import { partialSync } from "../src/proxy/nftables/sync.ts";
import { median } from "./median.ts";
import { SCENE_NODE, SCENE_PROXY, serviceObject, sliceObject } from "./proxy-objects.ts";
import type { Service } from "./services.ts";

/** The changes of S8 in kube-proxy's other modes: from the objects to the node's new state, in milliseconds each. */
export function otherModes(
  services: readonly Service[],
  changes: readonly Service[],
): { readonly nftables: number; readonly ipvs: number } {
  const model = proxyModel(services.map(serviceObject), services.map(sliceObject));
  return { nftables: median(nftables(model, changes)), ipvs: median(ipvs(model, changes)) };
}

function nftables(first: ProxyModel, changes: readonly Service[]): number[] {
  let proxier = new NftablesProxier(first, SCENE_PROXY);
  let rules = proxier.rulesFor(SCENE_NODE);
  let host: Host = { ...emptyHost("node", "node"), nft: { tables: [freshNodeTable(rules)] } };
  return changes.map((change) =>
    timed(() => {
      proxier = proxier.after(after(proxier.model, change));
      const now = proxier.rulesFor(SCENE_NODE);
      host = applied(host, [syncOperation(partialSync(now, rules))]);
      rules = now;
    }),
  );
}

function ipvs(first: ProxyModel, changes: readonly Service[]): number[] {
  let proxier = new IpvsProxier(first, SCENE_PROXY);
  let state = proxier.stateFor(SCENE_NODE);
  const blank = emptyHost("node", "node");
  let host = applied(blank, freshNodeOperations(state, blank, HASHED_NAMES.mac(DUMMY_DEVICE)));
  return changes.map((change) =>
    timed(() => {
      proxier = proxier.after(after(proxier.model, change));
      const now = proxier.stateFor(SCENE_NODE);
      const found = { iptables: host.iptables, connections: () => 0, draining: new Set<string>() };
      host = applied(host, syncOperations(now, state, found).operations);
      state = now;
    }),
  );
}

function after(model: ProxyModel, change: Service): ProxyModel {
  const object = serviceObject(change);
  const { namespace = "", name = "" } = object.metadata ?? {};
  return changedModel(model, [{ namespace, name }], [object], [sliceObject(change)]);
}

function applied(host: Host, operations: readonly Operation[]): Host {
  const result = applyOperations(host, operations);
  if (result.kind === "invalid") throw new Error(result.errors.map(({ message }) => message).join("; "));
  return result.host;
}

function timed(work: () => void): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}
