import type { Origin } from "../kernel/origin.ts";
import { isNamespaced } from "../object/kinds.ts";
import { type KubernetesObject, keyOf } from "../object/kubernetes-object.ts";
import { type FieldPath, formatFieldPath } from "../object/place.ts";
import { OriginTable } from "../world/origins.ts";
import type { Origins, Source } from "../world/world.ts";

/**
 * The origins of what agents derive from objects: a number for each field of each object that something was derived from,
 * the same for all hosts. File and line are those of the field in the manifest; of an object that a controller made, those
 * of the object it was made from.
 */
export class ObjectOrigins {
  readonly #table = new OriginTable();
  readonly #known = new Map<string, Origin>();

  /** `field` empty: the object as a whole. */
  of(object: KubernetesObject, field: FieldPath): Origin {
    const path = formatFieldPath(field);
    const key = `${object.kind} ${keyOf(object)} ${path}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const origin = this.#table.add(sourceOf(object, field, path));
    this.#known.set(key, origin);
    return origin;
  }

  /** Of a configuration that is no API object; `where` is null for an agent's own defaults. */
  ofConfiguration(kind: string, name: string, where: string | null, field?: string): Origin {
    const owner = { kind, name, ...(field === undefined ? {} : { field }) };
    return this.#table.add({ file: where ?? "", field: null, line: null, owner });
  }

  finish(): Origins {
    return this.#table.finish();
  }
}

function sourceOf(object: KubernetesObject, field: FieldPath, path: string): Source {
  const { place, kind, metadata } = object;
  const namespace = isNamespaced(kind) ? (metadata.namespace ?? "default") : undefined;
  return {
    file: place.file,
    field: null,
    // Looked up when somebody asks: a large dump has many fields, and few are ever shown.
    get line() {
      return (place.by === null ? place.lineOf?.(field) : null) ?? place.line;
    },
    owner: {
      kind,
      ...(namespace === undefined ? {} : { namespace }),
      name: metadata.name,
      ...(path === "" ? {} : { field: path }),
    },
  };
}
