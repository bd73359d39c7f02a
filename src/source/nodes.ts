import { parseIpv4 } from "../address/ipv4.ts";
import type { KubernetesObject, Node } from "../object/kubernetes-object.ts";
import type { ObjectMap } from "../object/object-map.ts";

const BY = "source";

/** How many nodes there are where nothing says it: enough for two pods of a Service to be apart, and a third to be neither. */
const USUAL_NODES = 3;

/**
 * Nodes that the objects speak of but the source does not hold, as in a dump of pods alone: under the names and with the
 * addresses the pods give. Where no node is named either, some are assumed, `node1` and on. Returns what was assumed.
 */
export function addMissingNodes(objects: ObjectMap, wanted: number | undefined): string[] {
  const assumed: string[] = [];
  for (const [name, { address, from }] of namedNodes(objects)) {
    if (objects.get("Node", name) !== undefined) continue;
    objects.put(newNode(name, address, from));
    const at = address === undefined ? "" : ` with ${address}`;
    assumed.push(`Node ${name}${at}: pods name it, the input does not hold it`);
  }
  const have = objects.list("Node").length;
  const count = wanted ?? (have === 0 ? USUAL_NODES : have);
  const first = objects.all()[0];
  if (first === undefined || have >= count) return assumed;
  for (let i = 1, left = count - have; left > 0; i++) {
    const name = `node${i}`;
    if (objects.get("Node", name) !== undefined) continue;
    objects.put(newNode(name, undefined, first));
    left--;
  }
  const why = wanted === undefined ? "the input holds no Node" : "--nodes";
  assumed.push(`${count - have} nodes (${why})`);
  return assumed;
}

function namedNodes(
  objects: ObjectMap,
): Map<string, { address: string | undefined; from: KubernetesObject }> {
  const named = new Map<string, { address: string | undefined; from: KubernetesObject }>();
  for (const pod of objects.list("Pod")) {
    const { nodeName = "" } = pod.spec;
    if (nodeName === "" || named.get(nodeName)?.address !== undefined) continue;
    const hostIp = pod.status?.hostIP ?? "";
    named.set(nodeName, { address: parseIpv4(hostIp) === undefined ? undefined : hostIp, from: pod });
  }
  if (objects.list("Node").length > 0 || named.size > 0) return named;
  for (const slice of objects.list("EndpointSlice")) {
    for (const { nodeName = "" } of slice.endpoints) {
      if (nodeName !== "" && !named.has(nodeName)) named.set(nodeName, { address: undefined, from: slice });
    }
  }
  return named;
}

function newNode(name: string, address: string | undefined, from: KubernetesObject): Node {
  const addresses = [{ type: "Hostname", address: name }];
  if (address !== undefined) addresses.unshift({ type: "InternalIP", address });
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
    spec: {},
    status: { addresses },
    place: { file: from.place.file, document: from.place.document, line: null, by: BY },
  };
}
