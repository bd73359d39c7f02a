import type { Labels } from "./selector.ts";

/**
 * Calico's selector language (libcalico-go, `lib/selector`): expressions over labels, as its policies, network sets and host
 * endpoints write them. `formatCalicoSelector` gives the one canonical text that Calico hashes for the name of an IP set.
 */
export type CalicoSelector =
  | { readonly kind: "all" | "global" }
  | { readonly kind: "has"; readonly key: string }
  | { readonly kind: Comparison; readonly key: string; readonly value: string }
  | { readonly kind: "in" | "not in"; readonly key: string; readonly values: readonly string[] }
  | { readonly kind: "!"; readonly of: CalicoSelector }
  | { readonly kind: "&&" | "||"; readonly of: readonly CalicoSelector[] };

type Comparison = "==" | "!=" | "contains" | "starts with" | "ends with";

export const ALL: CalicoSelector = { kind: "all" };

/** Of a label that is not there, only the negations hold: `!=`, `not in`, `!has`. */
export function selects(selector: CalicoSelector, labels: Labels): boolean {
  const labelOf = (key: string) => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  switch (selector.kind) {
    case "all":
      return true;
    case "global":
      return labelOf("projectcalico.org/namespace") === undefined;
    case "has":
      return labelOf(selector.key) !== undefined;
    case "==":
      return labelOf(selector.key) === selector.value;
    case "!=":
      return labelOf(selector.key) !== selector.value;
    case "contains":
      return labelOf(selector.key)?.includes(selector.value) ?? false;
    case "starts with":
      return labelOf(selector.key)?.startsWith(selector.value) ?? false;
    case "ends with":
      return labelOf(selector.key)?.endsWith(selector.value) ?? false;
    case "in":
    case "not in": {
      const value = labelOf(selector.key);
      const isIn = value !== undefined && selector.values.includes(value);
      return isIn === (selector.kind === "in");
    }
    case "!":
      return !selects(selector.of, labels);
    case "&&":
      return selector.of.every((part) => selects(part, labels));
    case "||":
      return selector.of.some((part) => selects(part, labels));
    default:
      return selector satisfies never;
  }
}

/** Every part must hold; parts that always do are left out. */
export function allOf(...parts: readonly CalicoSelector[]): CalicoSelector {
  const needed = parts.filter(({ kind }) => kind !== "all");
  const [only = ALL] = needed;
  return needed.length < 2 ? only : { kind: "&&", of: needed };
}

/** As Calico writes several texts into one, `(a) && b`: what is null was not written, and `all()` stays, for names are made of it. */
export function joined(...parts: readonly (CalicoSelector | null)[]): CalicoSelector | null {
  const written = parts.filter((part) => part !== null);
  const [only = null] = written;
  return written.length < 2 ? only : { kind: "&&", of: written };
}

/** With another question wherever `all()` or `global()` stands. */
export function replaced(
  selector: CalicoSelector,
  by: Partial<Record<"all" | "global", CalicoSelector>>,
): CalicoSelector {
  switch (selector.kind) {
    case "all":
    case "global":
      return by[selector.kind] ?? selector;
    case "!":
      return { kind: "!", of: replaced(selector.of, by) };
    case "&&":
    case "||":
      return { kind: selector.kind, of: selector.of.map((part) => replaced(part, by)) };
    default:
      return selector;
  }
}

/** The same question asked of labels that bear a prefix: `pcns.` for those of a namespace. */
export function withKeyPrefix(selector: CalicoSelector, prefix: string): CalicoSelector {
  switch (selector.kind) {
    case "all":
    case "global":
      return selector;
    case "!":
      return { kind: "!", of: withKeyPrefix(selector.of, prefix) };
    case "&&":
    case "||":
      return { kind: selector.kind, of: selector.of.map((part) => withKeyPrefix(part, prefix)) };
    default:
      return { ...selector, key: prefix + selector.key };
  }
}

/** The canonical text: double quotes unless the value holds one, sets in order, brackets around every `&&` and `||`. */
export function formatCalicoSelector(selector: CalicoSelector): string {
  switch (selector.kind) {
    case "all":
    case "global":
      return `${selector.kind}()`;
    case "has":
      return `has(${selector.key})`;
    case "in":
    case "not in":
      return `${selector.key} ${selector.kind} {${[...selector.values].sort().map(quoted).join(", ")}}`;
    case "!":
      return `!${formatCalicoSelector(selector.of)}`;
    case "&&":
    case "||":
      return `(${selector.of.map(formatCalicoSelector).join(` ${selector.kind} `)})`;
    default:
      return `${selector.key} ${selector.kind} ${quoted(selector.value)}`;
  }
}

function quoted(value: string): string {
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}

export type ParsedCalicoSelector =
  | { readonly kind: "ok"; readonly selector: CalicoSelector }
  | { readonly kind: "invalid"; readonly message: string };

/** `app == "web" && has(tier)`; an empty text selects everything. */
export function parseCalicoSelector(text: string): ParsedCalicoSelector {
  if (text.trim() === "") return { kind: "ok", selector: ALL };
  try {
    return { kind: "ok", selector: new SelectorParser(text).parse() };
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    return { kind: "invalid", message: `${JSON.stringify(text)} is no selector: ${error.message}` };
  }
}

/** Of a text that may be missing or empty; null: nothing is asked. */
export function writtenSelector(text: string | undefined): CalicoSelector | null {
  return text === undefined || text.trim() === "" ? null : calicoSelector(text);
}

/** Of a selector that was checked when its object was read. */
export function calicoSelector(text: string | undefined): CalicoSelector {
  const parsed = parseCalicoSelector(text ?? "");
  if (parsed.kind === "invalid") throw new Error(parsed.message);
  return parsed.selector;
}

class SelectorError extends Error {}

const TOKEN = /\s*(?:(&&|\|\||==|!=|[!(){},])|"([^"]*)"|'([^']*)'|([A-Za-z0-9_./-]+)|(.))/gy;

interface Token {
  readonly kind: "sign" | "value" | "word";
  readonly text: string;
}

class SelectorParser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  parse(): CalicoSelector {
    const found = this.#either();
    const rest = this.#tokens[this.#next];
    if (rest !== undefined) throw new SelectorError(`${shown(rest)} stands behind its end`);
    return found;
  }

  /** `&&` binds closer than `||`. */
  #either(): CalicoSelector {
    return this.#joined("||", () => this.#joined("&&", () => this.#single()));
  }

  #joined(sign: "&&" | "||", part: () => CalicoSelector): CalicoSelector {
    const parts = [part()];
    while (this.#take(sign)) parts.push(part());
    const [only = ALL] = parts;
    return parts.length === 1 ? only : { kind: sign, of: parts };
  }

  #single(): CalicoSelector {
    if (this.#take("!")) return { kind: "!", of: this.#single() };
    if (this.#take("(")) {
      const inner = this.#either();
      this.#demand(")");
      return inner;
    }
    const key = this.#word("a label, all(), global(), has(), ! or (");
    if (key === "all" || key === "global") {
      this.#demand("(");
      this.#demand(")");
      return { kind: key };
    }
    if (key === "has" && this.#take("(")) {
      const of = this.#word("a label");
      this.#demand(")");
      return { kind: "has", key: of };
    }
    return this.#comparison(key);
  }

  #comparison(key: string): CalicoSelector {
    for (const sign of ["==", "!="] as const) {
      if (this.#take(sign)) return { kind: sign, key, value: this.#value() };
    }
    const word = this.#word(`==, !=, in, not in, contains, starts with or ends with behind ${key}`);
    switch (word) {
      case "in":
        return { kind: "in", key, values: this.#values() };
      case "not":
        this.#demandWord("in");
        return { kind: "not in", key, values: this.#values() };
      case "contains":
        return { kind: "contains", key, value: this.#value() };
      case "starts":
      case "ends":
        this.#demandWord("with");
        return { kind: `${word} with`, key, value: this.#value() };
      default:
        throw new SelectorError(
          `${word} is none of ==, !=, in, not in, contains, starts with, ends with (values stand in quotes)`,
        );
    }
  }

  #values(): string[] {
    this.#demand("{");
    const values: string[] = [];
    if (this.#take("}")) return values;
    do values.push(this.#value());
    while (this.#take(","));
    this.#demand("}");
    return values;
  }

  #value(): string {
    const token = this.#tokens[this.#next];
    if (token?.kind !== "value")
      throw new SelectorError(`${shown(token)} where a value in quotes is expected`);
    this.#next++;
    return token.text;
  }

  #word(what: string): string {
    const token = this.#tokens[this.#next];
    if (token?.kind !== "word") throw new SelectorError(`${shown(token)} where ${what} is expected`);
    this.#next++;
    return token.text;
  }

  #demandWord(word: string): void {
    const found = this.#word(word);
    if (found !== word) throw new SelectorError(`${found} where ${word} is expected`);
  }

  #take(sign: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== "sign" || token.text !== sign) return false;
    this.#next++;
    return true;
  }

  #demand(sign: string): void {
    if (!this.#take(sign))
      throw new SelectorError(`${shown(this.#tokens[this.#next])} where ${sign} is expected`);
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (const [, sign, double, single, word, wrong] of text.trim().matchAll(TOKEN)) {
    if (sign !== undefined) tokens.push({ kind: "sign", text: sign });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else if (wrong !== undefined) throw new SelectorError(`${wrong} has no meaning there`);
    else tokens.push({ kind: "value", text: double ?? single ?? "" });
  }
  return tokens;
}

function shown(token: Token | undefined): string {
  if (token === undefined) return "it ends";
  return token.kind === "value" ? quoted(token.text) : token.text;
}
