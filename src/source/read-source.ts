import type { IpPrefix } from "../address/ip-prefix.ts";
import { canonicalJson } from "../control/hash-name.ts";
import { isJsonObject } from "../kernel/json-fields.ts";
import { type ClusterRules, checkCluster } from "../object/cluster-rules.ts";
import { describeObject, type KubernetesObject, keyOf } from "../object/kubernetes-object.ts";
import { ObjectMap } from "../object/object-map.ts";
import type { Findings } from "../object/object-report.ts";
import { formatPlace } from "../object/place.ts";
import type { Range } from "../object/range-rules.ts";
import { readObjects } from "../object/read-object.ts";
import { readDocuments } from "../object/text-documents.ts";
import type { TextDocument } from "../object/yaml.ts";
import type { InputError } from "../world/input-error.ts";
import type { Recording } from "../world/probe.ts";
import { readSnapshot } from "../world/snapshot-in.ts";
import type { World } from "../world/world.ts";
import { checkCalico } from "./calico.ts";
import { checkCalicoObjects } from "./calico-checks.ts";
import type { Detected } from "./clue.ts";
import {
  at,
  Clues,
  clueOfConflist,
  clueOfFlannel,
  clueOfKubeadm,
  clueOfKubeProxy,
  cluesOfObjects,
} from "./clues.ts";
import { carriedDocuments, isTemplate, readCarried } from "./config-map.ts";
import { checkConfiguration } from "./configuration-fields.ts";
import { type DetectedCluster, type DetectionFlags, detectCluster, isFlannels } from "./detect.ts";
import { isCorefile, kindOfDocument, toolOfText } from "./document-kind.ts";
import { checkFlannelNetwork } from "./flannel-checks.ts";
import { addMissingNodes } from "./nodes.ts";

/** A file's name, as messages call it, and its text. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

export interface SourceFlags extends DetectionFlags {
  readonly nodes?: number | undefined;
  /** The namespace of objects that name none. */
  readonly namespace?: string | undefined;
}

export interface SnapshotFile {
  readonly file: string;
  readonly world: World;
  readonly recording: Recording | null;
}

export interface Source {
  /** As read, checked, with the API's defaults; nothing of it reconciled yet. */
  readonly objects: ObjectMap;
  readonly snapshots: readonly SnapshotFile[];
  readonly detected: DetectedCluster;
  /** The kinds kept without being looked into, and how many objects of each. */
  readonly uninterpreted: readonly { readonly kind: string; readonly count: number }[];
  /** What was added for want of it, such as nodes. */
  readonly assumed: readonly string[];
  readonly warnings: readonly InputError[];
  /** With any of these nothing sensible can be built. */
  readonly errors: readonly InputError[];
}

/** Reads any mix of manifests, dumps, configuration and snapshots; every mistake of every file is told. */
export function readSource(files: readonly SourceFile[], flags: SourceFlags = {}): Source {
  const reader = new SourceReader(flags);
  for (const file of files) reader.readFile(file);
  return reader.finish();
}

/** `kubectl cluster-info dump` prints containers' logs between the objects; what stands behind them keeps its line. */
function withoutLogs(text: string): string {
  if (!text.includes("==== START logs")) return text;
  return text.replace(/^==== START logs[\s\S]*?^==== END logs.*$/gm, (logs) => logs.replace(/[^\n]+/g, ""));
}

/** CNIs whose pods need not have addresses of their node's podCIDR. */
const OWN_ADDRESSES: ReadonlySet<string> = new Set(["calico", "canal", "weave", "cilium", "antrea"]);

/** The kinds that something here makes use of. */
const INTERPRETED: ReadonlySet<string> = new Set([
  ...["Node", "Namespace", "Pod", "Service", "Endpoints", "EndpointSlice", "ConfigMap", "Deployment"],
  ...["ReplicaSet", "DaemonSet", "StatefulSet", "ReplicationController", "IPPool", "ServiceCIDR", "Network"],
  ...[
    "BlockAffinity",
    "BGPConfiguration",
    "BGPPeer",
    "Installation",
    "FelixConfiguration",
    "Tier",
    "Profile",
  ],
  ...["NetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "CalicoNetworkPolicy"],
  ...["IPAMBlock", "IPAMConfig", "IPAMConfiguration"],
  ...["IPReservation", "StagedNetworkPolicy", "StagedKubernetesNetworkPolicy", "StagedGlobalNetworkPolicy"],
  ...["GlobalNetworkPolicy", "NetworkSet", "GlobalNetworkSet", "HostEndpoint"],
]);

class SourceReader {
  readonly #flags: SourceFlags;
  readonly #findings: Findings = { errors: [], warnings: [] };
  readonly #objects = new ObjectMap();
  readonly #snapshots: SnapshotFile[] = [];
  readonly #clues = new Clues();
  /** Files that hold nothing, documents that nobody knows: left out beside others, a mistake where there is nothing else. */
  readonly #unknown: InputError[] = [];

  constructor(flags: SourceFlags) {
    this.#flags = flags;
  }

  readFile({ name, text: whole }: SourceFile): void {
    const text = withoutLogs(whole);
    if (!/^\s*[{[]/.test(text)) {
      if (isCorefile(text)) {
        this.#clues.corefile.push({ value: text, where: name, weight: 1 });
        return;
      }
      const tool = toolOfText(text);
      if (tool !== undefined && !/^\s*apiVersion:/m.test(text)) {
        this.#warn(
          name,
          null,
          `is the text of ${tool}: it is read as a part of a snapshot only, and left out here`,
        );
        return;
      }
    }
    const read = readDocuments(name, text);
    this.#findings.errors.push(...read.errors);
    this.#findings.warnings.push(...read.warnings);
    for (const document of read.documents) this.#readDocument(document, text);
    if (read.documents.length === 0 && read.errors.length === 0) {
      this.#unknown.push({ file: name, line: null, field: null, message: "holds nothing" });
    }
  }

  #readDocument(document: TextDocument, text: string): void {
    try {
      this.#readAsKind(document, text);
    } catch (error) {
      // The engine's own limit: asking every document beforehand would cost as much as reading it.
      if (!(error instanceof RangeError)) throw error;
      const { file, line } = document;
      const message = "nests lists and objects too deep: it is not read";
      this.#findings.errors.push({ file, line, field: null, message });
    }
  }

  #readAsKind(document: TextDocument, text: string): void {
    const { file, line, value } = document;
    const kind = kindOfDocument(value);
    switch (kind) {
      case "objects":
        for (const object of readObjects(document, this.#findings, this.#flags.namespace)) this.#add(object);
        return;
      case "snapshot":
        this.#readSnapshot(document, text);
        return;
      case "kubeadm":
      case "kube-proxy":
      case "cni":
      case "flannel":
        this.#readConfiguration(document, `${file}:${line}`);
        return;
      case "other-configuration": {
        const shown = isJsonObject(value) ? at(value, "kind") : undefined;
        this.#warn(
          file,
          line,
          `${typeof shown === "string" ? shown : "this document"} says nothing of the network: it is left out`,
        );
        return;
      }
      case "unknown": {
        const message =
          "is no API object, configuration or snapshot that is known here: apiVersion and kind are expected";
        this.#unknown.push({ file, line, field: null, message });
        return;
      }
      default:
        kind satisfies never;
    }
  }

  /** With a mistake in it a document tells nothing: the mistake is told instead. */
  #readConfiguration(document: TextDocument, where: string): void {
    const { value } = document;
    if (!isJsonObject(value)) return;
    const kind = kindOfDocument(value);
    if (!checkConfiguration(kind, document, this.#findings)) return;
    switch (kind) {
      case "kubeadm":
        clueOfKubeadm(value, where, this.#clues);
        break;
      case "kube-proxy":
        clueOfKubeProxy(value, where, this.#clues);
        break;
      case "cni":
        clueOfConflist(value, where, this.#clues);
        break;
      case "flannel":
        clueOfFlannel(value, where, this.#clues);
        break;
    }
  }

  #readSnapshot(document: TextDocument, text: string): void {
    const { file } = document;
    // A file that holds nothing else is read as it is; one document of several is written out first.
    const alone = document.document === 1 && /^\s*\{/.test(text);
    const snapshot = readSnapshot(file, alone ? text : JSON.stringify(document.value));
    if (snapshot.kind === "invalid") this.#findings.errors.push(...snapshot.errors);
    else this.#snapshots.push({ file, world: snapshot.world, recording: snapshot.recording });
  }

  /** The later of two objects of one name counts, as when both are applied; a dump may well hold one twice. */
  #add(object: KubernetesObject): void {
    const before = this.#objects.get(object.kind, keyOf(object));
    if (before !== undefined && before.apiVersion === object.apiVersion && !isSame(before, object)) {
      const message = `is given before, at ${formatPlace(before.place)}: this one counts`;
      const { file, line } = object.place;
      this.#findings.warnings.push({ file, line, field: describeObject(object), message });
    }
    this.#objects.put(object);
  }

  #warn(file: string, line: number | null, message: string): void {
    this.#findings.warnings.push({ file, line, field: null, message });
  }

  finish(): Source {
    for (const map of this.#objects.list("ConfigMap")) {
      for (const carried of carriedDocuments(map)) this.#readCarried(carried);
    }
    cluesOfObjects(this.#objects, this.#clues);
    const isEmpty = this.#objects.size === 0 && this.#snapshots.length === 0 && this.#clues.isEmpty;
    (isEmpty ? this.#findings.errors : this.#findings.warnings).push(...this.#unknown);
    const detected = detectCluster(this.#objects, this.#clues, this.#flags);
    const podsInNodeCidr = !OWN_ADDRESSES.has(detected.cni.value);
    const ranges = this.#ranges(detected);
    checkCalicoObjects(this.#objects, this.#findings);
    if (detected.calico !== null) checkCalico(this.#objects, ranges, this.#findings);
    if (isFlannels(detected.cni.value)) checkFlannelNetwork(this.#objects, detected, this.#findings);
    const families = { ...detected.families, isLaw: detected.families.from !== "assumed" };
    checkCluster(this.#objects, { podsInNodeCidr, families, ...ranges }, this.#findings);
    const uninterpreted = this.#objects.kinds().filter(({ kind }) => !INTERPRETED.has(kind));
    const assumed = addMissingNodes(
      this.#objects,
      this.#flags.nodes ?? (this.#snapshots.length > 0 ? 0 : undefined),
    );
    return {
      objects: this.#objects,
      snapshots: this.#snapshots,
      // Once more, because a default may go by the number of nodes.
      detected: assumed.length === 0 ? detected : detectCluster(this.#objects, this.#clues, this.#flags),
      uninterpreted,
      assumed,
      warnings: inOrder(this.#findings.warnings),
      errors: inOrder(this.#findings.errors),
    };
  }

  /** Ranges that the input speaks of itself are law; those assumed are only what a cluster usually has. */
  #ranges(
    detected: DetectedCluster,
  ): Required<Pick<ClusterRules, "clusterCidrs" | "serviceCidrs" | "nodePorts">> {
    const { clusterCidr, serviceCidr, nodePorts, six, families } = detected;
    const stated = <T>(setting: Detected<T>): Range<T> => ({ ...setting, isLaw: setting.from !== "assumed" });
    // kube-proxy's word on the pods' addresses may be wrong, and then it is that which is to be traced.
    const ofPods = <T>(setting: Detected<T>): Range<T> => {
      const isProxys = this.#clues.kubeProxy.some(({ where }) => setting.where === `${where} clusterCIDR`);
      return { ...setting, isLaw: setting.from !== "assumed" && !isProxys };
    };
    const hasFour = families.value.includes("IPv4");
    return {
      clusterCidrs: [
        ...(hasFour ? [ofPods<IpPrefix>(clusterCidr)] : []),
        ...(six === null ? [] : [ofPods<IpPrefix>(six.clusterCidr)]),
      ],
      serviceCidrs: [
        ...(hasFour ? [stated<IpPrefix>(serviceCidr)] : []),
        ...(six === null ? [] : [stated<IpPrefix>(six.serviceCidr)]),
      ],
      nodePorts: stated(nodePorts),
    };
  }

  #readCarried(carried: ReturnType<typeof carriedDocuments>[number]): void {
    if (carried.key === "Corefile") {
      this.#clues.corefile.push({ value: carried.text, where: carried.where, weight: 2 });
      return;
    }
    const read = readCarried(carried);
    for (const document of read.documents) this.#readConfiguration(document, carried.where);
    // An installer's template is no fault of the source.
    (isTemplate(carried) ? this.#findings.warnings : this.#findings.errors).push(...read.errors);
    this.#findings.warnings.push(...read.warnings);
  }
}

/** File by file, each from its first line on: as they were found, fields of one object come in no order. */
function inOrder(found: readonly InputError[]): InputError[] {
  const files = new Map<string, number>();
  for (const { file } of found) if (!files.has(file)) files.set(file, files.size);
  const place = ({ file, line }: InputError) => [files.get(file) ?? 0, line ?? 0] as const;
  return [...found].sort((a, b) => {
    const [fileA, lineA] = place(a);
    const [fileB, lineB] = place(b);
    return fileA - fileB || lineA - lineB;
  });
}

function isSame(a: KubernetesObject, b: KubernetesObject): boolean {
  const { place: _a, ...left } = a;
  const { place: _b, ...right } = b;
  return canonicalJson(left) === canonicalJson(right);
}
