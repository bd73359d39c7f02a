import { formatPrefix4, type Prefix4, parsePrefix4 } from "../address/prefix.ts";
import { buildCluster } from "../cluster/build-cluster.ts";
import { reconcileAll } from "../control/reconcile-all.ts";
import { Inventory } from "../inventory/inventory.ts";
import { DEFAULT_PROXY_CONFIGURATION, type ProxyConfiguration } from "../proxy/configuration.ts";
import { proxyConfigurationOf } from "../proxy/kube-proxy-configuration.ts";
import type { DetectedCluster } from "../source/detect.ts";
import { readSource, type Source, type SourceFile, type SourceFlags } from "../source/read-source.ts";
import { formatInputError } from "../world/input-error.ts";
import type { Recording } from "../world/probe.ts";
import type { Io } from "./io.ts";
import type { NamedWorld } from "./merge-worlds.ts";
import { notBuiltYet } from "./not-built-yet.ts";
import { invalid, ok, type Result } from "./result.ts";

/** The flags that override what the objects show. */
export type ObjectFlags = SourceFlags;

/** A cluster that objects were made into. */
export interface ClusterSource {
  readonly worlds: readonly NamedWorld[];
  readonly recordings: readonly Recording[];
  readonly inventory: Inventory;
  readonly assumptions: readonly string[];
}

/** Where nodes without an address are given one. */
const NODE_NETWORK = parsePrefix4("192.168.0.0/24") as Prefix4;

/** Objects in, programmed world out: read, reconciled, and every node and pod programmed by its agents. */
export function clusterFrom(files: readonly SourceFile[], flags: ObjectFlags, io: Io): Result<ClusterSource> {
  const source = readSource(files, flags);
  if (source.errors.length > 0) return invalid(...source.errors.map(formatInputError));
  for (const warning of source.warnings) io.warn(`warning: ${formatInputError(warning)}\n`);
  const { detected, objects } = source;
  const unbuilt = unbuiltAgents(detected);
  if (unbuilt.length > 0) return invalid(...unbuilt);
  reconcileAll(objects, {
    clusterCidr: detected.clusterCidr.value,
    nodeCidrLength: detected.nodeCidrLength.value,
    serviceCidr: detected.serviceCidr.value,
    nodePorts: detected.nodePorts.value,
    nodeNetwork: NODE_NETWORK,
  });
  const cluster = buildCluster(objects, {
    cni: detected.cni.value === "bridge" ? "bridge" : "flannel",
    flannelBackend: detected.flannelBackend.value === "host-gw" ? "host-gw" : "vxlan",
    clusterCidr: detected.clusterCidr.value,
    proxy: proxyOf(detected),
  });
  if (cluster.errors.length > 0) return invalid(...cluster.errors.map(formatInputError));
  return ok({
    worlds: [
      { file: files.map((file) => file.name).join(", "), world: cluster.world },
      ...source.snapshots.map(({ file, world }) => ({ file, world })),
    ],
    recordings: source.snapshots.flatMap(({ recording }) => (recording === null ? [] : [recording])),
    inventory: new Inventory(objects, cluster.hostOfPod, flags.namespace),
    assumptions: [...assumedSettings(source), ...cluster.assumptions],
  });
}

function unbuiltAgents({ cni, proxyMode }: DetectedCluster): string[] {
  const messages: string[] = [];
  if (cni.value !== "flannel" && cni.value !== "bridge") {
    messages.push(
      `${notBuiltYet(`the CNI ${cni.value}`)} (${cni.where}): --cni flannel or bridge programs another`,
    );
  }
  if (proxyMode.value !== "iptables") {
    messages.push(
      `${notBuiltYet(`kube-proxy's mode ${proxyMode.value}`)} (${proxyMode.where}): --proxy-mode iptables takes that`,
    );
  }
  return messages;
}

/** kube-proxy as its configuration says; without one it tells pods by the cluster's range, as kubeadm sets it up. */
function proxyOf({ kubeProxy, clusterCidr }: DetectedCluster): ProxyConfiguration {
  if (kubeProxy !== null) return proxyConfigurationOf(kubeProxy);
  return {
    ...DEFAULT_PROXY_CONFIGURATION,
    detector: { kind: "cluster-cidr", cidrs: [formatPrefix4(clusterCidr.value)] },
  };
}

function assumedSettings({ detected, assumed }: Source): string[] {
  const settings: readonly (readonly [
    string,
    { readonly value: unknown; readonly from: string; readonly where: string },
  ])[] = [
    ["CNI", detected.cni],
    ["kube-proxy mode", detected.proxyMode],
    ["cluster CIDR", { ...detected.clusterCidr, value: formatPrefix4(detected.clusterCidr.value) }],
    ["service CIDR", { ...detected.serviceCidr, value: formatPrefix4(detected.serviceCidr.value) }],
  ];
  const lines = settings
    .filter(([, { from }]) => from === "assumed")
    .map(([name, { value, where }]) => `${name} ${String(value)}: ${where}`);
  return [...assumed, ...lines];
}
