import { parseEvents } from "js-yaml";
import type { InputError } from "../world/input-error.ts";
import { explainJsonText } from "../world/json-text.ts";
import type { FieldPath } from "./place.ts";
import { type ReadDocuments, readYaml, type TextDocument } from "./yaml.ts";
import { YamlIndex } from "./yaml-index.ts";

/**
 * The documents of a text, JSON or YAML by its first character as kubectl decides it: one JSON value, several behind one
 * another, or YAML.
 */
export function readDocuments(file: string, text: string): ReadDocuments {
  const clean = text.startsWith("\ufeff") ? text.slice(1) : text;
  const first = /\S/.exec(clean)?.[0];
  if (first !== "{" && first !== "[") return readYaml(file, clean);
  try {
    return { documents: [jsonDocument(file, 1, 1, clean)], errors: [], warnings: [] };
  } catch {
    return readStream(file, clean) ?? readFlowYaml(file, clean);
  }
}

function jsonDocument(file: string, document: number, line: number, text: string): TextDocument {
  const value: unknown = JSON.parse(text);
  let index: YamlIndex | null | undefined;
  const lineOf = (path: FieldPath): number | null => {
    // JSON is YAML, but for few odd texts: those have no lines.
    if (index === undefined) index = indexOf(text);
    // The event before is the document's own.
    const found = index?.lineOf(1, path) ?? null;
    return found === null ? null : line + found - 1;
  };
  return { file, document, line, value, lineOf };
}

function indexOf(text: string): YamlIndex | null {
  try {
    return new YamlIndex(text, parseEvents(text, {}));
  } catch {
    return null;
  }
}

/** JSON values behind one another; undefined when the text is anything else. */
function readStream(file: string, text: string): ReadDocuments | undefined {
  const documents: TextDocument[] = [];
  let line = 1;
  for (const piece of splitValues(text)) {
    try {
      if (piece.trim() !== "") documents.push(jsonDocument(file, documents.length + 1, line, piece));
    } catch {
      return undefined;
    }
    line += piece.split("\n").length - 1;
  }
  return { documents, errors: [], warnings: [] };
}

/** Cuts behind every closing bracket that closes the outermost one. */
function* splitValues(text: string): Generator<string> {
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else continue;
    if (depth > 0) continue;
    yield text.slice(start, index + 1);
    start = index + 1;
    depth = 0;
  }
  yield text.slice(start);
}

/** `{apiVersion: v1}` is no JSON but YAML; where the first key is in quotes, or there is none, JSON was meant. */
function readFlowYaml(file: string, text: string): ReadDocuments {
  if (/^\s*[{[][\s{[]*[\w-]+\s*:/.test(text)) return readYaml(file, text);
  const { line, message } = explainJsonText(text, "a whole document");
  const error: InputError = { file, line, field: null, message };
  return { documents: [], errors: [error], warnings: [] };
}
