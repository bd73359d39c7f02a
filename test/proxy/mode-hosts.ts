import type { Family } from "../../src/address/ip.ts";
import { internMac } from "../../src/address/mac.ts";
import { applyOperations } from "../../src/kernel/apply-operation.ts";
import type { Host } from "../../src/kernel/host.ts";
import type { Operation } from "../../src/kernel/operation.ts";
import type { ProxyMode } from "../../src/proxy/configuration.ts";
import { freshNodeRuleset as iptablesRuleset } from "../../src/proxy/iptables/fresh-node.ts";
import { IptablesProxier } from "../../src/proxy/iptables/proxier.ts";
import { startOperations as iptablesStart } from "../../src/proxy/iptables/start-operations.ts";
import { freshNodeOperations, freshNodeRuleset as ipvsRuleset } from "../../src/proxy/ipvs/operations.ts";
import { IpvsProxier } from "../../src/proxy/ipvs/proxier.ts";
import { startOperations as ipvsStart } from "../../src/proxy/ipvs/start-operations.ts";
import { proxyModel } from "../../src/proxy/model.ts";
import { freshNodeTable } from "../../src/proxy/nftables/operations.ts";
import { NftablesProxier } from "../../src/proxy/nftables/proxier.ts";
import type { ProxyCase } from "./cases.ts";
import { CONFIGURATION, NODE } from "./objects.ts";
import { exchanged } from "./six.ts";

const ALONE = { kubelet: false, canaries: false };

/**
 * A node with a case's objects, in a mode; the networks of cluster IPs are known.
 *
 * @param family 6: with all addresses exchanged (`six.ts`)
 */
export function programmedIn(
  mode: ProxyMode,
  given: Omit<ProxyCase, "name">,
  family: Family = 4,
): (node: Host) => Host {
  return (host) => {
    const applied = applyOperations(host, operationsIn(mode, given, host, family));
    if (applied.kind === "invalid") throw new Error(applied.errors.map(({ message }) => message).join("\n"));
    return applied.host;
  };
}

function operationsIn(
  mode: ProxyMode,
  { services, slices, configuration, node }: Omit<ProxyCase, "name">,
  host: Host,
  family: Family,
): Operation[] {
  const of = <T>(value: T): T => (family === 4 ? value : (exchanged(value) as T));
  const model = proxyModel(of(services), of(slices), family === 4 ? "IPv4" : "IPv6");
  const all = of({ ...CONFIGURATION, serviceCidrs: ["10.96.0.0/16"], ...configuration });
  const facts = of({ ...NODE, ...node });
  switch (mode) {
    case "iptables": {
      const ruleset = iptablesRuleset(new IptablesProxier(model, all).rulesFor(facts), ALONE);
      return [...iptablesStart(all), { kind: "iptables-restore", family, ruleset, noflush: false }];
    }
    case "nftables": {
      const table = freshNodeTable(new NftablesProxier(model, all).rulesFor(facts));
      return [{ kind: "nft-restore", ruleset: { tables: [table] } }];
    }
    case "ipvs": {
      const state = new IpvsProxier(model, all).stateFor(facts);
      return [
        ...ipvsStart(all, host.kernel),
        ...freshNodeOperations(state, host, internMac("02:00:00:00:00:99")),
        { kind: "iptables-restore", family, ruleset: ipvsRuleset(state, ALONE), noflush: false },
      ];
    }
    default:
      return mode satisfies never;
  }
}
