import {
  controllerOf,
  type Deployment,
  isObserved,
  keyOf,
  namespaceOf,
  type Pod,
  type ReplicaSet,
} from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import { madeBy, type Place } from "../object/place.ts";
import { matches, type Selector, selectorOf } from "../object/selector.ts";
import type { Controller } from "./controller.ts";
import { hashOf } from "./hash-name.ts";
import { isActive, ownerReference } from "./pods-of-owner.ts";

const BY = "deployment controller";

/**
 * A Deployment gets one ReplicaSet, named after its template's hash. ReplicaSets of a dump stay as they are, a rollout under
 * way included; where a dump holds a Deployment's pods but not its ReplicaSet, that one is made under the name the pods give.
 */
export const deploymentController: Controller = {
  name: BY,
  keys: (lister) => lister.list("Deployment").map(keyOf),
  reconcile(key, lister, writer) {
    const deployment = lister.get("Deployment", key);
    if (deployment === undefined) return;
    const owned = lister.ownedBy("ReplicaSet", deployment);
    if (owned.some(isObserved)) return;
    const name =
      nameOfObserved(deployment, lister) ?? `${deployment.metadata.name}-${hashOf(deployment.spec.template)}`;
    for (const old of owned) if (old.metadata.name !== name) retire(old, lister, writer);
    const wanted = replicaSet(deployment, name);
    const found = lister.get("ReplicaSet", `${namespaceOf(deployment)}/${name}`);
    if (found === undefined || (!isObserved(found) && found.spec.replicas !== wanted.spec.replicas))
      writer.put(wanted);
  },
};

/** The ReplicaSet that the Deployment's observed pods name, the first where a rollout left several. */
function nameOfObserved(deployment: Deployment, lister: Lister): string | undefined {
  const selector = selectorOf(deployment.spec.selector);
  for (const pod of candidates(selector, namespaceOf(deployment), lister)) {
    if (!isObserved(pod) || !isActive(pod) || !matches(selector, pod.metadata.labels)) continue;
    const owner = controllerOf(pod);
    if (owner?.kind === "ReplicaSet" && owner.name.startsWith(`${deployment.metadata.name}-`))
      return owner.name;
  }
  return undefined;
}

/** Pods with the selector's first label, of which there are few; all where it names none. */
function candidates(selector: Selector, namespace: string, lister: Lister): readonly Pod[] {
  const first = selector.find(({ kind }) => kind === "in");
  if (first?.kind !== "in") return lister.list("Pod", namespace);
  return first.values.flatMap((value) => lister.withLabel("Pod", namespace, first.key, value));
}

function replicaSet(deployment: Deployment, name: string): ReplicaSet {
  const { replicas = 1, selector, template } = deployment.spec;
  const hash = name.slice(deployment.metadata.name.length + 1);
  const labels = { ...template.metadata?.labels, "pod-template-hash": hash };
  const place: Place = madeBy(BY, deployment.place);
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name,
      namespace: namespaceOf(deployment),
      labels,
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, "pod-template-hash": hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
    place,
  };
}

/** A ReplicaSet of an earlier template, with the pods made for it. */
function retire(old: ReplicaSet, lister: Lister, writer: Writer): void {
  for (const pod of lister.ownedBy("Pod", old)) if (!isObserved(pod)) writer.remove("Pod", keyOf(pod));
  writer.remove("ReplicaSet", keyOf(old));
}
