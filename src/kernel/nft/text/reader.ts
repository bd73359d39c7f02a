import { suggestion } from "../../nearest-word.ts";
import type { Token } from "./tokens.ts";

/** Something in the text that nft would not take; caught where the statement or the line begins. */
export class NftFault extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** A cursor over the words of a text. */
export class NftReader {
  readonly text: string;
  private readonly tokens: readonly Token[];
  position = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.text = text;
    this.tokens = tokens;
  }

  get token(): Token {
    return this.tokens[this.position] as Token;
  }

  peek(ahead = 1): Token {
    return (this.tokens[this.position + ahead] ?? this.tokens.at(-1)) as Token;
  }

  next(): Token {
    const token = this.token;
    if (token.kind !== "eof") this.position++;
    return token;
  }

  get atEnd(): boolean {
    return this.token.kind === "eof";
  }

  /** Is this word (not a quoted one) next? */
  is(text: string): boolean {
    const { kind, text: word } = this.token;
    return word === text && (kind === "word" || kind === "punct");
  }

  isAny(texts: ReadonlySet<string>): boolean {
    const { kind, text } = this.token;
    return kind === "word" && texts.has(text);
  }

  take(text: string): boolean {
    if (!this.is(text)) return false;
    this.position++;
    return true;
  }

  expect(text: string, what = JSON.stringify(text)): void {
    if (!this.take(text)) this.fail(`${what} is expected`);
  }

  word(what: string): string {
    const { kind, text } = this.token;
    if (kind !== "word" && kind !== "string") this.fail(`${what} is expected`);
    this.position++;
    return text;
  }

  number(what: string): number {
    const { kind, text } = this.token;
    if (kind !== "word" || !/^(\d+|0x[0-9a-f]+)$/i.test(text)) this.fail(`${what} is expected`);
    this.position++;
    return Number(text);
  }

  oneOf<T extends string>(choices: readonly T[], what: string): T {
    const { text } = this.token;
    const found = choices.find((choice) => choice === text);
    if (found === undefined) this.fail(`${what} is one of ${choices.join(", ")}${suggestion(text, choices)}`);
    this.position++;
    return found as T;
  }

  /** Past the ends of lines. */
  skipEnds(): void {
    while (this.token.kind === "end") this.position++;
  }

  /**
   * What stands between braces, where a brace opens.
   *
   * @param part reads one of the things in it, and fails where none begins
   * @param isOver asked before each: does the block end without a brace?
   * @returns the handle behind the opening brace
   */
  block(part: () => void, isOver: () => boolean = () => false): number | null {
    if (!this.take("{")) return null;
    const handle = this.handle();
    for (;;) {
      this.skipEnds();
      if (this.take("}") || isOver()) return handle;
      if (this.atEnd) this.fail('"}" is expected');
      part();
    }
  }

  handle(): number | null {
    if (this.token.kind !== "handle") return null;
    return Number(this.next().text);
  }

  fail(message: string): never {
    const { kind, text, line } = this.token;
    const found =
      kind === "eof" ? "the text ends" : kind === "end" ? "the line ends" : `${JSON.stringify(text)} stands`;
    throw new NftFault(line, `${message}; ${found} there`);
  }
}
