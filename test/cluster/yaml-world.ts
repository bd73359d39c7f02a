import { familyOfAddress, parseIp } from "../../src/address/ip.ts";
import { addressOnPath } from "../../src/address/ip6-handle.ts";
import { splitSocketAddress } from "../../src/address/socket-address.ts";
import { buildCluster, type Cluster } from "../../src/cluster/build-cluster.ts";
import { reconcileAll } from "../../src/control/reconcile-all.ts";
import { Inventory } from "../../src/inventory/inventory.ts";
import { clusterConfigurationOf } from "../../src/source/cluster-configuration.ts";
import { settingsOf } from "../../src/source/detect.ts";
import { readSource, type SourceFlags } from "../../src/source/read-source.ts";
import { ASK_DEFAULTS, ask } from "../../src/walk/ask.ts";
import { Network } from "../../src/walk/network.ts";
import { QUERY_DEFAULTS, type Query } from "../../src/walk/query.ts";
import { Session } from "../../src/walk/session.ts";
import type { Trace } from "../../src/walk/trace.ts";

/** A cluster of manifests, with what a test asks of it. */
export interface YamlWorld {
  readonly cluster: Cluster;
  readonly inventory: Inventory;
  readonly network: Network;
  /** From a host to `10.0.0.5:80` or `[fd00::5]:80`, TCP. */
  trace(from: string, to: string, more?: Partial<Query>): Trace;
}

export function yamlWorld(text: string, flags: SourceFlags = {}, name = "cluster.yaml"): YamlWorld {
  const source = readSource([{ name, text }], flags);
  if (source.errors.length > 0) throw new Error(source.errors.map(({ message }) => message).join("\n"));
  reconcileAll(source.objects, settingsOf(source.detected));
  const cluster = buildCluster(source.objects, clusterConfigurationOf(source.detected));
  if (cluster.errors.length > 0) throw new Error(cluster.errors.map(({ message }) => message).join("\n"));
  const network = new Network(cluster.world);
  return {
    cluster,
    network,
    inventory: new Inventory(source.objects, cluster.hostOfPod),
    trace: (from, to, more = {}) => {
      const { address, port } = splitSocketAddress(to);
      return ask(new Session(network), queryOf(network, from, address, port ?? 80, more), ASK_DEFAULTS);
    },
  };
}

function queryOf(network: Network, from: string, to: string, port: number, more: Partial<Query>): Query {
  if (network.hostNumber(from) < 0) throw new Error(`no host ${from}: ${network.hostNames().join(", ")}`);
  const dst = parseIp(to);
  if (dst === undefined) throw new Error(to);
  const family = familyOfAddress(dst);
  return { ...QUERY_DEFAULTS, family, host: from, dst: addressOnPath(dst), dport: port, ...more };
}

/** Nodes n0, n1 … at 192.168.50.10 and on, or at the addresses given. */
export function nodes(...addresses: readonly (string | readonly string[])[]): string {
  return addresses
    .map((own, i) => {
      const list = (typeof own === "string" ? [own] : own).map(
        (address) => `{type: InternalIP, address: "${address}"}`,
      );
      return `apiVersion: v1\nkind: Node\nmetadata: {name: n${i}}\nspec: {podCIDR: 10.244.${i}.0/24}\nstatus: {addresses: [${list.join(", ")}]}\n`;
    })
    .join("---\n");
}
