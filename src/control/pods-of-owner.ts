import type { PodTemplateSpec } from "kubernetes-types/core/v1.js";
import type { OwnerReference } from "kubernetes-types/meta/v1.js";
import {
  controllerOf,
  isObserved,
  type KubernetesObject,
  keyOf,
  namespaceOf,
  type Pod,
} from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import { madeBy } from "../object/place.ts";
import { matches, type Selector } from "../object/selector.ts";
import { freeName } from "./hash-name.ts";

/** The pods of one workload: which are its own, and making or removing some. */

export function ownerReference(owner: KubernetesObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: uidOf(owner),
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Objects of manifests have none: the key is as unique. */
export function uidOf(object: KubernetesObject): string {
  return object.metadata.uid ?? `${object.kind}/${keyOf(object)}`;
}

/** Whether a pod still counts as a replica: not one that has ended or is going. */
export function isActive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Succeeded" && phase !== "Failed" && pod.metadata.deletionTimestamp === undefined;
}

/** The active pods of an owner: those that name it, and orphans that its selector claims. */
export function podsOf(owner: KubernetesObject, selector: Selector, lister: Lister): Pod[] {
  const namespace = namespaceOf(owner);
  const own = lister.ownedBy("Pod", owner).filter(isActive);
  const first = selector.find(({ kind }) => kind === "in");
  if (first === undefined || first.kind !== "in") return own;
  const orphans = first.values
    .flatMap((value) => lister.withLabel("Pod", namespace, first.key, value))
    .filter(
      (pod) => controllerOf(pod) === undefined && isActive(pod) && matches(selector, pod.metadata.labels),
    );
  return [...own, ...orphans];
}

export interface NewPod {
  readonly owner: KubernetesObject;
  readonly template: PodTemplateSpec;
  readonly name: string;
  readonly by: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

export function makePod({ owner, template, name, by, labels = {}, spec = {} }: NewPod): Pod {
  const annotations = template.metadata?.annotations;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: namespaceOf(owner),
      labels: { ...template.metadata?.labels, ...labels },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [ownerReference(owner)],
    },
    spec: { containers: [], ...template.spec, ...spec },
    place: madeBy(by, owner.place),
  };
}

export interface Replicas {
  readonly owner: KubernetesObject;
  readonly selector: Selector;
  readonly template: PodTemplateSpec | undefined;
  readonly count: number;
  readonly by: string;
}

/** Makes the pods that are missing; removes surplus ones that were made here, never one that was observed. */
export function reconcileReplicas(
  { owner, selector, template, count, by }: Replicas,
  lister: Lister,
  writer: Writer,
): void {
  const pods = podsOf(owner, selector, lister);
  const surplus = pods.length - count;
  if (surplus > 0) {
    const made = pods.filter((pod) => !isObserved(pod));
    for (const pod of made.slice(Math.max(0, made.length - surplus))) writer.remove("Pod", keyOf(pod));
  }
  if (template === undefined) return;
  const namespace = namespaceOf(owner);
  const prefix = `${owner.metadata.name}-`;
  const isFree = (name: string) => lister.get("Pod", `${namespace}/${name}`) === undefined;
  for (let missing = count - pods.length, i = 0; missing > 0; missing--, i++) {
    const name = freeName(prefix, `${keyOf(owner)} ${i}`, isFree);
    writer.put(makePod({ owner, template, name, by }));
  }
}
