import { maskWord } from "../../../address/prefix6.ts";
import { MOST_CPUS } from "../../netfilter/match/cpu.ts";
import { InterfaceNamePattern } from "../../netfilter/match/interface-name-pattern.ts";
import type { NftExpression } from "../expression.ts";
import { typesOf } from "../fields.ts";
import type { MatchOperator, NftStatement } from "../statement.ts";
import { compileLoad } from "./load.ts";
import { compileSetSource } from "./look-up.ts";
import type { NftRun } from "./nft-run.ts";
import { FLIP } from "./ordered-words.ts";
import type { Load } from "./read.ts";
import type { Inline, Step } from "./step.ts";
import { NFT_BREAK, NFT_CONTINUE } from "./verdict.ts";
import { boundsOf, constantWords, foldWords, wildcardPrefix } from "./words.ts";

/**
 * `nft_cmp`, `nft_range`, `nft_lookup`. null: the walk cannot tell. Bits of a packet that are not known are equal to no value of
 * a rule, unless they are such as any may be (`Load.mayBeAny`); whether they are within bounds is asked.
 */
export function compileMatch(
  statement: Extract<NftStatement, { kind: "match" }>,
  unsure: (run: NftRun) => number,
): Step | Inline | null {
  if (statement.left.kind === "meta" && statement.left.key === "cpu") return compileCpu(statement);
  const from = compileLoad(statement.left, true);
  if (from === null) return null;
  const step = compileTest(statement, from, unsure);
  const { op, left, right } = statement;
  const isEquality = op === "==" || op === "!=";
  const isWhole = isEquality && left.kind !== "binary" && isDiscrete(right) && from.mayBeAny !== true;
  if (from.unsure !== true || typeof step !== "function" || isWhole || holdsOfAll(statement)) return step;
  return (run) => {
    run.unsure = false;
    const verdict = step(run);
    return run.unsure ? unsure(run) : verdict;
  };
}

/** Nothing is less than 0. */
function holdsOfAll({ op, right }: Extract<NftStatement, { kind: "match" }>): boolean {
  return op === ">=" && foldWords(right)?.every((word) => word === 0) === true;
}

function isDiscrete(right: NftExpression): boolean {
  if (right.kind === "set") return right.elements.every(({ key }) => isDiscrete(key));
  return right.kind === "constant" || (right.kind === "concat" && right.parts.every(isDiscrete));
}

function compileTest(
  { op, left, right }: Extract<NftStatement, { kind: "match" }>,
  from: Load,
  unsure: (run: NftRun) => number,
): Step | Inline | null {
  if (right.kind === "set" || right.kind === "set-reference") {
    if (op !== "==" && op !== "!=") return null;
    return compileLookup(from, right, typesOf(left), op === "!=", unsure);
  }
  if (right.kind === "constant" && right.type === "boolean" && typesOf(left)[0] !== "boolean") {
    // Whether there is an interface at all: fib's `missing` and `exists`.
    return fromTest(from, op, (run) => (run.regs[0] !== -1) === (right.value === 1));
  }
  const prefix = wildcardPrefix(right);
  if (prefix !== null) {
    const pattern = new InterfaceNamePattern(`${prefix}+`);
    return fromTest(from, op, (run) => pattern.matches(run.regs[0] as number));
  }
  if (right.kind === "range" || right.kind === "prefix") return compileBounds(from, op, right);
  if (right.kind === "list" && (op === "in" || op === "!")) return compileFlags(from, op, right);
  if (right.kind === "constant" && (op === "in" || op === "!")) return compileFlags(from, op, right);
  const words = foldWords(right);
  return words === null ? null : compileComparison(from, op, words);
}

/** Which processor it will be nobody can say, but that no machine has one of so high a number. */
function compileCpu({ op, right }: Extract<NftStatement, { kind: "match" }>): Step | null {
  const number = right.kind === "constant" ? (foldWords(right)?.[0] ?? 0) >>> 0 : 0;
  const holds = ORDERS[op];
  if (holds === undefined || number < MOST_CPUS) return null;
  const verdict = holds(-1) ? NFT_CONTINUE : NFT_BREAK;
  return () => verdict;
}

/** Equality in some sense of one's own, with `!=` its negation. */
function fromTest(from: Load, op: MatchOperator, test: (run: NftRun) => boolean): Step | null {
  if (op !== "==" && op !== "!=") return null;
  const invert = op === "!=";
  return (run) => (from.load(run, 0) && test(run) !== invert ? NFT_CONTINUE : NFT_BREAK);
}

function compileLookup(
  from: Load,
  right: Extract<NftExpression, { kind: "set" | "set-reference" }>,
  types: readonly string[],
  invert: boolean,
  unsure: (run: NftRun) => number,
): Step {
  const source = compileSetSource(right, types, null);
  return (run) => {
    if (!from.load(run, 0)) return NFT_BREAK;
    const set = source.of(run);
    if (set === null || set.index.keyWords !== from.words) return unsure(run);
    const found = run.sets.find(set, run.regs, 0, run.stack.now);
    if (found ? set.index.forgetful : set.index.unreadable > 0) return unsure(run);
    if (found === invert) return NFT_BREAK;
    return found ? run.sets.askFound(set, run, 0) : NFT_CONTINUE;
  };
}

function compileBounds(from: Load, op: MatchOperator, right: NftExpression): Step | null {
  const bounds = boundsOf(right);
  if (bounds === null || bounds.from.length !== from.words || (op !== "==" && op !== "!=")) return null;
  const invert = op === "!=";
  if (from.words === 1) {
    if (right.kind === "prefix") {
      const value = constantWords(right.address)?.[0] ?? 0;
      const mask = maskWord(right.length, 0);
      return (run) => {
        if (!from.load(run, 0)) return NFT_BREAK;
        return ((((run.regs[0] as number) ^ value) & mask) === 0) !== invert ? NFT_CONTINUE : NFT_BREAK;
      };
    }
    const low = (bounds.from[0] as number) ^ FLIP;
    const high = (bounds.to[0] as number) ^ FLIP;
    return (run) => {
      if (!from.load(run, 0)) return NFT_BREAK;
      const value = (run.regs[0] as number) ^ FLIP;
      return (value >= low && value <= high) !== invert ? NFT_CONTINUE : NFT_BREAK;
    };
  }
  const low = bounds.from;
  const high = bounds.to;
  return (run) => {
    if (!from.load(run, 0)) return NFT_BREAK;
    const within = compare(run.regs, low) >= 0 && compare(run.regs, high) <= 0;
    return within !== invert ? NFT_CONTINUE : NFT_BREAK;
  };
}

function compileFlags(from: Load, op: "in" | "!", right: NftExpression): Step | null {
  const words = foldWords(right);
  if (words === null || words.length !== from.words) return null;
  const wanted = op === "in";
  if (words.length > 1) {
    return (run) => {
      if (!from.load(run, 0)) return NFT_BREAK;
      let has = false;
      for (let i = 0; i < words.length; i++) has ||= ((run.regs[i] as number) & (words[i] as number)) !== 0;
      return has === wanted ? NFT_CONTINUE : NFT_BREAK;
    };
  }
  const bits = words[0] as number;
  return (run) => {
    if (!from.load(run, 0)) return NFT_BREAK;
    return (((run.regs[0] as number) & bits) !== 0) === wanted ? NFT_CONTINUE : NFT_BREAK;
  };
}

function compileComparison(from: Load, op: MatchOperator, words: readonly number[]): Step | Inline | null {
  if (words.length !== from.words) return null;
  if (from.words === 1 && (op === "==" || op === "!=") && from.mayBeAny !== true) {
    return { kind: "compare", from, equal: op === "==", word: words[0] as number };
  }
  const holds = ORDERS[op];
  if (holds === undefined) return null;
  return (run) => (from.load(run, 0) && holds(compare(run.regs, words)) ? NFT_CONTINUE : NFT_BREAK);
}

const ORDERS: Readonly<Partial<Record<MatchOperator, (order: number) => boolean>>> = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<": (order) => order < 0,
  ">": (order) => order > 0,
  "<=": (order) => order <= 0,
  ">=": (order) => order >= 0,
};

/** Registers against words, unsigned, the first word weighing most. */
function compare(regs: Int32Array, words: readonly number[]): number {
  for (let i = 0; i < words.length; i++) {
    const value = (regs[i] as number) ^ FLIP;
    const other = (words[i] as number) ^ FLIP;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}
