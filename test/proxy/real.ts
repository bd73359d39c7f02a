import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { IpFamily } from "../../src/proxy/canonical-address.ts";
import type { NodeFacts, ProxyConfiguration } from "../../src/proxy/configuration.ts";
import { CASES, type ProxyCase } from "./cases.ts";
import { CONFIGURATION, NODE } from "./objects.ts";
import { exchanged } from "./six.ts";

/**
 * What kube-proxy itself made of the cases: its own packages `pkg/proxy/{iptables,ipvs,nftables}`, given the objects of a case
 * and synced once. nftables mode ran in a network namespace, and its table is what `nft list ruleset` printed of the kernel's
 * then; the others ran on the packages' own stand-ins for iptables, ipset and IPVS (`…/testing`). IPv6 is the cases of IPv4
 * with the families exchanged.
 */
export function realOutputs<T>(
  mode: "iptables" | "ipvs" | "nftables",
  version: string,
  family: IpFamily,
): Record<string, T> {
  const name = `${mode}-${version}-${family.toLowerCase()}.json.gz`;
  const path = join(import.meta.dirname, "../../fixtures/proxy/real", name);
  return JSON.parse(gunzipSync(readFileSync(path)).toString()) as Record<string, T>;
}

/** A case as it was played: with the networks of cluster IPs known. */
export interface Played extends Pick<ProxyCase, "services" | "slices"> {
  readonly configuration: ProxyConfiguration;
  readonly node: NodeFacts;
}

export function played(name: string, family: IpFamily, version: string): Played {
  const four = CASES.find((one) => one.name === name);
  if (four === undefined) throw new Error(`no case ${name}`);
  const { services, slices, configuration, node } = four;
  const all = {
    services,
    slices,
    configuration: { ...CONFIGURATION, serviceCidrs: ["10.96.0.0/16"], ...configuration },
    node: { ...NODE, ...node, version },
  };
  return family === "IPv4" ? all : (exchanged(all) as typeof all);
}
