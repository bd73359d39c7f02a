import { isObserved, keyOf, namespaceOf } from "../object/kubernetes-object.ts";
import type { Controller } from "./controller.ts";
import { makePod } from "./pods-of-owner.ts";

const BY = "statefulset controller";

/** Pods are numbered, and each is known by its number: `db-0` has the host name db-0 in the Service's domain. */
export const statefulSetController: Controller = {
  name: BY,
  keys: (lister) => lister.list("StatefulSet").map(keyOf),
  reconcile(key, lister, writer) {
    const owner = lister.get("StatefulSet", key);
    if (owner === undefined) return;
    const { replicas = 1, template, serviceName, ordinals } = owner.spec;
    const start = ordinals?.start ?? 0;
    const names = new Set<string>();
    for (let ordinal = start; ordinal < start + replicas; ordinal++) {
      const name = `${owner.metadata.name}-${ordinal}`;
      names.add(name);
      if (lister.get("Pod", `${namespaceOf(owner)}/${name}`) !== undefined) continue;
      const labels = {
        "apps.kubernetes.io/pod-index": String(ordinal),
        "statefulset.kubernetes.io/pod-name": name,
      };
      const spec = { hostname: name, ...(serviceName === undefined ? {} : { subdomain: serviceName }) };
      writer.put(makePod({ owner, template, name, by: BY, labels, spec }));
    }
    for (const pod of lister.ownedBy("Pod", owner)) {
      if (!isObserved(pod) && !names.has(pod.metadata.name)) writer.remove("Pod", keyOf(pod));
    }
  },
};
