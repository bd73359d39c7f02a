import { groupOf, kindNamed } from "./kinds.ts";
import type { KubernetesObject, ObjectOfKind, TypedKind } from "./kubernetes-object.ts";
import { controllerOf, keyOf, namespaceOf } from "./kubernetes-object.ts";

/** Reading objects. Lists are in the order of their keys, whatever the order they were added in; treat them as read-only. */
export interface Lister {
  get<K extends TypedKind>(kind: K, key: string): ObjectOfKind[K] | undefined;
  get(kind: string, key: string): KubernetesObject | undefined;
  list<K extends TypedKind>(kind: K, namespace?: string): readonly ObjectOfKind[K][];
  list(kind: string, namespace?: string): readonly KubernetesObject[];
  /** Those with the label, in the order of their keys. */
  withLabel<K extends TypedKind>(
    kind: K,
    namespace: string,
    key: string,
    value: string,
  ): readonly ObjectOfKind[K][];
  /** The Pods, ReplicaSets … that name this object as their controller. */
  ownedBy<K extends TypedKind>(kind: K, owner: KubernetesObject): readonly ObjectOfKind[K][];
  /** The Pods on a node. */
  podsOn(node: string): readonly ObjectOfKind["Pod"][];
  /** The Pods whose address this is (`status.podIP`, `status.podIPs`): several on their node's own network, or that have ended. */
  podsAt(address: string): readonly ObjectOfKind["Pod"][];
}

export interface Writer {
  /** Adds an object, or puts it in the place of the one of its kind and key. */
  put(object: KubernetesObject): void;
  remove(kind: string, key: string): void;
}

/** Objects in memory, by kind and key, with the indexes that controllers ask. */
export class ObjectMap implements Lister, Writer {
  readonly #byKind = new Map<string, Map<string, KubernetesObject>>();
  readonly #index = new Map<string, Map<string, KubernetesObject>>();
  /** Sorted lists, made when asked for; gone with the next change of what they list. */
  readonly #sorted = new Map<string, readonly KubernetesObject[]>();
  /** How often something was put or removed. */
  changes = 0;

  constructor(objects: Iterable<KubernetesObject> = []) {
    for (const object of objects) this.put(object);
  }

  get size(): number {
    let size = 0;
    for (const objects of this.#byKind.values()) size += objects.size;
    return size;
  }

  put(object: KubernetesObject): void {
    const key = keyOf(object);
    const kind = kindKey(object);
    const objects = this.#byKind.get(kind) ?? new Map<string, KubernetesObject>();
    this.#byKind.set(kind, objects);
    const before = objects.get(key);
    const names = indexNames(object);
    if (before !== undefined) this.#forget(before, key, names);
    objects.set(key, object);
    for (const name of names) {
      const entries = this.#index.get(name) ?? new Map<string, KubernetesObject>();
      this.#index.set(name, entries.set(key, object));
      this.#sorted.delete(name);
    }
    this.changes++;
  }

  remove(kind: string, key: string): void {
    const objects = this.#byKind.get(kind);
    const before = objects?.get(key);
    if (objects === undefined || before === undefined) return;
    objects.delete(key);
    this.#forget(before, key);
    this.changes++;
  }

  get<K extends TypedKind>(kind: K, key: string): ObjectOfKind[K] | undefined;
  get(kind: string, key: string): KubernetesObject | undefined;
  get(kind: string, key: string): KubernetesObject | undefined {
    return this.#byKind.get(kind)?.get(key);
  }

  list<K extends TypedKind>(kind: K, namespace?: string): readonly ObjectOfKind[K][];
  list(kind: string, namespace?: string): readonly KubernetesObject[];
  list(kind: string, namespace?: string): readonly KubernetesObject[] {
    return this.#listOf(namespace === undefined ? ofKind(kind) : ofNamespace(kind, namespace));
  }

  withLabel<K extends TypedKind>(kind: K, namespace: string, key: string, value: string) {
    return this.#listOf(ofLabel(kind, namespace, key, value)) as readonly ObjectOfKind[K][];
  }

  ownedBy<K extends TypedKind>(kind: K, owner: KubernetesObject) {
    const name = ofOwner(kind, namespaceOf(owner), owner.kind, owner.metadata.name);
    return this.#listOf(name) as readonly ObjectOfKind[K][];
  }

  podsOn(node: string): readonly ObjectOfKind["Pod"][] {
    return this.#listOf(onNode(node)) as readonly ObjectOfKind["Pod"][];
  }

  podsAt(address: string): readonly ObjectOfKind["Pod"][] {
    return this.#listOf(atAddress(address)) as readonly ObjectOfKind["Pod"][];
  }

  /** The kinds there are, in order, and how many of each. */
  kinds(): { readonly kind: string; readonly count: number }[] {
    return [...this.#byKind]
      .map(([kind, objects]) => ({ kind, count: objects.size }))
      .filter(({ count }) => count > 0)
      .sort((a, b) => (a.kind < b.kind ? -1 : 1));
  }

  /** Every object, by kind and key. */
  all(): KubernetesObject[] {
    return this.kinds().flatMap(({ kind }) => this.list(kind));
  }

  #listOf(name: string): readonly KubernetesObject[] {
    const known = this.#sorted.get(name);
    if (known !== undefined) return known;
    const entries = this.#index.get(name);
    if (entries === undefined || entries.size === 0) return NONE;
    if (entries.size === 1) return [...entries.values()];
    const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    this.#sorted.set(name, sorted);
    return sorted;
  }

  /** In the lists that `staying` names another object takes its place. */
  #forget(object: KubernetesObject, key: string, staying: readonly string[] = NONE): void {
    for (const name of indexNames(object)) {
      if (staying.includes(name)) continue;
      this.#index.get(name)?.delete(key);
      this.#sorted.delete(name);
    }
  }
}

const NONE: readonly never[] = [];

/** A kind of the API by its name alone; one of another group that bears the same name with its group. */
function kindKey({ kind, apiVersion }: KubernetesObject): string {
  const group = groupOf(apiVersion);
  return kindNamed(kind)?.groups.includes(group) === false ? `${kind}.${group}` : kind;
}

/** Parts of an index's name are joined by a character that no name of the API may hold. */
const ofKind = (kind: string) => `kind\n${kind}`;
const ofNamespace = (kind: string, namespace: string) => `namespace\n${kind}\n${namespace}`;
const ofLabel = (kind: string, namespace: string, key: string, value: string) =>
  `label\n${kind}\n${namespace}\n${key}\n${value}`;
const ofOwner = (kind: string, namespace: string, ownerKind: string, name: string) =>
  `owner\n${kind}\n${namespace}\n${ownerKind}\n${name}`;
const atAddress = (address: string) => `address\n${address}`;
const onNode = (node: string) => `node\n${node}`;

function indexNames(object: KubernetesObject): readonly string[] {
  const found = namesByMetadata(object);
  if (object.kind !== "Pod") return found;
  const { spec, status } = object as ObjectOfKind["Pod"];
  const { nodeName = "" } = spec;
  const { podIP = "", podIPs = [] } = status ?? {};
  if (nodeName === "" && podIP === "") return found;
  const names = [...found];
  if (podIP !== "") names.push(atAddress(podIP));
  // The first is podIP again.
  if (podIPs.length > 1) {
    for (const { ip = "" } of podIPs) if (ip !== "" && ip !== podIP) names.push(atAddress(ip));
  }
  if (nodeName !== "") names.push(onNode(nodeName));
  return names;
}

/** What kind and metadata lead to; an object that is written again and again mostly keeps them. */
function namesByMetadata(object: KubernetesObject): readonly string[] {
  const { metadata } = object;
  const known = names.get(metadata);
  if (known !== undefined) return known;
  const kind = kindKey(object);
  const namespace = namespaceOf(object);
  const found = [ofKind(kind), ofNamespace(kind, namespace)];
  for (const [key, value] of Object.entries(metadata.labels ?? {}))
    found.push(ofLabel(kind, namespace, key, value));
  const owner = controllerOf(object);
  if (owner !== undefined) found.push(ofOwner(kind, namespace, owner.kind, owner.name));
  names.set(metadata, found);
  return found;
}

const names = new WeakMap<KubernetesObject["metadata"], readonly string[]>();
