import { describeJson, isJsonObject, type Json } from "../kernel/json-fields.ts";
import { checkVersion } from "./api-versions.ts";
import { withDefaults, withNamespace } from "./defaults.ts";
import { checkFields } from "./field-table.ts";
import { listPaths, withoutHidden } from "./hidden.ts";
import { fromInternalForm, isInternalForm, pluralOfSelfLink } from "./internal-names.ts";
import { isTypedKind, KIND_FIELDS } from "./kind-fields.ts";
import { groupOf, isNamespaced, kindInGroup, kindNamed, kindOfWord } from "./kinds.ts";
import type { KubernetesObject } from "./kubernetes-object.ts";
import { type Findings, ObjectReport } from "./object-report.ts";
import { checkRules } from "./object-rules.ts";
import { type FieldPath, formatFieldPath, type Place } from "./place.ts";
import type { TextDocument } from "./yaml.ts";

/**
 * The API objects of a document: itself, or those of a List, a bare list, a dump in internal form. Each is checked and given
 * the API's defaults; what cannot be believed is reported and left out.
 */
export function readObjects(
  document: TextDocument,
  findings: Findings,
  defaultNamespace = "default",
): KubernetesObject[] {
  return new ObjectsReader(document, findings, defaultNamespace).read();
}

/** Whether a document's value is an API object, a List of them, or one of the older forms. */
export function holdsObjects(value: unknown): boolean {
  if (Array.isArray(value))
    return value.length > 0 && value.every((item) => isJsonObject(item) && holdsObjects(item));
  if (!isJsonObject(value)) return false;
  if (isInternalForm(value)) return true;
  const { apiVersion, kind, metadata } = value;
  if (typeof kind === "string" && kind.endsWith("List") && Object.hasOwn(value, "items")) return true;
  if (isJsonObject(metadata)) return true;
  return typeof apiVersion === "string" && typeof kind === "string" && kindNamed(kind) !== undefined;
}

/** What an item of a List leaves out because the List says it. */
interface Inherited {
  readonly apiVersion: string | undefined;
  readonly kind: string | undefined;
}

class ObjectsReader {
  readonly #document: TextDocument;
  readonly #findings: Findings;
  readonly #namespace: string;
  readonly #objects: KubernetesObject[] = [];

  constructor(document: TextDocument, findings: Findings, namespace: string) {
    this.#document = document;
    this.#findings = findings;
    this.#namespace = namespace;
  }

  read(): KubernetesObject[] {
    this.#readValue(this.#document.value, [], kindOfFile(this.#document.file));
    return this.#objects;
  }

  #readValue(value: unknown, base: FieldPath, inherited: Inherited): void {
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) this.#readValue(item, [...base, i], inherited);
    } else if (!isJsonObject(value)) {
      const where = base.length === 0 ? "document" : formatFieldPath(base);
      this.#report(base, where).error([], `${describeJson(value)} is no API object`);
    } else if (isInternalForm(value)) {
      this.#readList(fromInternalForm(value), base, inherited);
    } else this.#readList(value, base, inherited);
  }

  #readList(json: Json, base: FieldPath, inherited: Inherited): void {
    const { items, kind, apiVersion } = json;
    const isList = typeof kind === "string" ? kind.endsWith("List") : Array.isArray(items);
    if (!isList || items === undefined) {
      this.#readObject(json, base, inherited);
      return;
    }
    // kubectl prints null for no items.
    if (items === null) return;
    if (!Array.isArray(items)) {
      this.#report(base, String(kind)).error(["items"], `${describeJson(items)} is not a list`);
      return;
    }
    const link = linkOf(json);
    const isOfOneKind = typeof kind === "string" && kind !== "List";
    const itemKind = isOfOneKind ? kind.slice(0, -"List".length) : (link?.kind ?? inherited.kind);
    const version =
      typeof apiVersion === "string" && kind !== "List"
        ? apiVersion
        : (link?.apiVersion ?? inherited.apiVersion);
    const own: Inherited = { apiVersion: version, kind: itemKind };
    for (const [i, item] of items.entries()) this.#readValue(item, [...base, "items", i], own);
  }

  #readObject(json: Json, base: FieldPath, inherited: Inherited): void {
    const link = linkOf(json);
    const apiVersion = textIn(json, "apiVersion") ?? link?.apiVersion ?? inherited.apiVersion;
    const written = textIn(json, "kind") ?? link?.kind ?? inherited.kind;
    const kind = written === undefined ? undefined : kindInGroup(written, apiVersion ?? "");
    const { metadata } = json;
    const name = isJsonObject(metadata) ? textIn(metadata, "name") : undefined;
    const report = this.#report(base, `${kind ?? "object"} ${name ?? "without a name"}`);
    if (kind === undefined || apiVersion === undefined) {
      const missing = kind === undefined ? "kind" : "apiVersion";
      report.error([missing], "is missing: every API object says its apiVersion and kind");
      return;
    }
    if (name === undefined || name === "") {
      report.error(["metadata", "name"], "is missing: every object has a name");
      return;
    }
    const { json: uncovered, paths } = withoutHidden({ ...json, apiVersion, kind });
    const first = paths[0];
    if (first !== undefined) {
      const verb = paths.length === 1 ? "is" : "are";
      report.warning(first, `***HIDDEN*** in this dump: ${listPaths(paths)} ${verb} taken as not there`);
    }
    this.#add(uncovered, kind, name, base);
  }

  #add(json: Json, kind: string, name: string, base: FieldPath): void {
    const { apiVersion, metadata } = json;
    const namespace = isJsonObject(metadata) ? textIn(metadata, "namespace") : undefined;
    const full = isNamespaced(kind) ? `${namespace ?? this.#namespace}/${name}` : name;
    const report = this.#report(base, `${kind} ${full}`);
    const groups = kindNamed(kind)?.groups;
    const isOurs = isTypedKind(kind) && (groups?.includes(groupOf(String(apiVersion))) ?? false);
    const before = this.#findings.errors.length;
    checkVersion(String(apiVersion), kind, report);
    if (isOurs) checkFields(json, KIND_FIELDS[kind], [], report);
    const document = this.#document;
    // Looked up when asked for: a List may be long.
    const place: Place = {
      file: document.file,
      document: document.document,
      get line() {
        return base.length === 0 ? document.line : document.lineOf(base);
      },
      by: null,
      lineOf: (path) => document.lineOf([...base, ...path]),
    };
    if (this.#findings.errors.length > before) return;
    const filled = isOurs ? withDefaults(json, this.#namespace) : withNamespace(json, this.#namespace);
    const object = { ...filled, place } as unknown as KubernetesObject;
    if (isOurs) checkRules(object, report);
    if (this.#findings.errors.length === before) this.#objects.push(object);
  }

  #report(base: FieldPath, name: string): ObjectReport {
    return new ObjectReport(this.#document, base, name, this.#findings);
  }
}

/**
 * The files of a `cluster-info dump` are named after what they hold, `replication-controllers.json`: the last resort where
 * nothing in them says it.
 */
function kindOfFile(file: string): Inherited {
  const base = file.split(/[\\/]/).at(-1) ?? "";
  const known = base.endsWith(".json")
    ? kindOfWord(base.replace(/\.json$/, "").replaceAll("-", ""))
    : undefined;
  if (known === undefined) return { apiVersion: undefined, kind: undefined };
  const [group = ""] = known.groups;
  return { apiVersion: group === "" ? "v1" : `${group}/v1`, kind: known.kind };
}

function textIn(json: Json, name: string): string | undefined {
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  return typeof value === "string" ? value : undefined;
}

/** The kind that an object's or List's `selfLink` gives away. */
function linkOf(json: Json): { readonly apiVersion: string; readonly kind: string } | undefined {
  const { metadata, selfLink } = json;
  const link = textIn(isJsonObject(metadata) ? metadata : {}, "selfLink") ?? selfLink;
  const found = typeof link === "string" ? pluralOfSelfLink(link) : null;
  if (found === null) return undefined;
  const known = kindOfWord(found.plural)?.kind;
  // Of an unknown kind the plural says enough: networks are of kind Network.
  const kind = known ?? found.plural.replace(/s$/, "").replace(/^./, (letter) => letter.toUpperCase());
  return { apiVersion: found.apiVersion, kind };
}
