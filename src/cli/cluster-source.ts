import { formatPrefix4 } from "../address/prefix.ts";
import { buildCluster } from "../cluster/build-cluster.ts";
import { reconcileAll } from "../control/reconcile-all.ts";
import { Inventory } from "../inventory/inventory.ts";
import { type DetectedCluster, settingsOf } from "../source/detect.ts";
import { proxyConfigurationOf } from "../source/proxy-configuration.ts";
import { readSource, type Source, type SourceFile, type SourceFlags } from "../source/read-source.ts";
import { formatInputError, type InputError } from "../world/input-error.ts";
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

/** Objects in, programmed world out: read, reconciled, and every node and pod programmed by its agents. */
export function clusterFrom(files: readonly SourceFile[], flags: ObjectFlags, io: Io): Result<ClusterSource> {
  const source = readSource(files, flags);
  if (source.errors.length > 0) return invalid(...firstOf(source.errors, "mistakes"));
  warn(source.warnings, io);
  const { detected, objects } = source;
  const unbuilt = unbuiltAgents(detected);
  if (unbuilt.length > 0) return invalid(...unbuilt);
  reconcileAll(objects, settingsOf(detected));
  const cluster = buildCluster(objects, {
    cni: detected.cni.value === "bridge" ? "bridge" : "flannel",
    flannelBackend: detected.flannelBackend.value === "host-gw" ? "host-gw" : "vxlan",
    clusterCidr: detected.clusterCidr.value,
    proxy: proxyConfigurationOf(detected),
  });
  if (cluster.errors.length > 0) return invalid(...firstOf(cluster.errors, "mistakes"));
  return ok({
    worlds: [
      { file: files.map((file) => file.name).join(", "), world: cluster.world },
      ...source.snapshots.map(({ file, world }) => ({ file, world })),
    ],
    recordings: source.snapshots.flatMap(({ recording }) => (recording === null ? [] : [recording])),
    inventory: new Inventory(objects, cluster.hostOfPod, flags.namespace, {
      serviceCidr: detected.serviceCidr.value,
      dnsDomain: detected.dnsDomain.value,
    }),
    assumptions: [...assumedSettings(source), ...cluster.assumptions],
  });
}

/** Nobody reads more, and a dump of a whole cluster may well have one of a kind for each of its Services. */
const MOST_LINES = 100;

function warn(warnings: readonly InputError[], io: Io): void {
  for (const line of firstOf(warnings, "warnings")) io.warn(`warning: ${line}\n`);
}

function firstOf(found: readonly InputError[], what: string): string[] {
  const lines = found.slice(0, MOST_LINES).map(formatInputError);
  const rest = found.length - lines.length;
  return rest === 0 ? lines : [...lines, `and ${rest} more ${what}`];
}

function unbuiltAgents({ cni, proxyMode, flannelBackend }: DetectedCluster): string[] {
  const messages: string[] = [];
  if (cni.value !== "flannel" && cni.value !== "bridge") {
    messages.push(
      `${notBuiltYet(`the CNI ${cni.value}`)} (${cni.where}): --cni flannel or bridge programs another`,
    );
  }
  if (cni.value === "flannel" && flannelBackend.value !== "vxlan" && flannelBackend.value !== "host-gw") {
    messages.push(
      `${notBuiltYet(`flannel's backend ${flannelBackend.value}`)} (${flannelBackend.where}): vxlan and host-gw are`,
    );
  }
  if (proxyMode.value !== "iptables") {
    messages.push(
      `${notBuiltYet(`kube-proxy's mode ${proxyMode.value}`)} (${proxyMode.where}): --proxy-mode iptables takes that`,
    );
  }
  return messages;
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
