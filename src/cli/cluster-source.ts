import { buildCluster } from "../cluster/build-cluster.ts";
import { CNIS } from "../cluster/configuration.ts";
import { withSnapshotNodes } from "../cluster/snapshot-nodes.ts";
import { BUILT_BACKENDS } from "../cni/flannel/network.ts";
import { reconcileAll } from "../control/reconcile-all.ts";
import { Inventory } from "../inventory/inventory.ts";
import { clusterConfigurationOf } from "../source/cluster-configuration.ts";
import { likelyPlugin, ownNetworkOf, whyNoMainPlugin } from "../source/conflist.ts";
import {
  type DetectedCluster,
  describeCalico,
  isFlannels,
  rangesShown,
  serviceRangesOf,
  settingsOf,
} from "../source/detect.ts";
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
  /** What the input tells of how the cluster is set up, and where. */
  readonly detected: readonly string[];
  readonly assumptions: readonly string[];
}

/** Objects in, programmed world out: read, reconciled, and every node and pod programmed by its agents. */
export function clusterFrom(
  files: readonly SourceFile[],
  flags: ObjectFlags,
  io: Io,
  snapshots: readonly NamedWorld[],
): Result<ClusterSource> {
  // Hosts that are there need no nodes beside them that nobody spoke of.
  const nodes = flags.nodes ?? (snapshots.length > 0 ? 0 : undefined);
  const source = readSource(files, { ...flags, nodes });
  if (source.errors.length > 0) return invalid(...firstOf(source.errors, "mistakes"));
  warn(source.warnings, io);
  const { detected, objects } = source;
  const held = [...snapshots, ...source.snapshots].map(({ world }) => world);
  const hasSnapshot = (name: string) => held.some(({ hosts }) => hosts.has(name));
  // Nodes that are as their snapshots have them need no agents here.
  const nodesWanted = objects.list("Node");
  const programs =
    nodesWanted.length === 0
      ? held.length === 0
      : nodesWanted.some(({ metadata }) => !hasSnapshot(metadata.name));
  const unbuilt = programs ? unbuiltAgents(detected) : [];
  if (unbuilt.length > 0) return invalid(...unbuilt);
  reconcileAll(objects, settingsOf(detected));
  const cluster = buildCluster(objects, clusterConfigurationOf(detected));
  if (cluster.errors.length > 0) return invalid(...firstOf(cluster.errors, "mistakes"));
  const names = new Set(objects.list("Node").map(({ metadata }) => metadata.name));
  const joined = withSnapshotNodes(cluster, names, held);
  // Without any node the objects made nothing but the network around none.
  const made = names.size === 0 && held.length > 0 ? [] : [joined.world];
  return ok({
    worlds: [
      ...made.map((world) => ({ file: files.map((file) => file.name).join(", "), world })),
      ...snapshots,
      ...source.snapshots.map(({ file, world }) => ({ file, world })),
    ],
    recordings: source.snapshots.flatMap(({ recording }) => (recording === null ? [] : [recording])),
    inventory: new Inventory(objects, joined.hostOfPod, flags.namespace, {
      serviceCidrs: serviceRangesOf(detected),
      dnsDomain: detected.dnsDomain.value,
    }),
    detected: made.length === 0 ? [] : detectedSettings(source),
    assumptions: made.length === 0 ? [] : [...assumedSettings(source), ...joined.assumptions],
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

const BACKENDS_BUILT: ReadonlySet<string> = new Set(BUILT_BACKENDS);
const CNIS_BUILT: ReadonlySet<string> = new Set(CNIS);

const OPEN_VSWITCH =
  "pods are ports of an Open vSwitch, and the flows that its agent would write are not guessed; a node's own dump with its flows (hopscope collect) is traced through them";

/** Networks whose packets go where no kernel's rules say: they are named and not guessed. */
const UNMODELLED_CNIS: ReadonlyMap<string, string> = new Map([
  ["antrea", OPEN_VSWITCH],
  ["ovn-kubernetes", OPEN_VSWITCH],
  ["openshift-sdn", OPEN_VSWITCH],
  ["ovs", OPEN_VSWITCH],
  ["cilium", "its eBPF programs decide on packets before the kernel's rules do, and are not guessed"],
]);

function unbuiltAgents(detected: DetectedCluster): string[] {
  const { cni, proxyMode, flannelBackend, families } = detected;
  const messages: string[] = [];
  if (
    !families.value.includes("IPv4") &&
    (cni.value === "calico" || cni.value === "docker0" || cni.value === "weave")
  ) {
    messages.push(
      `${notBuiltYet(`a cluster of IPv6 alone with ${cni.value}`)} (${families.where}): --cni flannel, canal or bridge goes on with that one in its place`,
    );
  }
  if (!CNIS_BUILT.has(cni.value) && ownNetworkOf(detected) === null) {
    const reason = UNMODELLED_CNIS.get(cni.value);
    const isPlugins = cni.where.endsWith("type");
    const noMain = isPlugins ? whyNoMainPlugin(cni.value) : null;
    const told =
      reason === undefined
        ? noMain === null
          ? `${notBuiltYet(`the CNI ${cni.value}`)} (${cni.where})${isPlugins ? likelyPlugin(cni.value) : ""}`
          : `${cni.where}: ${noMain}`
        : `the CNI ${cni.value} is not modelled (${cni.where}): ${reason}`;
    messages.push(`${told}: --cni ${CNIS.join(", ")} goes on with that one in its place`);
  }
  if (isFlannels(cni.value) && !BACKENDS_BUILT.has(flannelBackend.value)) {
    messages.push(
      `${notBuiltYet(`flannel's backend ${flannelBackend.value}`)} (${flannelBackend.where}): ${BUILT_BACKENDS.join(", ")} are`,
    );
  }
  if (proxyMode.value === "none") {
    messages.push(
      `${notBuiltYet("a cluster without kube-proxy")} (${proxyMode.where}): --proxy-mode iptables, ipvs or nftables goes on with that one in its place`,
    );
  }
  return messages;
}

interface Setting {
  readonly name: string;
  readonly value: unknown;
  readonly from: string;
  readonly where: string;
}

function settingsShown({ detected }: Source): readonly Setting[] {
  const { cni, proxyMode, flannelBackend, calico } = detected;
  return [
    { name: "CNI", ...cni },
    ...(isFlannels(cni.value) ? [{ name: "flannel's backend", ...flannelBackend }] : []),
    ...(calico === null
      ? []
      : [
          {
            name: "Calico",
            value: describeCalico(calico.network),
            from: calico.from,
            where: calico.where,
          },
        ]),
    { name: "kube-proxy mode", ...proxyMode },
    ...rangesShown(detected).map(({ name, text, setting }) => ({ name, ...setting, value: text })),
  ];
}

/** What the input says of how the cluster is set up, with where it says so. */
function detectedSettings(source: Source): string[] {
  return settingsShown(source)
    .filter(({ from }) => from !== "assumed")
    .map(({ name, value, where }) => `${name} ${String(value)}: ${where}`);
}

function assumedSettings(source: Source): string[] {
  const lines = settingsShown(source)
    .filter(({ name, from }) => from === "assumed" && name !== "flannel's backend")
    .map(({ name, value, where }) => `${name} ${String(value)}: ${where}`);
  return [...source.assumed, ...lines];
}
