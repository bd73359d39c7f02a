import type { Namespace } from "../object/kubernetes-object.ts";
import { namespaceOf } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";
import { madeBy } from "../object/place.ts";
import type { Controller } from "./controller.ts";

const BY = "namespace controller";
const LISTED = [
  "Pod",
  "Service",
  "Deployment",
  "ReplicaSet",
  "DaemonSet",
  "StatefulSet",
  "ReplicationController",
] as const;

/** The namespaces that objects live in, where manifests leave them out, with the label that the API server gives each. */
export const namespaceController: Controller = {
  name: BY,
  keys: (lister) => [...new Set(LISTED.flatMap((kind) => lister.list(kind).map(namespaceOf)))].sort(),
  reconcile(key, lister, writer) {
    if (lister.get("Namespace", key) !== undefined) return;
    const first = firstIn(key, lister);
    if (first === undefined) return;
    const metadata = { name: key, labels: { "kubernetes.io/metadata.name": key } };
    writer.put({
      apiVersion: "v1",
      kind: "Namespace",
      metadata,
      place: madeBy(BY, first.place),
    } as Namespace);
  },
};

function firstIn(namespace: string, lister: Lister) {
  for (const kind of LISTED) {
    const [first] = lister.list(kind, namespace);
    if (first !== undefined) return first;
  }
  return undefined;
}
