import { keyOf } from "../object/kubernetes-object.ts";
import { selectorOfMap } from "../object/selector.ts";
import type { Controller } from "./controller.ts";
import { reconcileReplicas } from "./pods-of-owner.ts";

const BY = "replication controller";

export const replicationControllerController: Controller = {
  name: BY,
  keys: (lister) => lister.list("ReplicationController").map(keyOf),
  reconcile(key, lister, writer) {
    const owner = lister.get("ReplicationController", key);
    if (owner === undefined) return;
    const { selector = {}, template, replicas: count = 1 } = owner.spec;
    reconcileReplicas({ owner, selector: selectorOfMap(selector), template, count, by: BY }, lister, writer);
  },
};
