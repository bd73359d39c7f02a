import { fieldOf } from "../kernel/json-fields.ts";

/**
 * Why a text is no JSON, and where: one sentence with line and column, and what is missing when the text was cut off.
 * Read only after `JSON.parse` has refused a text, so that it may take its time; it goes through the text once.
 */
export interface JsonTextFault {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

/** `whole` names what the text should have held, such as "a snapshot". */
export function explainJsonText(text: string, whole: string): JsonTextFault {
  if (text.trim() === "") return { line: 1, message: `the file is empty: ${whole} is expected` };
  if (text.startsWith("\u001f")) {
    return { line: 1, message: `the file is still compressed (gzip): ${whole} is expected as text` };
  }
  const scanner = new Scanner(text, whole);
  const message = scanner.run();
  return { line: scanner.line(), message };
}

/** A list or object that is open where the scanner stands. */
interface Open {
  readonly bracket: "[" | "{";
  /** The key or index that is being read. */
  key: string | number;
}

/** A path is shown up to here. */
const MOST_STEPS = 20;

const SPACE = /[ \t\r\n]*/y;
const QUOTE = 34;
const BACKSLASH = 92;
const LITERAL = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

class Scanner {
  readonly #text: string;
  readonly #whole: string;
  readonly #open: Open[] = [];
  #at = 0;

  constructor(text: string, whole: string) {
    this.#text = text;
    this.#whole = whole;
  }

  line(): number {
    let line = 1;
    for (let i = this.#text.indexOf("\n"); i !== -1 && i < this.#at; i = this.#text.indexOf("\n", i + 1))
      line++;
    return line;
  }

  run(): string {
    for (;;) {
      const fault = this.#value();
      if (fault !== null) return fault;
      const end = this.#afterValue();
      if (end !== null) return end;
    }
  }

  /** Reads a value, or opens a list or object and stands before its first value. */
  #value(): string | null {
    for (;;) {
      this.#skip(SPACE);
      const char = this.#text[this.#at];
      if (char === undefined) return this.#cut();
      if (char === '"') return this.#string("a text");
      if (char !== "{" && char !== "[") return this.#literal();
      this.#at++;
      this.#skip(SPACE);
      const close = char === "{" ? "}" : "]";
      this.#open.push({ bracket: char, key: char === "{" ? "" : 0 });
      if (this.#text[this.#at] === close) {
        this.#open.pop();
        this.#at++;
        return null;
      }
      const fault = char === "{" ? this.#key() : null;
      if (fault !== null) return fault;
    }
  }

  #literal(): string | null {
    const start = this.#at;
    this.#skip(LITERAL);
    if (this.#at === start) {
      return this.#restIsCutWord() ? this.#cut() : this.#unexpected("a value");
    }
    return this.#at === this.#text.length ? this.#cut() : null;
  }

  /** Closes what ends here; stands before the next value, or says how the text ends. */
  #afterValue(): string | null {
    for (;;) {
      this.#skip(SPACE);
      const inner = this.#open.at(-1);
      const char = this.#text[this.#at];
      if (inner === undefined) {
        return char === undefined
          ? `is no JSON that can be read, though its brackets match: ${this.#whole} is expected`
          : this.#unexpected("the end of the file");
      }
      if (char === undefined) return this.#cut();
      const close = inner.bracket === "{" ? "}" : "]";
      if (char === close) {
        this.#open.pop();
        this.#at++;
        continue;
      }
      if (char !== ",") return this.#unexpected(`a comma or ${close}`);
      this.#at++;
      this.#skip(SPACE);
      if (inner.bracket === "{") return this.#key();
      inner.key = (inner.key as number) + 1;
      return null;
    }
  }

  #key(): string | null {
    const inner = this.#open.at(-1);
    if (this.#at === this.#text.length) return this.#cut();
    if (this.#text[this.#at] !== '"') return this.#unexpected("a field's name in double quotes");
    const start = this.#at;
    const fault = this.#string("a field's name");
    if (fault !== null) return fault;
    if (inner !== undefined) inner.key = JSON.parse(this.#text.slice(start, this.#at)) as string;
    this.#skip(SPACE);
    if (this.#at === this.#text.length) return this.#cut();
    if (this.#text[this.#at] !== ":") return this.#unexpected("a colon");
    this.#at++;
    return null;
  }

  /** By hand and not by pattern: a text may be tens of megabytes long. */
  #string(what: string): string | null {
    const text = this.#text;
    for (let at = this.#at + 1; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at + 1;
        return null;
      }
      if (code < 0x20) {
        this.#at = at;
        return `${this.#place()}: ${what} holds ${show(text[at] ?? "")}, which must be escaped (was its end lost?)`;
      }
      if (code !== BACKSLASH) continue;
      const sequence = text.slice(at, at + 6);
      if (/^\\u[0-9a-fA-F]{4}$/.test(sequence)) at += 5;
      else if (/^\\["\\/bfnrt]/.test(sequence)) at++;
      else if (at + sequence.length < text.length || !/^\\(u[0-9a-fA-F]*)?$/.test(sequence)) {
        this.#at = at;
        return `${this.#place()}: ${what} has the escape ${sequence.slice(0, 2)}, which JSON does not know`;
      }
    }
    return this.#cut();
  }

  #cut(): string {
    this.#at = this.#text.length;
    const path = this.#path();
    const missing = this.#open.map((open) => (open.bracket === "{" ? "}" : "]")).reverse();
    const ends = missing.length === 0 ? "" : ` ${closing(missing)} missing:`;
    const where = path === "" ? "its first value" : path;
    const last = this.#open[0]?.bracket === "[" ? "]" : "}";
    return `the file ends in the middle of ${where};${ends} ${this.#whole} ends with ${last}`;
  }

  #unexpected(wanted: string): string {
    const char = show(String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0));
    const path = this.#path();
    return `${this.#place()}: ${wanted} is expected${path === "" ? "" : ` in ${path}`}, not ${char}`;
  }

  #place(): string {
    return `column ${this.#at - this.#text.lastIndexOf("\n", this.#at - 1)}`;
  }

  #path(): string {
    let path = "";
    for (const { bracket, key } of this.#open.slice(0, MOST_STEPS)) {
      if (bracket === "[") path += `[${key}]`;
      else if (key !== "") path = fieldOf(path, String(key));
    }
    return this.#open.length > MOST_STEPS ? `${path}…` : path;
  }

  #restIsCutWord(): boolean {
    const rest = this.#text.slice(this.#at, this.#at + 6);
    return (
      /^-$/.test(rest) || (rest.length < 5 && ["true", "false", "null"].some((word) => word.startsWith(rest)))
    );
  }

  #skip(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    if (pattern.test(this.#text)) this.#at = pattern.lastIndex;
  }
}

function closing(missing: readonly string[]): string {
  const shown = missing.length > 8 ? `${missing.slice(0, 8).join("")}…` : missing.join("");
  return `${shown} ${missing.length === 1 ? "is" : "are"}`;
}

function show(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (char === "\n") return "the end of the line";
  return code < 0x20 || code === 0xfffd
    ? `the byte 0x${code.toString(16).padStart(2, "0")}`
    : JSON.stringify(char);
}
