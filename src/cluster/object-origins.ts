import type { Origin } from "../kernel/origin.ts";
import { isNamespaced } from "../object/kinds.ts";
import type { KubernetesObject } from "../object/kubernetes-object.ts";
import { type FieldPath, formatFieldPath } from "../object/place.ts";
import { OriginTable } from "../world/origins.ts";
import type { Origins, Owner, Source } from "../world/world.ts";

/**
 * The origins of what agents derive from objects: a number for each field of each object that something was derived from,
 * the same for all hosts. File and line are those of the field in the manifest; of an object that a controller made, those
 * of the object it was made from.
 */
export class ObjectOrigins {
  readonly #table = new OriginTable();
  readonly #known = new Map<KubernetesObject, Map<string, Origin>>();

  /** `field` empty: the object as a whole. */
  of(object: KubernetesObject, field: FieldPath): Origin {
    let fields = this.#known.get(object);
    if (fields === undefined) {
      fields = new Map();
      this.#known.set(object, fields);
    }
    const key = field.join("\n");
    let origin = fields.get(key);
    if (origin === undefined) {
      origin = this.#table.add(new FieldSource(object, field));
      fields.set(key, origin);
    }
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

/** A field of an object. Line and names are made when somebody asks: a large cluster has many fields, and few are shown. */
class FieldSource implements Source {
  readonly #object: KubernetesObject;
  readonly #path: FieldPath;

  constructor(object: KubernetesObject, path: FieldPath) {
    this.#object = object;
    this.#path = path;
  }

  get file(): string {
    return this.#object.place.file;
  }

  /** The line is the file's, not one of a text inside it. */
  get field(): null {
    return null;
  }

  get line(): number | null {
    const { place } = this.#object;
    return (place.by === null ? place.lineOf?.(this.#path) : null) ?? place.line;
  }

  get owner(): Owner {
    const { kind, metadata } = this.#object;
    return {
      kind,
      ...(isNamespaced(kind) ? { namespace: metadata.namespace ?? "default" } : {}),
      name: metadata.name,
      ...(this.#path.length === 0 ? {} : { field: formatFieldPath(this.#path) }),
    };
  }

  toJSON(): Source {
    const { file, field, line, owner } = this;
    return { file, field, line, owner };
  }
}
