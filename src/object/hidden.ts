import { firstOf } from "../kernel/first-of.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { type FieldPath, formatFieldPath } from "./place.ts";

/**
 * Support bundles put `***HIDDEN***` where addresses stood. Such a value is taken out, with the list entry it identified, so
 * that the rest of the object is read as if it had never been there; whoever needs it finds it missing and says so.
 */
export const HIDDEN = "***HIDDEN***";

export interface Uncovered {
  readonly json: Json;
  readonly paths: readonly FieldPath[];
}

export function withoutHidden(json: Json): Uncovered {
  const paths: FieldPath[] = [];
  const result: Record<string, unknown> = { ...json };
  for (const part of ["spec", "status", "subsets", "endpoints"]) {
    if (Object.hasOwn(json, part)) result[part] = clean(json[part], [part], paths);
  }
  return paths.length === 0 ? { json, paths } : { json: result, paths };
}

function isHidden(value: unknown): boolean {
  return typeof value === "string" && value.includes(HIDDEN);
}

/** The field that says what a list entry is about, where it is hidden. */
function identityOf(item: unknown): string | undefined {
  if (!isJsonObject(item)) return undefined;
  return ["address", "ip"].find((name) => Object.hasOwn(item, name) && isHidden(item[name]));
}

function clean(value: unknown, path: FieldPath, paths: FieldPath[]): unknown {
  if (Array.isArray(value)) {
    const kept: unknown[] = [];
    for (const [i, item] of value.entries()) {
      const at = [...path, i];
      if (isHidden(item)) paths.push(at);
      else if (identityOf(item) !== undefined) {
        paths.push([...at, identityOf(item) ?? ""]);
      } else kept.push(clean(item, at, paths));
    }
    return kept;
  }
  if (!isJsonObject(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (isHidden(inner)) paths.push([...path, key]);
    else kept[key] = clean(inner, [...path, key], paths);
  }
  return kept;
}

/** `spec.podCIDR, status.addresses[0].address and 3 more`. */
export function listPaths(paths: readonly FieldPath[]): string {
  return firstOf(paths.map(formatFieldPath), 3);
}
