import {
  boolYaml11Tag,
  defineScalarTag,
  mapTag,
  mergeTag,
  NOT_RESOLVED,
  nullCoreTag,
  Schema,
  seqTag,
  strTag,
} from "js-yaml";

/**
 * Scalars as kubectl reads them: YAML 1.1 words for true and false, numbers as Go's `strconv.ParseInt(text, 0, 64)` takes
 * them (so `012` is octal), with underscores anywhere behind the first digit; no sexagesimal numbers, no timestamps. What
 * JSON cannot hold (`.inf`, `.nan`) is an error, because kubectl turns every document into JSON.
 */

const FIRST_OF_NUMBER = ["+", "-", ".", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] as const;
const INFINITE = /^(?:[+-]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const BASES: readonly (readonly [RegExp, number])[] = [
  [/^0[xX]([0-9a-fA-F]+)$/, 16],
  [/^0[oO]?([0-7]+)$/, 8],
  [/^0[bB]([01]+)$/, 2],
  [/^(0|[1-9][0-9]*)$/, 10],
];

/** The number that a plain scalar is, undefined where it stays a text. */
function parseYamlNumber(text: string): number | undefined {
  // A text that begins with a dot is read as it is: underscores there make it no number.
  const plain = text.startsWith(".") ? text : text.replaceAll("_", "");
  const sign = /^[+-]/.test(plain) ? plain.slice(0, 1) : "";
  const digits = plain.slice(sign.length);
  for (const [pattern, base] of BASES) {
    const found = pattern.exec(digits)?.[1];
    if (found !== undefined) return negated(sign, Number.parseInt(found, base));
  }
  if (!FLOAT.test(plain)) return undefined;
  const number = Number(plain);
  return Number.isFinite(number) ? number : undefined;
}

function negated(sign: string, number: number): number {
  return sign === "-" && number !== 0 ? -number : number;
}

/** Thrown while js-yaml constructs; `readYaml` catches it and says where. */
export class NotInJson extends Error {
  readonly text: string;

  constructor(text: string) {
    super(`${text} has no JSON form, so that kubectl refuses it`);
    this.text = text;
  }
}

function resolveNumber(text: string): number | typeof NOT_RESOLVED {
  if (INFINITE.test(text)) throw new NotInJson(text);
  return parseYamlNumber(text) ?? NOT_RESOLVED;
}

const numberTag = defineScalarTag("tag:yaml.org,2002:int", {
  implicit: true,
  implicitFirstChars: FIRST_OF_NUMBER,
  resolve: resolveNumber,
  identify: (data) => typeof data === "number",
});

/** The same numbers under their other name, for `!!float 3`. */
const floatTag = defineScalarTag("tag:yaml.org,2002:float", {
  resolve: resolveNumber,
  identify: () => false,
});

export const KUBECTL_SCHEMA = new Schema([
  strTag,
  seqTag,
  mapTag,
  nullCoreTag,
  boolYaml11Tag,
  mergeTag,
  numberTag,
  floatTag,
]);
