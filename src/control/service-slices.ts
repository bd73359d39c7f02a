import type { EndpointPort } from "kubernetes-types/discovery/v1.js";
import {
  type EndpointSlice,
  isObserved,
  type KubernetesObject,
  keyOf,
  namespaceOf,
  type SliceEndpoint,
} from "../object/kubernetes-object.ts";
import type { Lister, Writer } from "../object/object-map.ts";
import { madeBy } from "../object/place.ts";
import { canonicalJson, suffixOf } from "./hash-name.ts";
import { ownerReference } from "./pods-of-owner.ts";

/** The EndpointSlices of one Service: those there are, and writing those there should be. */

const SERVICE_NAME = "kubernetes.io/service-name";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";

/** `--max-endpoints-per-slice` */
const MOST_ENDPOINTS = 100;

export function slicesOf(service: KubernetesObject, lister: Lister): readonly EndpointSlice[] {
  return lister.withLabel("EndpointSlice", namespaceOf(service), SERVICE_NAME, service.metadata.name);
}

/** Endpoints that share their ports, which a slice says once for all of them. */
export interface EndpointGroup {
  readonly addressType: "IPv4" | "IPv6";
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface WantedSlices {
  /** The Service or Endpoints they are made from. */
  readonly owner: KubernetesObject;
  readonly groups: readonly EndpointGroup[];
  readonly by: string;
  /** The value of the label that says who manages a slice. */
  readonly manager: string;
}

/** Writes the slices that differ and removes those made here before that are not wanted any more. */
export function writeSlices(
  { owner, groups, by, manager }: WantedSlices,
  lister: Lister,
  writer: Writer,
): void {
  const wanted = new Map<string, EndpointSlice>();
  const ordered = groups.length < 2 ? groups : [...groups].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  for (const group of ordered) {
    for (let i = 0; i === 0 || i < group.endpoints.length; i += MOST_ENDPOINTS) {
      const name = `${owner.metadata.name.slice(0, 57)}-${suffixOf(`${keyOf(owner)} ${wanted.size}`)}`;
      const slice: EndpointSlice = {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          name,
          namespace: namespaceOf(owner),
          labels: { [SERVICE_NAME]: owner.metadata.name, [MANAGED_BY]: manager },
          ownerReferences: [ownerReference(owner)],
        },
        addressType: group.addressType,
        endpoints: group.endpoints.slice(i, i + MOST_ENDPOINTS),
        ports: [...group.ports],
        place: madeBy(by, owner.place),
      };
      wanted.set(keyOf(slice), slice);
    }
  }
  for (const old of slicesOf(owner, lister)) {
    const isOurs = !isObserved(old) && old.metadata.labels?.[MANAGED_BY] === manager;
    if (isOurs && !wanted.has(keyOf(old))) writer.remove("EndpointSlice", keyOf(old));
  }
  for (const [key, slice] of wanted) {
    const old = lister.get("EndpointSlice", key);
    if (old === undefined || !isSameContent(old, slice)) writer.put(slice);
  }
}

function sortKey({ addressType, ports }: EndpointGroup): string {
  return `${addressType} ${canonicalJson(ports)}`;
}

function isSameContent(a: EndpointSlice, b: EndpointSlice): boolean {
  return (
    a.addressType === b.addressType && isSameJson(a.endpoints, b.endpoints) && isSameJson(a.ports, b.ports)
  );
}

/** A field that is undefined is one that is not there. */
function isSameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Readonly<Record<string, unknown>>;
  const right = b as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(left)) if (!isSameJson(left[key], right[key])) return false;
  for (const key of Object.keys(right)) {
    if (right[key] !== undefined && left[key] === undefined) return false;
  }
  return true;
}
