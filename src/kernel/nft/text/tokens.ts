/** nft's text cut into words, as its scanner does (nftables' src/scanner.l). */
export interface Token {
  readonly kind: "word" | "string" | "punct" | "end" | "handle" | "eof";
  /** A string without its quotes; a handle's number. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** Where it begins and ends in the text. */
  readonly at: number;
  readonly until: number;
}

export type Tokens =
  | { readonly kind: "ok"; readonly tokens: readonly Token[] }
  | { readonly kind: "invalid"; readonly line: number; readonly message: string };

const MAC = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![0-9a-f:])/iy;
const SIX = /(?:[0-9a-f]{0,4}:){2,7}(?:\d+\.\d+\.\d+\.\d+|[0-9a-f]{0,4})/iy;
const FOUR = /\d+\.\d+\.\d+\.\d+/y;

const PUNCT = "{}()[],;:@=<>!|&^*/+.$-";
const PAIRS: ReadonlySet<string> = new Set(["<<", ">>", "<=", ">=", "==", "!="]);

// What a character may be part of, by its code.
const WORD_START = 1;
const WORD = 2;
const DIGIT = 4;
/** Of an address: hexadecimal digits and colons. */
const ADDRESS = 8;
const MARK = 16;
const NAME = 32;

const CLASSES = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code);
  if (/[A-Za-z_]/.test(char)) CLASSES[code] = (CLASSES[code] as number) | WORD_START;
  if (/[\w/.-]/.test(char)) CLASSES[code] = (CLASSES[code] as number) | NAME;
  if (/\w/.test(char)) CLASSES[code] = (CLASSES[code] as number) | WORD;
  if (/\d/.test(char)) CLASSES[code] = (CLASSES[code] as number) | DIGIT;
  if (/[0-9a-fA-F:]/.test(char)) CLASSES[code] = (CLASSES[code] as number) | ADDRESS;
  if (PUNCT.includes(char)) CLASSES[code] = (CLASSES[code] as number) | MARK;
}

const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const BLANK = 32;
const QUOTE = 34;
const HASH = 35;
const STAR = 42;
const DOT = 46;
const COLON = 58;
const BACKSLASH = 92;

/** Written by hand: a large table is ten megabytes, which regular expressions by themselves take seconds for. */
export function tokenize(text: string): Tokens {
  const tokens: Token[] = [];
  const { length } = text;
  let line = 1;
  let at = 0;
  const classOf = (index: number): number => {
    const code = text.charCodeAt(index);
    return code < 128 ? (CLASSES[code] as number) : 0;
  };
  const runOf = (from: number, wanted: number): number => {
    let end = from;
    while (end < length && (classOf(end) & wanted) !== 0) end++;
    return end;
  };
  const push = (kind: Token["kind"], word: string, until: number): void => {
    tokens.push({ kind, text: word, line, at, until });
    at = until;
  };
  while (at < length) {
    const code = text.charCodeAt(at);
    if (code === BLANK || code === TAB || code === RETURN) {
      at++;
      continue;
    }
    if (code === NEWLINE) {
      push("end", "\n", at + 1);
      line++;
      continue;
    }
    if (code === BACKSLASH && text.charCodeAt(at + 1) === NEWLINE) {
      at += 2;
      line++;
      continue;
    }
    if (code === HASH) {
      const newline = text.indexOf("\n", at);
      const end = newline < 0 ? length : newline;
      const handle = /^# handle (\d+)\s*$/.exec(text.slice(at, end));
      if (handle !== null) push("handle", handle[1] as string, end);
      at = end;
      continue;
    }
    if (code === QUOTE) {
      const close = text.indexOf('"', at + 1);
      const string = close < 0 ? "\n" : text.slice(at + 1, close);
      if (string.includes("\n"))
        return { kind: "invalid", line, message: "a quote is opened here and not closed" };
      push("string", string, close + 1);
      continue;
    }
    const own = classOf(at);
    if ((own & ADDRESS) !== 0) {
      const address = addressAt(text, at, runOf(at, ADDRESS));
      if (address > at) {
        push("word", text.slice(at, address), address);
        continue;
      }
    }
    if ((own & (WORD_START | DIGIT)) !== 0) {
      let end = runOf(at, (own & DIGIT) !== 0 ? WORD : NAME);
      if ((own & DIGIT) === 0 && text.charCodeAt(end) === STAR) end++;
      push("word", text.slice(at, end), end);
      continue;
    }
    if ((own & MARK) === 0) {
      const found = text.slice(at, at + 12).split("\n")[0] ?? "";
      return { kind: "invalid", line, message: `${JSON.stringify(found)} is nothing that nft reads` };
    }
    const pair = text.slice(at, at + 2);
    const punct = PAIRS.has(pair) ? pair : (pair[0] as string);
    push(punct === ";" ? "end" : "punct", punct, at + punct.length);
  }
  tokens.push({ kind: "eof", text: "", line, at: length, until: length });
  return { kind: "ok", tokens };
}

/** Where an address that begins here ends; where it begins, if none does. `run` is where its digits and colons end. */
function addressAt(text: string, at: number, run: number): number {
  let colons = 0;
  for (let i = at; i < run; i++) if (text.charCodeAt(i) === COLON) colons++;
  if (colons >= 2) {
    for (const pattern of [MAC, SIX]) {
      pattern.lastIndex = at;
      if (pattern.test(text)) return pattern.lastIndex;
    }
  }
  if (text.charCodeAt(run) !== DOT) return at;
  FOUR.lastIndex = at;
  return FOUR.test(text) ? FOUR.lastIndex : at;
}
