import { Faults, type Json, JsonFields } from "../../src/kernel/json-fields.ts";

/** Reads one JSON object with one of the parsers, for tests: the value, or the faults as `field: message`. */
export function readJson<T>(json: Json, read: (fields: JsonFields) => T): T | readonly string[] {
  const faults = new Faults(100);
  const value = read(new JsonFields(json, "", faults));
  return faults.count === 0 ? value : faults.kept.map(({ field, message }) => `${field}: ${message}`);
}

/** The value, where the JSON must be right. */
export function readGoodJson<T>(json: Json, read: (fields: JsonFields) => T): T {
  const faults = new Faults(100);
  const value = read(new JsonFields(json, "", faults));
  if (faults.count > 0) throw new Error(JSON.stringify(faults.kept));
  return value;
}
