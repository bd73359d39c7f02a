import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import type { TextLine, ToolText } from "../../kernel/tool-text.ts";
import type { HostPlaces } from "../../world/host-in/reading.ts";
import type { InputError } from "../../world/input-error.ts";
import type { Source } from "../../world/world.ts";

/** A line of a text that was put together, with the file and line it stands for. */
export interface PlacedLine extends TextLine {
  readonly file: string;
}

export function placed(file: string, line: TextLine): PlacedLine {
  return { file, ...line };
}

/**
 * One host being put together from tools' outputs: its JSON in a snapshot's form, where every part of it stands, and what
 * there is to say about it.
 */
export class DumpDraft implements HostPlaces {
  readonly #json: Record<string, unknown> = {};
  readonly #objects = new Map<Json, Source>();
  readonly #lines = new Map<string, readonly Source[]>();
  readonly #odd = new Map<string, number[]>();
  readonly errors: InputError[] = [];
  readonly warnings: InputError[] = [];
  readonly assumptions: string[] = [];

  get json(): Json {
    return this.#json;
  }

  has(field: string): boolean {
    return Object.hasOwn(this.#json, field);
  }

  /** The objects of a field that is a list. */
  list(field: string): readonly Json[] {
    const value = this.#json[field];
    return Array.isArray(value) ? value.filter(isJsonObject) : [];
  }

  set(field: string, value: unknown): void {
    this.#json[field] = value;
  }

  /** Items behind those that are there, each once. */
  add(field: string, items: readonly Json[]): void {
    const before = this.list(field);
    const known = new Set(before.map((item) => JSON.stringify(item)));
    const added = items.filter((item) => !known.has(JSON.stringify(item)));
    this.#json[field] = [...before, ...added];
  }

  /** A text put together from lines of files; what is there already stays above it. */
  text(field: string, lines: readonly PlacedLine[]): void {
    const before = this.#json[field];
    const joined = lines.map(({ text }) => `${text}\n`).join("");
    this.#json[field] = (typeof before === "string" ? before : "") + joined;
    const places = lines.map(({ file, number }): Source => ({ file, field: null, line: number }));
    this.#lines.set(field, [...(this.#lines.get(field) ?? []), ...places]);
  }

  /** Where the lines stand of a text that is one of several of its field: `ovsFlows.br-int`. */
  ovsLines(field: string, lines: readonly PlacedLine[]): void {
    const places = lines.map(({ file, number }): Source => ({ file, field: null, line: number }));
    this.#lines.set(field, [...(this.#lines.get(field) ?? []), ...places]);
  }

  /** What a tool's text said: its places, its mistakes and its odd lines. */
  take(file: string, { lineOf, faults, odd }: Omit<ToolText, "items">): void {
    for (const [object, line] of lineOf) this.place(object, file, line);
    for (const { line, message } of faults) this.error(file, line, message);
    for (const { number } of odd) this.odd(file, number);
  }

  place(object: Json, file: string, line: number | null, field: string | null = null): void {
    this.#objects.set(object, { file, field, line });
  }

  /** The place of an object that was made of another. */
  placeLike(object: Json, other: Json): void {
    const place = this.#objects.get(other);
    if (place !== undefined) this.#objects.set(object, place);
  }

  error(file: string, line: number | null, message: string): void {
    this.errors.push({ file, line, field: null, message });
  }

  odd(file: string, line: number): void {
    this.#odd.set(file, [...(this.#odd.get(file) ?? []), line]);
  }

  note(file: string, message: string): void {
    this.warnings.push({ file, line: null, field: null, message });
  }

  assume(text: string): void {
    if (!this.assumptions.includes(text)) this.assumptions.push(text);
  }

  ofObject(json: Json): Source | undefined {
    return this.#objects.get(json);
  }

  ofLine(field: string, line: number): Source | undefined {
    const parts = field.split(".");
    const two = parts.slice(-2).join(".");
    return (this.#lines.get(two) ?? this.#lines.get(parts.at(-1) ?? field))?.[line - 1];
  }

  /** Lines inside outputs that are none of the tool's, a line of warning a file. */
  oddLines(): InputError[] {
    return [...this.#odd].map(([file, lines]) => {
      const which =
        lines.length === 1
          ? "a line is none of the tool's output"
          : `${lines.length} lines are none of the tool's output`;
      return { file, line: lines[0] ?? null, field: null, message: `${which}: left out` };
    });
  }

  /** A fault of the host's JSON, told where the file has it: `addrs[0].addr_info[1].local`, `iptablesSave:17`. */
  errorAt(path: string, message: string): InputError {
    const [, field, number] = /^(.*):(\d+)$/.exec(path) ?? [];
    const place = field === undefined ? this.#placeOfPath(path) : this.ofLine(field, Number(number));
    const shown = field === undefined ? (/[^.[\]]+$/.exec(path)?.[0] ?? path) : null;
    if (place === undefined) return { file: "", line: null, field: path, message };
    return { file: place.file, line: place.line, field: place.field ?? shown, message };
  }

  #placeOfPath(path: string): Source | undefined {
    let value: unknown = this.#json;
    let place: Source | undefined;
    for (const [, name, index] of path.matchAll(/(?:^|\.)([\w-]+)|\[(\d+)\]/g)) {
      if (index !== undefined && Array.isArray(value)) value = value[Number(index)];
      else if (name !== undefined && isJsonObject(value)) value = value[name];
      else break;
      if (isJsonObject(value)) place = this.#objects.get(value) ?? place;
    }
    return place;
  }
}
