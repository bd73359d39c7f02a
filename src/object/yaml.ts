import { constructFromEvents, EVENT_ID, type Event, parseEvents, YAMLException } from "js-yaml";
import { isJsonObject } from "../kernel/json-fields.ts";
import type { InputError } from "../world/input-error.ts";
import type { FieldPath } from "./place.ts";
import { YamlIndex } from "./yaml-index.ts";
import { KUBECTL_SCHEMA, NotInJson } from "./yaml-schema.ts";

/**
 * YAML as kubectl reads it. The text is cut at lines `---` first, so that a document that cannot be read leaves the others
 * as they are. Of a key given twice the last counts, and a warning says so.
 */

/** One document of a text, YAML or JSON, with the places of its fields. */
export interface TextDocument {
  readonly file: string;
  /** From 1 within the file. */
  readonly document: number;
  /** Line in the file at which it begins. */
  readonly line: number;
  readonly value: unknown;
  /** Line in the file of a field, or of the nearest field around it. */
  lineOf(path: FieldPath): number | null;
}

export interface ReadDocuments {
  readonly documents: readonly TextDocument[];
  readonly errors: readonly InputError[];
  readonly warnings: readonly InputError[];
}

export function readYaml(file: string, text: string): ReadDocuments {
  const documents: TextDocument[] = [];
  const errors: InputError[] = [];
  const warnings: InputError[] = [];
  let document = 0;
  for (const piece of splitDocuments(text)) {
    if (isBlank(piece.text)) continue;
    document++;
    const read = readPiece(file, document, piece);
    documents.push(...read.documents);
    errors.push(...read.errors);
    warnings.push(...read.warnings);
    // A piece with directives or `--- value` lines may hold several.
    document += Math.max(0, read.documents.length - 1);
  }
  return { documents, errors, warnings };
}

interface Piece {
  readonly text: string;
  /** Line of the file at which it begins, from 1. */
  readonly line: number;
}

/** Cuts at `---` alone on its line, blanks and a comment behind it allowed (apimachinery, `YAMLReader`). */
function splitDocuments(text: string): Piece[] {
  const clean = (text.startsWith("\ufeff") ? text.slice(1) : text).replaceAll("\r\n", "\n");
  const pieces: Piece[] = [];
  const separator = /^---[ \t]*(?:#.*)?$/gm;
  let start = 0;
  let line = 1;
  for (const match of clean.matchAll(separator)) {
    const piece = clean.slice(start, match.index);
    pieces.push({ text: piece, line });
    // The rest of the separator's line counts as its own line, which the next piece begins with.
    line += countLines(piece);
    start = match.index + match[0].length;
  }
  pieces.push({ text: clean.slice(start), line });
  return pieces;
}

function countLines(text: string): number {
  let count = 0;
  for (let i = text.indexOf("\n"); i !== -1; i = text.indexOf("\n", i + 1)) count++;
  return count;
}

function isBlank(text: string): boolean {
  return !/^(?!\s*(?:#|\.\.\.|$))/m.test(text);
}

function readPiece(file: string, document: number, piece: Piece): ReadDocuments {
  const at = (line: number) => piece.line + line - 1;
  let events: Event[];
  try {
    events = parseEvents(piece.text, {});
  } catch (error) {
    return failed(file, document, piece, error);
  }
  const index = new YamlIndex(piece.text, events);
  const warnings: InputError[] = [];
  let values: unknown[];
  const options = { source: piece.text, schema: KUBECTL_SCHEMA, maxTotalMergeKeys: 100_000 };
  try {
    values = constructFromEvents(events, options);
  } catch (error) {
    if (!isDuplicate(error)) return failed(file, document, piece, error);
    for (const { key, line, first } of index.duplicates()) {
      const message = `the key ${JSON.stringify(key)} stands here a second time (first in line ${at(first)}): the last one counts`;
      warnings.push({ file, line: at(line), field: null, message });
    }
    try {
      values = constructFromEvents(events, { ...options, json: true });
    } catch (again) {
      return failed(file, document, piece, again);
    }
  }
  if (isBomb(events, values)) {
    const message = "the aliases of this document expand to more than ten million values: it is not read";
    return { documents: [], errors: [{ file, line: piece.line, field: null, message }], warnings };
  }
  const roots = index.roots();
  const documents = values.map((value, i): TextDocument => {
    const root = roots[i] ?? 1;
    return {
      file,
      document: document + i,
      line: at(index.lineOf(root, []) ?? 1),
      value,
      lineOf: (path) => {
        const found = indexOfPiece(piece).lineOf(root, path);
        return found === null ? null : at(found);
      },
    };
  });
  return { documents: documents.filter(({ value }) => value !== null), errors: [], warnings };
}

/** Few fields are ever asked for: what the parser told of a piece is not kept, but had again. */
function indexOfPiece(piece: Piece): YamlIndex {
  if (lastIndexed?.piece !== piece) {
    lastIndexed = { piece, index: new YamlIndex(piece.text, parseEvents(piece.text, {})) };
  }
  return lastIndexed.index;
}

let lastIndexed: { readonly piece: Piece; readonly index: YamlIndex } | null = null;

function isDuplicate(error: unknown): boolean {
  return error instanceof YAMLException && error.reason === "duplicated mapping key";
}

function failed(file: string, document: number, piece: Piece, error: unknown): ReadDocuments {
  const where = document > 1 ? `document ${document} ` : "";
  if (error instanceof NotInJson) {
    const line =
      piece.line +
      Math.max(
        0,
        piece.text.split("\n").findIndex((row) => row.includes(error.text)),
      );
    const message = `${where === "" ? "" : `${where}cannot be read: `}${error.message}`;
    return { documents: [], errors: [{ file, line, field: null, message }], warnings: [] };
  }
  if (!(error instanceof YAMLException)) throw error;
  const template = piece.text.split("\n").findIndex((row) => /^[^#]*\{\{.*\}\}/.test(row));
  if (template >= 0) {
    const message = `${where === "" ? "the document " : where}is a template with {{ … }} in it: give what it comes to, such as \`helm template\` prints`;
    return {
      documents: [],
      errors: [{ file, line: piece.line + template, field: null, message }],
      warnings: [],
    };
  }
  const { mark, reason } = error;
  const line = mark === undefined ? piece.line : piece.line + mark.line;
  const column = mark === undefined ? "" : ` (column ${mark.column + 1})`;
  const message = `${where}is no YAML that can be read: ${reason}${column}`;
  const subject = where === "" ? `the document ${message}` : message;
  return { documents: [], errors: [{ file, line, field: null, message: subject }], warnings: [] };
}

const MOST_VALUES = 10_000_000;

/** Aliases of aliases grow without bound once somebody walks over them ("billion laughs"). */
function isBomb(events: readonly Event[], values: readonly unknown[]): boolean {
  if (!events.some(({ type }) => type === EVENT_ID.ALIAS)) return false;
  const sizes = new Map<object, number>();
  const sizeOf = (value: unknown): number => {
    if (typeof value !== "object" || value === null) return 1;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    // An alias within its own anchor would never end.
    sizes.set(value, Number.POSITIVE_INFINITY);
    const parts = Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : [];
    const size = parts.reduce((sum: number, part) => sum + sizeOf(part), 1);
    sizes.set(value, size);
    return size;
  };
  return values.some((value) => sizeOf(value) > MOST_VALUES);
}
