import type { Family } from "../../../address/ip.ts";

/**
 * The words of one rule line, and the reader a match or target takes its options from. This is the grammar of
 * iptables-restore's `add_param_to_argv` and of getopt_long: nothing here knows what an option means.
 */

export interface Argument {
  readonly text: string;
  /** As it stands in the line: with its quotes and escapes, and with all blanks before it but one. */
  readonly raw: string;
}

export type SplitResult =
  | { readonly kind: "ok"; readonly arguments: readonly Argument[] }
  | { readonly kind: "invalid"; readonly message: string };

/** Runs of anything but blanks and quotes, and quoted texts, with nothing between them. */
const WORD = /(?:[^ \t"]+|"[^"\\]*(?:\\.[^"\\]*)*")+/sy;
const QUOTED = /"([^"\\]*(?:\\.[^"\\]*)*)"/gs;

/** Split a line at blanks. Inside double quotes blanks stand for themselves and a backslash takes the next character as it is. */
export function splitArguments(line: string): SplitResult {
  const found: Argument[] = [];
  let end = 0;
  for (;;) {
    const start = skipBlanks(line, end);
    if (start === line.length) return { kind: "ok", arguments: found };
    let next = plainEnd(line, start);
    let word = line.slice(start, next);
    let text = word;
    if (line.charCodeAt(next) === QUOTE) {
      WORD.lastIndex = start;
      word = WORD.exec(line)?.[0] ?? "";
      next = start + word.length;
      if (line.charCodeAt(next) === QUOTE) {
        return { kind: "invalid", message: `the quote opened at column ${next + 1} is not closed` };
      }
      text = unquote(word);
    }
    // The one blank that parts two words is no part of either.
    const parted = found.length === 0 || start === end + 1;
    found.push({ text, raw: parted ? word : line.slice(end + 1, start) + word });
    end = next;
  }
}

const TAB = 9;
const BLANK = 32;
const QUOTE = 34;

function skipBlanks(line: string, from: number): number {
  let at = from;
  for (let code = line.charCodeAt(at); code === BLANK || code === TAB; code = line.charCodeAt(at)) at++;
  return at;
}

/** Where the word without quotes that begins here ends: at a blank, at a quote, or with the line. */
function plainEnd(line: string, from: number): number {
  let at = from;
  while (at < line.length) {
    const code = line.charCodeAt(at);
    if (code === BLANK || code === TAB || code === QUOTE) return at;
    at++;
  }
  return at;
}

function unquote(word: string): string {
  if (word.indexOf('"', 1) === word.length - 1 && !word.includes("\\")) return word.slice(1, -1);
  return word.replace(QUOTED, (_, inside: string) => inside.replace(/\\(.)/gs, "$1"));
}

/** What the rule itself reads wherever it stands, even between the options of a match (`-m tcp -p tcp --dport 80`). */
export interface RuleOptions {
  /** Read the option if it is one of the rule's own (`-s`, `--protocol`, …); the reader stands behind its name. */
  readBuiltin(option: string): boolean;
  /** Would the protocol match that `-p` implies take this option? */
  impliesProtocolMatch(option: string): boolean;
}

const NEW_PART = new Set(["-m", "--match", "-j", "--jump", "-g", "--goto"]);

/**
 * Walks over the words of a rule and collects what is wrong with them. Reading goes on after a fault with some value of
 * the right type (NaN for a number, which no later comparison finds fault with), so that one line reports all its faults;
 * the caller drops the line if there are any.
 */
export class ArgumentReader {
  readonly faults: string[] = [];
  /** Of the addresses in the rule, and of what its protocol implies. */
  readonly family: Family;
  /** Who is reading, for messages: `match tcp`, `target DNAT`. */
  subject = "rule";
  private readonly words: readonly Argument[];
  private readonly rule: RuleOptions | null;
  private at = 0;
  private bang = false;
  private currentOption = "";
  /** The line ended where a value was due: what is said of the empty value would only repeat it. */
  private ended = false;

  constructor(words: readonly Argument[], rule: RuleOptions | null = null, family: Family = 4) {
    this.words = words;
    this.family = family;
    this.rule = rule;
  }

  get done(): boolean {
    return this.at >= this.words.length;
  }

  /** The next word, which stays there; undefined at the end. */
  peek(): string | undefined {
    return this.words[this.at]?.text;
  }

  /** Step over the next word. */
  skip(): void {
    this.currentOption = this.peek() ?? "";
    this.at++;
  }

  fail(message: string): void {
    this.faults.push(this.subject === "rule" ? message : `${this.subject}: ${message}`);
  }

  /**
   * Read the options in `handlers`, in any order and each at most once, until a new part of the rule begins. A handler
   * runs behind its option's name. Handlers shared by two names (`--sport`, `--source-port`) count as one option.
   *
   * @param ends asked behind each option: is the list over?
   */
  options(handlers: Readonly<Record<string, () => void>>, ends: () => boolean = () => false): void {
    const used: (() => void)[] = [];
    while (!this.done) {
      if (this.peek() === "!") {
        const option = this.words[this.at + 1]?.text;
        if (option === undefined || NEW_PART.has(option)) {
          this.at++;
          this.fail("`!` has no option behind it");
          continue;
        }
        if (!(option in handlers) && this.rule?.impliesProtocolMatch(option)) return;
        this.at++;
        this.bang = true;
      }
      const option = this.peek() as string;
      if (NEW_PART.has(option)) return;
      // getopt_long(3) takes a whole name before a beginning: `--destination` is the rule's, not multiport's.
      if (!Object.hasOwn(handlers, option) && this.readBuiltin()) continue;
      const handler = handlerOf(handlers, option);
      if (handler === undefined) {
        if (!this.bang && this.rule?.impliesProtocolMatch(option)) return;
        this.skipUnknown(Object.keys(handlers));
        continue;
      }
      this.at++;
      this.currentOption = option;
      if (used.includes(handler)) this.fail(`${option} is given twice: give it once`);
      used.push(handler);
      handler();
      this.endOption();
      if (ends()) return;
    }
  }

  /** Read one of the rule's own options, if that is what comes next. */
  readBuiltin(): boolean {
    const option = this.peek();
    if (option === undefined || this.rule === null) return false;
    const outer = this.subject;
    const outerOption = this.currentOption;
    this.subject = "rule";
    this.currentOption = option;
    this.at++;
    const taken = this.rule.readBuiltin(option);
    if (taken) this.endOption();
    else this.at--;
    this.subject = outer;
    this.currentOption = outerOption;
    return taken;
  }

  /** Take a `!` standing before the next option. */
  takeBang(): void {
    if (this.peek() !== "!") return;
    this.at++;
    this.bang = true;
  }

  /** Was the option at hand written behind a `!`? Asking is what allows it. */
  negated(): boolean {
    const negated = this.bang;
    this.bang = false;
    return negated;
  }

  /** The next word, whatever it is. */
  word(what: string): string {
    const word = this.words[this.at];
    if (word === undefined) {
      if (!this.ended) this.fail(`${this.currentOption} needs ${what} behind it`);
      this.ended = true;
      return "";
    }
    this.at++;
    if (word.raw.trimStart() === "!") {
      this.fail(
        `the ! stands before the option: write "! ${this.currentOption} ${this.words[this.at]?.text ?? ""}"`,
      );
      return this.words[this.at++]?.text ?? "";
    }
    return word.text;
  }

  /** A whole number, decimal or 0x-hexadecimal, within bounds. */
  uint(max: number, min = 0): number {
    const text = this.word("a number");
    return this.uintOf(text, max, min);
  }

  /** As `uint`, of a text that is part of a word. */
  uintOf(text: string, max: number, min = 0): number {
    const value = parseUint(text);
    if (value === undefined) {
      this.failValue(`${JSON.stringify(text)} is not a number`);
      return Number.NaN;
    }
    if (value < min || value > max) {
      this.failValue(`${text} is not from ${min} to ${max}`);
      return Number.NaN;
    }
    return value;
  }

  /** Report the value of the option at hand. */
  failValue(message: string): void {
    if (!this.ended) this.fail(`${this.currentOption}: ${message}`);
  }

  /** One word of a closed set, as iptables-save spells it. */
  oneOf<T extends string>(names: readonly T[]): T {
    const text = this.word(`one of ${names.join(", ")}`);
    if ((names as readonly string[]).includes(text)) return text as T;
    this.failValue(`${JSON.stringify(text)} is none of ${names.join(", ")}`);
    return names[0] as T;
  }

  /** The words up to the next part of the rule, as they stand in the line: what an extension not known here was given. */
  rawUntilNextPart(): string[] {
    const words: string[] = [];
    while (!this.done && !NEW_PART.has(this.peek() as string)) {
      words.push((this.words[this.at] as Argument).raw);
      this.at++;
    }
    return words;
  }

  /** Step over a word nobody can read, saying so. */
  skipUnknown(known: readonly string[]): void {
    const word = this.peek() as string;
    this.at++;
    this.bang = false;
    const knows = known.length === 0 ? "it takes no options" : `it takes ${known.join(", ")}`;
    const what = word.startsWith("-") ? "unknown option" : "unexpected word";
    this.fail(
      this.subject === "rule"
        ? `${what} ${JSON.stringify(word)}`
        : `${what} ${JSON.stringify(word)}; ${knows}`,
    );
    while (!this.done && !(this.peek() as string).startsWith("-") && this.peek() !== "!") this.at++;
  }

  private endOption(): void {
    if (this.bang) {
      this.fail(`${this.currentOption} cannot be negated: leave the ! out`);
      this.bang = false;
    }
  }
}

/** Decimal without leading zeros, or hexadecimal behind `0x`. Octal, which C would read, is refused: nobody means it. */
export function parseUint(text: string): number | undefined {
  return /^(0|[1-9]\d{0,15}|0[xX][0-9a-fA-F]{1,13})$/.test(text) ? Number(text) : undefined;
}

/** An option by its name, or by the beginning of it that no other has: getopt_long(3) takes `--to-port` for `--to-ports`. */
function handlerOf(handlers: Readonly<Record<string, () => void>>, option: string): (() => void) | undefined {
  if (Object.hasOwn(handlers, option)) return handlers[option];
  if (!/^--\w/.test(option)) return undefined;
  const names = Object.keys(handlers).filter((name) => name.startsWith(option));
  const [only] = names;
  return only !== undefined && new Set(names.map((name) => handlers[name])).size === 1
    ? handlers[only]
    : undefined;
}
