import { explainIpv4, parseIpv4 } from "../address/ipv4.ts";
import { explainIpv6, parseIpv6 } from "../address/ipv6.ts";
import { explainPrefix4, parsePrefix4 } from "../address/prefix.ts";
import { explainPrefix6, parsePrefix6 } from "../address/prefix6.ts";
import { describeJson, isJsonObject, type Json } from "../kernel/json-fields.ts";
import { nearestWord } from "../kernel/nearest-word.ts";
import type { ObjectReport } from "./object-report.ts";
import type { FieldPath } from "./place.ts";

/**
 * Tables of the fields that an API object may have, and the check of an object against its table. A table names every field
 * of the parts it describes; what a network model has no use for is `anything`.
 */
export type FieldType =
  | { readonly kind: "anything" }
  | { readonly kind: "text" }
  | { readonly kind: "flag" }
  | { readonly kind: "integer"; readonly low: number; readonly high: number; readonly what: string }
  | { readonly kind: "word"; readonly words: readonly string[] }
  | { readonly kind: "port-or-name" }
  | { readonly kind: "port-label" }
  | { readonly kind: "address"; readonly or: readonly string[] }
  | { readonly kind: "prefix" }
  /** Prefixes with commas between them: one for each family. */
  | { readonly kind: "prefixes" }
  | { readonly kind: "texts" }
  | { readonly kind: "object"; readonly fields: Fields }
  | { readonly kind: "list"; readonly of: FieldType };

export interface Field {
  readonly type: FieldType;
  readonly required: boolean;
}

export type Fields = Readonly<Record<string, Field>>;

export const anything: FieldType = { kind: "anything" };
export const text: FieldType = { kind: "text" };
export const flag: FieldType = { kind: "flag" };
/** A map of texts: labels, annotations, selectors, a ConfigMap's data. */
export const texts: FieldType = { kind: "texts" };
export const prefix: FieldType = { kind: "prefix" };
export const prefixes: FieldType = { kind: "prefixes" };
export const portOrName: FieldType = { kind: "port-or-name" };
/** The name of a Service's or an endpoint's port, which rules' comments bear: a label of RFC 1123, or none. */
export const portLabel: FieldType = { kind: "port-label" };
export const port: FieldType = integer(1, 65_535, "a port from 1 to 65535");
export const count: FieldType = integer(0, 2_147_483_647, "a whole number from 0");
export const seconds: FieldType = integer(0, Number.MAX_SAFE_INTEGER, "a whole number of seconds");
export const protocol: FieldType = word("TCP", "UDP", "SCTP");

export function integer(low: number, high: number, what: string): FieldType {
  return { kind: "integer", low, high, what };
}

export function word(...words: string[]): FieldType {
  return { kind: "word", words };
}

/** An address of either family, or one of the words that may stand for it. */
export function address(...or: string[]): FieldType {
  return { kind: "address", or };
}

export function object(fields: Fields): FieldType {
  return { kind: "object", fields };
}

export function list(of: FieldType): FieldType {
  return { kind: "list", of };
}

/** Fields that may be missing. */
export function optional(types: Readonly<Record<string, FieldType>>): Fields {
  return Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { type, required: false }]));
}

export function required(types: Readonly<Record<string, FieldType>>): Fields {
  return Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { type, required: true }]));
}

/** Fields of which only the names are known, parted by blanks. */
export function names(words: string): Fields {
  const found = words.split(/\s+/).filter((name) => name !== "");
  return Object.fromEntries(found.map((name) => [name, { type: anything, required: false }]));
}

export function checkFields(json: Json, fields: Fields, path: FieldPath, report: ObjectReport): void {
  const meant = new Set<string>();
  for (const name of Object.keys(json)) {
    if (!Object.hasOwn(fields, name)) meant.add(reportUnknown(name, fields, path, report));
  }
  for (const [name, field] of Object.entries(fields)) {
    const value = Object.hasOwn(json, name) ? json[name] : undefined;
    // The API takes null for a field that is not there.
    if (value !== undefined && value !== null) checkValue(value, field.type, [...path, name], report);
    else if (field.required && !meant.has(name))
      report.error([...path, name], `is missing: ${wanted(field.type)} is expected`);
  }
}

/**
 * A field that looks like a known one was mistyped, and what was meant by it is lost: an error. Any other may be of a newer
 * API than this table: it is named and left out. In a status, which nobody types, it is never more than that.
 * Gives back the field that was meant.
 */
function reportUnknown(name: string, fields: Fields, path: FieldPath, report: ObjectReport): string {
  const lower = name.toLowerCase();
  const known = Object.keys(fields);
  const nearest = known.find((other) => other.toLowerCase() === lower) ?? nearestWord(name, known);
  if (nearest === undefined || path[0] === "status") {
    report.warning([...path, name], "is no field that is known here: it is left out of account");
  } else report.error([...path, name], `is no known field (did you mean ${JSON.stringify(nearest)}?)`);
  return nearest ?? "";
}

function checkValue(value: unknown, type: FieldType, path: FieldPath, report: ObjectReport): void {
  switch (type.kind) {
    case "anything":
      return;
    case "object":
      if (isJsonObject(value)) checkFields(value, type.fields, path, report);
      else wrong(value, type, path, report);
      return;
    case "list":
      if (!Array.isArray(value)) wrong(value, type, path, report);
      else for (const [i, item] of value.entries()) checkValue(item, type.of, [...path, i], report);
      return;
    case "texts":
      if (isJsonObject(value)) checkTexts(value, path, report);
      else wrong(value, type, path, report);
      return;
    case "word":
      if (typeof value !== "string") wrong(value, type, path, report);
      else if (!type.words.includes(value)) reportWord(value, type.words, path, report);
      return;
    case "address":
      checkAddress(value, type, path, report);
      return;
    case "prefix":
    case "prefixes":
      if (typeof value !== "string") wrong(value, type, path, report);
      else if (value !== "") checkPrefixes(type.kind === "prefix" ? [value] : value.split(","), path, report);
      return;
    case "text":
    case "flag":
    case "integer":
    case "port-or-name":
    case "port-label":
      if (!isScalar(value, type)) wrong(value, type, path, report);
      return;
    default:
      unreachable(type);
  }
}

function unreachable(type: never): void {
  throw new Error(`a field type nobody checks: ${JSON.stringify(type)}`);
}

function isScalar(
  value: unknown,
  type: Extract<FieldType, { kind: "text" | "flag" | "integer" | "port-or-name" | "port-label" }>,
) {
  switch (type.kind) {
    case "text":
      return typeof value === "string";
    case "flag":
      return typeof value === "boolean";
    case "integer":
      return Number.isInteger(value) && Number(value) >= type.low && Number(value) <= type.high;
    case "port-label":
      return typeof value === "string" && (value === "" || (value.length <= 63 && DNS_LABEL.test(value)));
    case "port-or-name":
      if (typeof value === "string") return isPortName(value);
      return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
    default:
      return type satisfies never;
  }
}

/** RFC 1123, of whatever length. */
export const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** An IANA service name (RFC 6335): at most 15 of a-z, 0-9 and single inner dashes, with at least one letter. */
export function isPortName(name: string): boolean {
  return /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/.test(name);
}

function checkTexts(json: Json, path: FieldPath, report: ObjectReport): void {
  for (const [key, value] of Object.entries(json)) {
    if (typeof value === "string" || value === null) continue;
    const isPlain = typeof value === "number" || typeof value === "boolean";
    const hint = isPlain ? `: write it in quotes, ${JSON.stringify(String(value))}` : "";
    report.error([...path, key], `${describeJson(value)} is not a text${hint}`);
  }
}

function reportWord(value: string, words: readonly string[], path: FieldPath, report: ObjectReport): void {
  const lower = value.toLowerCase();
  const nearest = words.find((other) => other.toLowerCase() === lower) ?? nearestWord(value, words);
  const near = nearest === undefined ? "" : ` (did you mean ${JSON.stringify(nearest)}?)`;
  report.error(
    path,
    `${JSON.stringify(value)} is not one of ${words.filter((one) => one !== "").join(", ")}${near}`,
  );
}

function checkAddress(
  value: unknown,
  type: Extract<FieldType, { kind: "address" }>,
  path: FieldPath,
  report: ObjectReport,
): void {
  if (typeof value !== "string") wrong(value, type, path, report);
  else if (!type.or.includes(value)) checkAddressText(value, path, report);
}

function checkPrefixes(texts: readonly string[], path: FieldPath, report: ObjectReport): void {
  for (const text of texts) {
    const fault = explainPrefix(text.trim());
    if (fault !== null) report.error(path, fault);
  }
}

/** What is wrong with a prefix of either family; null for one that is right. */
export function explainPrefix(value: string): string | null {
  if (parsePrefix4(value) !== undefined || parsePrefix6(value) !== undefined) return null;
  return value.includes(":") ? explainPrefix6(value) : explainPrefix4(value);
}

/** Old objects may hold leading zeros, which the API then took; its programs read them as decimal. */
export function checkAddressText(value: string, path: FieldPath, report: ObjectReport): void {
  if (parseIpv4(value) !== undefined || parseIpv6(value) !== undefined) return;
  if (value.includes(":")) report.error(path, explainIpv6(value));
  else if (parseIpv4(value.replace(/(^|\.)0+(?=\d)/g, "$1")) === undefined)
    report.error(path, explainIpv4(value));
  else report.warning(path, `${JSON.stringify(value)} has leading zeros: it is read as decimal`);
}

function wrong(value: unknown, type: FieldType, path: FieldPath, report: ObjectReport): void {
  const isQuoted = type.kind === "integer" && typeof value === "string" && /^\d+$/.test(value);
  const isBare = type.kind === "text" && (typeof value === "number" || typeof value === "boolean");
  let hint = "";
  if (isQuoted) hint = ": write it without quotes";
  else if (isBare) hint = `: write it in quotes, ${JSON.stringify(String(value))}`;
  report.error(path, `${describeJson(value)} is not ${wanted(type)}${hint}`);
}

function wanted(type: FieldType): string {
  switch (type.kind) {
    case "anything":
      return "a value";
    case "text":
      return "a text";
    case "flag":
      return "true or false";
    case "integer":
      return type.what;
    case "word":
      return `one of ${type.words.join(", ")}`;
    case "port-label":
      return "a name of at most 63 small letters, digits and dashes, a letter or digit at both ends";
    case "port-or-name":
      return "a port from 1 to 65535 or the name of a container's port";
    case "address":
      return "an IP address";
    case "prefix":
    case "prefixes":
      return "a prefix such as 10.244.1.0/24";
    case "texts":
      return "a map of texts";
    case "object":
      return "an object";
    case "list":
      return "a list";
    default:
      return type satisfies never;
  }
}
