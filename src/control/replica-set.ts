import { keyOf } from "../object/kubernetes-object.ts";
import { selectorOf } from "../object/selector.ts";
import type { Controller } from "./controller.ts";
import { reconcileReplicas } from "./pods-of-owner.ts";

const BY = "replicaset controller";

export const replicaSetController: Controller = {
  name: BY,
  keys: (lister) => lister.list("ReplicaSet").map(keyOf),
  reconcile(key, lister, writer) {
    const owner = lister.get("ReplicaSet", key);
    if (owner === undefined) return;
    const { selector, template, replicas: count = 1 } = owner.spec;
    reconcileReplicas({ owner, selector: selectorOf(selector), template, count, by: BY }, lister, writer);
  },
};
