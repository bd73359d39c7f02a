import type { PodSpec, Toleration } from "kubernetes-types/core/v1.js";
import { type DaemonSet, isObserved, keyOf, type Node, namespaceOf } from "../object/kubernetes-object.ts";
import { selectorOf } from "../object/selector.ts";
import type { Controller } from "./controller.ts";
import { freeName } from "./hash-name.ts";
import { fitsNode } from "./node-fit.ts";
import { makePod, podsOf } from "./pods-of-owner.ts";

const BY = "daemonset controller";

/** What the controller lets its pods tolerate (`AddOrUpdateDaemonPodTolerations`). */
const TOLERATIONS: readonly Toleration[] = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/pid-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/unschedulable", operator: "Exists", effect: "NoSchedule" },
];
const NO_NETWORK_YET: Toleration = {
  key: "node.kubernetes.io/network-unavailable",
  operator: "Exists",
  effect: "NoSchedule",
};

/** One pod on every node that the template fits. */
export const daemonSetController: Controller = {
  name: BY,
  keys: (lister) => lister.list("DaemonSet").map(keyOf),
  reconcile(key, lister, writer) {
    const owner = lister.get("DaemonSet", key);
    if (owner === undefined) return;
    const pods = podsOf(owner, selectorOf(owner.spec.selector), lister);
    const spec = podSpec(owner);
    const nodes = lister.list("Node").filter((node) => fitsNode(spec, node));
    const names = new Set(nodes.map(({ metadata }) => metadata.name));
    const served = new Set<string>();
    for (const pod of pods) {
      const node = nodeOf(pod.spec);
      if (isObserved(pod) || (names.has(node) && !served.has(node))) served.add(node);
      else writer.remove("Pod", keyOf(pod));
    }
    for (const node of nodes) if (!served.has(node.metadata.name)) place(owner, spec, node);

    function place(owner: DaemonSet, spec: PodSpec, node: Node): void {
      const nodeName = node.metadata.name;
      const namespace = namespaceOf(owner);
      const isFree = (name: string) => lister.get("Pod", `${namespace}/${name}`) === undefined;
      const name = freeName(`${owner.metadata.name}-`, `${keyOf(owner)} ${nodeName}`, isFree);
      const template = { ...owner.spec.template, spec };
      writer.put(makePod({ owner, template, name, by: BY, spec: { nodeName } }));
    }
  },
};

function nodeOf({ nodeName = "" }: PodSpec): string {
  return nodeName;
}

function podSpec({ spec }: DaemonSet): PodSpec {
  const given: PodSpec = { containers: [], ...spec.template.spec };
  const own = given.hostNetwork === true ? [...TOLERATIONS, NO_NETWORK_YET] : TOLERATIONS;
  return { ...given, tolerations: [...(given.tolerations ?? []), ...own] };
}
