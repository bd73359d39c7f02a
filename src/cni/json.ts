import { isJsonObject, type Json } from "../kernel/json-fields.ts";

/** Fields of a configuration as Go's decoder reads them: an absent field is its zero value. */

/** A field whatever it holds, undefined where it is absent. */
export function field(json: Json | undefined, name: string): unknown {
  return json?.[name];
}

export function object(json: Json, field: string): Json {
  const value = json[field];
  return isJsonObject(value) ? value : {};
}

export function text(json: Json, field: string): string {
  const value = json[field];
  return typeof value === "string" ? value : "";
}

export function flag(json: Json, field: string, fallback = false): boolean {
  const value = json[field];
  return typeof value === "boolean" ? value : fallback;
}

export function integer(json: Json, field: string, fallback = 0): number {
  const value = json[field];
  return typeof value === "number" && Number.isInteger(value) ? value : fallback;
}

export function list(json: Json, field: string): readonly unknown[] {
  const value = json[field];
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function objects(json: Json, field: string): readonly Json[] {
  return list(json, field).filter(isJsonObject);
}

export function texts(json: Json, field: string): readonly string[] {
  return list(json, field).filter((item) => typeof item === "string");
}
