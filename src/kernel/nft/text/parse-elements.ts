import { dataType } from "../datatype.ts";
import {
  type ElementData,
  type NftConstant,
  type NftExpression,
  plainElement,
  type SetElement,
  type SetElements,
  type SetSource,
} from "../expression.ts";
import { typesOf } from "../fields.ts";
import type { NftVerdict } from "../statement.ts";
import { parseKey, takeConstant } from "./parse-expression.ts";
import { parseStateful, STATEFUL } from "./parse-stateful.ts";
import type { NftReader } from "./reader.ts";
import { parseTime } from "./time.ts";

/** What stands behind an element's colon; null for a set, which has none. */
export type ElementKind =
  | { readonly kind: "verdict" }
  | { readonly kind: "object" }
  | { readonly kind: "value"; readonly types: readonly string[] }
  | null;

/** `{ … }`, over as many lines as it takes. */
export function parseElements(reader: NftReader, types: readonly string[], kind: ElementKind): SetElements {
  const elements: SetElement[] = [];
  reader.expect("{");
  for (;;) {
    reader.skipEnds();
    if (reader.take("}")) return elements;
    elements.push(parseElement(reader, types, kind));
    reader.skipEnds();
    if (!reader.take(",") && !reader.is("}")) reader.fail('"," or "}" is expected');
  }
}

function parseElement(reader: NftReader, types: readonly string[], kind: ElementKind): SetElement {
  let element = options(reader, plainElement(parseKey(reader, types)));
  if (kind === null) return element;
  if (!reader.take(":")) return reader.fail('":" and what the key stands for are expected');
  reader.skipEnds();
  element = { ...element, data: parseData(reader, kind) };
  return options(reader, element);
}

function options(reader: NftReader, start: SetElement): SetElement {
  let element = start;
  for (;;) {
    if (reader.take("timeout")) element = { ...element, timeoutMs: takeTime(reader) };
    else if (reader.take("expires")) element = { ...element, expiresMs: takeTime(reader) };
    else if (reader.take("comment")) element = { ...element, comment: reader.word("a comment") };
    else if (reader.isAny(STATEFUL)) {
      element = { ...element, statements: [...element.statements, parseStateful(reader)] };
    } else return element;
  }
}

function parseData(reader: NftReader, kind: NonNullable<ElementKind>): ElementData {
  switch (kind.kind) {
    case "verdict":
      return { kind: "verdict", verdict: parseVerdict(reader) };
    case "object":
      return { kind: "object", name: reader.word("an object's name") };
    case "value":
      return { kind: "value", value: parseKey(reader, kind.types) };
    default:
      kind satisfies never;
      throw new Error("unknown kind of element");
  }
}

export const VERDICTS: ReadonlySet<string> = new Set([
  "accept",
  "drop",
  "continue",
  "return",
  "jump",
  "goto",
]);

export function parseVerdict(reader: NftReader): NftVerdict {
  const kind = reader.oneOf(["accept", "drop", "continue", "return", "jump", "goto"] as const, "a verdict");
  if (kind !== "jump" && kind !== "goto") return { kind };
  return { kind, chain: reader.word("a chain's name") };
}

export function takeTime(reader: NftReader): number {
  const { text } = reader.token;
  const ms = parseTime(text);
  if (ms === undefined) reader.fail("a time such as 1h30m is expected");
  reader.next();
  return ms as number;
}

/** What a match compares with: a set, a list of flags, a range, a prefix or a value. */
export function parseRight(
  reader: NftReader,
  types: readonly string[],
  kind: ElementKind = null,
): NftExpression {
  if (reader.is("{") || (reader.is("@") && reader.peek(2).text !== ","))
    return parseSetSource(reader, types, kind);
  const first = parseKey(reader, types);
  if (!reader.is(",") || first.kind !== "constant" || !dataType(first.type).isBitmask) return first;
  const values = [first];
  while (reader.take(",")) {
    const value = takeConstant(reader, first.type);
    if (value === null) reader.fail(`a value of ${first.type} is expected`);
    values.push(value as NftConstant);
  }
  return { kind: "list", values };
}

/** `{ … }` or `@name`. */
export function parseSetSource(reader: NftReader, types: readonly string[], kind: ElementKind): SetSource {
  if (reader.take("@")) return { kind: "set-reference", name: reader.word("a set's name") };
  return { kind: "set", elements: parseElements(reader, types, kind) };
}

/** A value that is set or translated to: a constant, an expression, or what a map says. */
export function parseValue(reader: NftReader, types: readonly string[]): NftExpression {
  const value = parseKey(reader, types);
  if (!reader.take("map")) return value;
  return { kind: "map", key: value, data: parseSetSource(reader, typesOf(value), { kind: "value", types }) };
}
