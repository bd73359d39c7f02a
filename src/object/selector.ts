import type { LabelSelector, LabelSelectorRequirement } from "kubernetes-types/meta/v1.js";

/** Label selectors (apimachinery, `labels.Selector`), as objects hold them and as `-l` takes them. */
export type Labels = Readonly<Record<string, string>>;

export type Requirement =
  | { readonly kind: "in" | "not-in"; readonly key: string; readonly values: readonly string[] }
  | { readonly kind: "exists" | "does-not-exist"; readonly key: string }
  | { readonly kind: "greater" | "less"; readonly key: string; readonly than: number };

/** Every requirement must hold; without any, everything matches. */
export type Selector = readonly Requirement[];

export function matches(selector: Selector, labels: Labels | undefined): boolean {
  return selector.every((requirement) => meets(requirement, labels ?? {}));
}

function meets(requirement: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.kind) {
    case "in":
      return value !== undefined && requirement.values.includes(value);
    case "not-in":
      // A label that is not there is none of the values.
      return value === undefined || !requirement.values.includes(value);
    case "exists":
      return value !== undefined;
    case "does-not-exist":
      return value === undefined;
    case "greater":
    case "less": {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      return requirement.kind === "greater"
        ? Number(value) > requirement.than
        : Number(value) < requirement.than;
    }
    default:
      return requirement satisfies never;
  }
}

/** A Service's or ReplicationController's selector: every pair must be there. */
export function selectorOfMap(map: Labels): Selector {
  return Object.entries(map).map(([key, value]) => ({ kind: "in", key, values: [value ?? ""] }));
}

/** A workload's or policy's selector. An operator that is none of the four is the checker's to report. */
export function selectorOf(selector: LabelSelector): Selector {
  const expressions = (selector.matchExpressions ?? []).map(requirementOf);
  return [...selectorOfMap(selector.matchLabels ?? {}), ...expressions];
}

/** Also a node selector's, which knows `Gt` and `Lt`. */
export function requirementOf({ key, operator, values = [] }: LabelSelectorRequirement): Requirement {
  switch (operator) {
    case "NotIn":
      return { kind: "not-in", key, values };
    case "Exists":
      return { kind: "exists", key };
    case "DoesNotExist":
      return { kind: "does-not-exist", key };
    case "Gt":
      return { kind: "greater", key, than: Number(values[0]) };
    case "Lt":
      return { kind: "less", key, than: Number(values[0]) };
    default:
      return { kind: "in", key, values };
  }
}

export type ParsedSelector =
  | { readonly kind: "ok"; readonly selector: Selector }
  | { readonly kind: "invalid"; readonly message: string };

/** `app=web,tier in (a, b),!canary,env!=dev`, as `kubectl -l` takes it. */
export function parseSelector(text: string): ParsedSelector {
  const selector: Requirement[] = [];
  for (const part of splitParts(text)) {
    const trimmed = part.trim();
    if (trimmed === "" && text.trim() === "") continue;
    const requirement = parseRequirement(trimmed);
    if (requirement === undefined) {
      const shown = JSON.stringify(trimmed);
      const message = `${shown} is no selector: key, !key, key=value, key!=value, key in (a, b), key notin (a, b), key>1`;
      return { kind: "invalid", message };
    }
    selector.push(requirement);
  }
  return { kind: "ok", selector };
}

/** Cuts at the commas outside of brackets. */
function splitParts(text: string): string[] {
  return text.split(/,(?![^()]*\))/);
}

const KEY = String.raw`(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?`;
const VALUE = `(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?`;
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);
const EQUALS = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const COMPARES = new RegExp(`^(${KEY})\\s*([<>])\\s*(-?\\d+)$`);
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const WHOLE_VALUE = new RegExp(`^${VALUE}$`);

function parseRequirement(text: string): Requirement | undefined {
  const exists = EXISTS.exec(text);
  if (exists !== null) return { kind: exists[1] === "!" ? "does-not-exist" : "exists", key: exists[2] ?? "" };
  const equals = EQUALS.exec(text);
  if (equals !== null) {
    const [, key = "", operator, value = ""] = equals;
    return { kind: operator === "!=" ? "not-in" : "in", key, values: [value] };
  }
  const compares = COMPARES.exec(text);
  if (compares !== null) {
    const [, key = "", operator, than] = compares;
    return { kind: operator === ">" ? "greater" : "less", key, than: Number(than) };
  }
  const set = SET.exec(text);
  if (set === null) return undefined;
  const [, key = "", operator, list = ""] = set;
  const values = list.split(",").map((value) => value.trim());
  if (!values.every((value) => WHOLE_VALUE.test(value))) return undefined;
  return { kind: operator === "in" ? "in" : "not-in", key, values };
}

/** The text `parseSelector` reads. */
export function formatSelector(selector: Selector): string {
  return selector
    .map((requirement) => {
      const { key } = requirement;
      switch (requirement.kind) {
        case "in":
        case "not-in": {
          const { values } = requirement;
          if (values.length === 1) return `${key}${requirement.kind === "in" ? "=" : "!="}${values[0]}`;
          return `${key} ${requirement.kind === "in" ? "in" : "notin"} (${values.join(",")})`;
        }
        case "exists":
          return key;
        case "does-not-exist":
          return `!${key}`;
        case "greater":
          return `${key}>${requirement.than}`;
        case "less":
          return `${key}<${requirement.than}`;
        default:
          return requirement satisfies never;
      }
    })
    .join(",");
}
