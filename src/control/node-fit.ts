import type { NodeSelectorTerm, PodSpec, Taint, Toleration } from "kubernetes-types/core/v1.js";
import type { Node } from "../object/kubernetes-object.ts";
import { matches, requirementOf, selectorOfMap } from "../object/selector.ts";

/** Whether a pod may be put on a node: its selectors, and the node's taints that it does not tolerate. */
export function fitsNode(pod: PodSpec, node: Node): boolean {
  return reasonNotToFit(pod, node) === undefined;
}

/** Why not, as the scheduler's message says it. */
export function reasonNotToFit(pod: PodSpec, node: Node): string | undefined {
  const labels = labelsOf(node);
  if (!matches(selectorOfMap(pod.nodeSelector ?? {}), labels) || !isWanted(pod, node)) {
    return "node(s) didn't match Pod's node affinity/selector";
  }
  for (const taint of taintsOf(node)) {
    if (taint.effect === "PreferNoSchedule") continue;
    if (!(pod.tolerations ?? []).some((toleration) => tolerates(toleration, taint))) {
      return taint.key === UNSCHEDULABLE
        ? "node(s) were unschedulable"
        : `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
    }
  }
  return undefined;
}

const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

function taintsOf({ spec }: Node): readonly Taint[] {
  const taints = spec?.taints ?? [];
  if (spec?.unschedulable !== true || taints.some(({ key }) => key === UNSCHEDULABLE)) return taints;
  return [...taints, { key: UNSCHEDULABLE, effect: "NoSchedule" }];
}

/** The labels every kubelet gives its node, and the node's own. */
export function labelsOf({ metadata }: Node): Readonly<Record<string, string>> {
  const given = {
    "kubernetes.io/hostname": metadata.name,
    "kubernetes.io/os": "linux",
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "beta.kubernetes.io/arch": "amd64",
  };
  return { ...given, ...metadata.labels };
}

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = "", operator = "Equal", effect = "", value = "" } = toleration;
  if (effect !== "" && effect !== taint.effect) return false;
  if (key !== "" && key !== taint.key) return false;
  if (operator === "Exists") return true;
  return key !== "" && value === (taint.value ?? "");
}

/** The required node affinity: one of its terms, all of a term's expressions. */
function isWanted(pod: PodSpec, node: Node): boolean {
  const required = pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return (required.nodeSelectorTerms ?? []).some((term) => meetsTerm(term, node));
}

function meetsTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  // A term without expressions matches no node.
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields = { "metadata.name": node.metadata.name };
  return (
    matches(matchExpressions.map(requirementOf), labelsOf(node)) &&
    matches(matchFields.map(requirementOf), fields)
  );
}
