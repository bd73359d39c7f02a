import { formatPrefix4 } from "../address/prefix.ts";
import { buildCluster } from "../cluster/build-cluster.ts";
import { reconcileAll } from "../control/reconcile-all.ts";
import { Inventory } from "../inventory/inventory.ts";
import { clusterConfigurationOf } from "../source/cluster-configuration.ts";
import { type DetectedCluster, settingsOf } from "../source/detect.ts";
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

/** Objects in, programmed world out: read, reconciled, and every node and pod programmed by its agents. */
export function clusterFrom(files: readonly SourceFile[], flags: ObjectFlags, io: Io): Result<ClusterSource> {
  const source = readSource(files, flags);
  if (source.errors.length > 0) return invalid(...source.errors.map(formatInputError));
  for (const warning of source.warnings) io.warn(`warning: ${formatInputError(warning)}\n`);
  const { detected, objects } = source;
  const unbuilt = unbuiltAgents(detected);
  if (unbuilt.length > 0) return invalid(...unbuilt);
  reconcileAll(objects, settingsOf(detected));
  const cluster = buildCluster(objects, clusterConfigurationOf(detected));
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

const CNIS_BUILT: ReadonlySet<string> = new Set(["flannel", "bridge", "docker0"]);

function unbuiltAgents({ cni, proxyMode, flannelBackend }: DetectedCluster): string[] {
  const messages: string[] = [];
  if (!CNIS_BUILT.has(cni.value)) {
    messages.push(
      `${notBuiltYet(`the CNI ${cni.value}`)} (${cni.where}): --cni flannel, bridge or docker0 programs another`,
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
