import type { Family } from "../../../address/ip.ts";
import { type Argument, NEW_PART } from "./words.ts";

/**
 * The reader a match or target takes its options from: the grammar of getopt_long as iptables uses it. Nothing here knows
 * what an option means.
 */

/** What the rule itself reads wherever it stands, even between the options of a match (`-m tcp -p tcp --dport 80`). */
export interface RuleOptions {
  /** Read the option if it is one of the rule's own (`-s`, `--protocol`, …); the reader stands behind its name. */
  readBuiltin(option: string): boolean;
  /** Would the protocol match that `-p` implies take this option? */
  impliesProtocolMatch(option: string): boolean;
}

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
  /** Has something been read, or asked for, that is not of the part being read? Whoever wants to know sets it back. */
  strayed = false;
  private words: readonly Argument[];
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

  /** Begin with other words, and no faults. */
  restart(words: readonly Argument[], at: number): void {
    this.words = words;
    this.at = at;
    this.faults.length = 0;
    this.subject = "rule";
    this.bang = false;
    this.currentOption = "";
    this.ended = false;
  }

  /** The number of the next word. */
  get place(): number {
    return this.at;
  }

  /** Go on behind what needs not be read again. */
  skipTo(place: number): void {
    this.at = place;
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
   * @param draft handed to the handlers: those that take it and the reader can be the same for every rule
   */
  options<D>(handlers: Handlers<D>, ends: () => boolean = never, draft: D = undefined as D): void {
    const used: Handler<D>[] = [];
    while (!this.done) {
      if (this.peek() === "!") {
        const option = this.words[this.at + 1]?.text;
        if (option === undefined || NEW_PART.has(option)) {
          this.at++;
          this.fail("`!` has no option behind it");
          continue;
        }
        if (!(option in handlers) && this.implies(option)) return;
        this.at++;
        this.bang = true;
      }
      const option = this.peek() as string;
      if (NEW_PART.has(option)) return;
      // getopt_long(3) takes a whole name before a beginning: `--destination` is the rule's, not multiport's.
      if (!Object.hasOwn(handlers, option) && this.readBuiltin()) continue;
      const handler = handlerOf(handlers, option);
      if (handler === undefined) {
        if (!this.bang && this.implies(option)) return;
        this.skipUnknown(Object.keys(handlers));
        continue;
      }
      this.at++;
      this.currentOption = option;
      if (used.includes(handler)) this.fail(`${option} is given twice: give it once`);
      used.push(handler);
      handler(draft, this);
      this.endOption();
      if (ends()) return;
    }
  }

  private implies(option: string): boolean {
    this.strayed = true;
    return this.rule?.impliesProtocolMatch(option) === true;
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
    if (taken) {
      this.strayed = true;
      this.endOption();
    } else this.at--;
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
    if (word.text === "!" && word.raw.trimStart() === "!") {
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

/** Runs behind its option's name. */
type Handler<D> = (draft: D, reader: ArgumentReader) => void;
export type Handlers<D> = Readonly<Record<string, Handler<D>>>;

function never(): boolean {
  return false;
}

/** An option by its name, or by the beginning of it that no other has: getopt_long(3) takes `--to-port` for `--to-ports`. */
function handlerOf<D>(handlers: Handlers<D>, option: string): Handler<D> | undefined {
  if (Object.hasOwn(handlers, option)) return handlers[option];
  if (!/^--\w/.test(option)) return undefined;
  const names = Object.keys(handlers).filter((name) => name.startsWith(option));
  const [only] = names;
  return only !== undefined && new Set(names.map((name) => handlers[name])).size === 1
    ? handlers[only]
    : undefined;
}
