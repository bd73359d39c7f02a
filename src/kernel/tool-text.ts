import type { Json } from "./json-fields.ts";

/** A line of a tool's output and where it stands in its file, from 1. */
export interface TextLine {
  readonly number: number;
  readonly text: string;
}

/**
 * What a tool printed for people, in the form of what it prints with `-j`, which has one reader already. Lines that are none
 * of the tool's are handed back: a shell's complaint, a remark.
 */
export interface ToolText {
  readonly items: readonly Json[];
  /** The line that an object was read from: of items, and of objects inside them. */
  readonly lineOf: ReadonlyMap<Json, number>;
  readonly faults: readonly TextFault[];
  readonly odd: readonly TextLine[];
}

/** A line that begins as the tool's does and goes on otherwise: cut off, or damaged. */
export interface TextFault {
  readonly line: number;
  readonly message: string;
}

/** A line of a dump that its tool would not take back. */
export interface LineError {
  /** Counted from 1. */
  readonly line: number;
  /** The whole line. */
  readonly text: string;
  /** What is wrong, and what would be right. */
  readonly message: string;
}

/** A `ToolText` being read. */
export class ToolTextDraft implements ToolText {
  readonly items: Json[] = [];
  readonly lineOf = new Map<Json, number>();
  readonly faults: TextFault[] = [];
  readonly odd: TextLine[] = [];

  add(item: Json, line: TextLine): void {
    this.items.push(item);
    this.lineOf.set(item, line.number);
  }

  fault(line: TextLine, message: string): void {
    this.faults.push({ line: line.number, message });
  }
}

/** The lines of a text, numbered from 1, whatever ends them. */
export function linesOf(text: string): TextLine[] {
  return text.split("\n").map((line, i) => ({ number: i + 1, text: line.replace(/\r$/, "") }));
}

/** Words of a line taken one by one, as iproute2 prints them: a name, then its value. */
export class WordReader {
  readonly #words: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#words = text.split(/\s+/).filter((word) => word !== "");
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  peek(): string {
    return this.#words[this.#at] ?? "";
  }

  /** "" behind the last. */
  next(): string {
    return this.#words[this.#at++] ?? "";
  }
}
