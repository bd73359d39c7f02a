import { formatConstant, formatNumeric } from "../constant-text.ts";
import { dataType } from "../datatype.ts";
import type { BinaryOperator, NftConstant, NftExpression, SetElement, SetElements } from "../expression.ts";
import type { NftStatement, NftVerdict } from "../statement.ts";
import { formatStateful } from "./format-stateful.ts";
import { formatTime } from "./time.ts";

/** Expressions as `nft list` prints them. */

const BINDS: Readonly<Record<BinaryOperator, number>> = { "|": 1, "^": 2, "&": 3, "<<": 4, ">>": 4 };

export function formatExpression(expression: NftExpression): string {
  switch (expression.kind) {
    case "constant":
      return formatConstant(expression);
    case "set-reference":
      return `@${expression.name}`;
    case "payload":
      return `${expression.protocol} ${expression.field}`;
    case "raw-payload":
      return `@${expression.base},${expression.offset},${expression.length}`;
    case "meta":
      return UNQUALIFIED_IN_PRINT.has(expression.key) ? expression.key : `meta ${expression.key}`;
    case "ct":
      return `ct ${expression.direction === null ? "" : `${expression.direction} `}${expression.key}`;
    case "rt":
      return `rt ${expression.family === null ? "" : `${expression.family} `}${expression.key}`;
    case "fib":
      return `fib ${expression.flags.join(" . ")} ${expression.result}`;
    case "numgen":
      return `numgen ${expression.mode} mod ${expression.modulus}${offsetText(expression.offset)}`;
    case "hash": {
      const key = expression.key === null ? "" : ` ${formatExpression(expression.key)}`;
      const seed = expression.seed === null ? "" : ` seed 0x${expression.seed.toString(16)}`;
      return `${expression.type}${key} mod ${expression.modulus}${seed}${offsetText(expression.offset)}`;
    }
    case "other":
      return expression.text;
    case "binary":
      return `${operandText(expression.left, expression.op)} ${expression.op} ${operandText(expression.right, expression.op)}`;
    case "concat":
      return expression.parts.map(formatExpression).join(" . ");
    case "prefix":
      return `${formatConstant(expression.address)}/${expression.length}`;
    case "range":
      return `${formatNumeric(expression.from)}-${formatNumeric(expression.to)}`;
    case "list":
      return expression.values.map(formatConstant).join(",");
    case "set":
      return formatElements(expression.elements, null);
    case "map":
      return `${formatExpression(expression.key)} map ${formatExpression(expression.data)}`;
    case "any":
      return "*";
    default:
      expression satisfies never;
      throw new Error("unknown expression");
  }
}

/** `meta` keys printed without the word. */
const UNQUALIFIED_IN_PRINT: ReadonlySet<string> = new Set([
  "iif",
  "iifname",
  "iifgroup",
  "oif",
  "oifname",
  "oifgroup",
]);

function offsetText(offset: number): string {
  return offset === 0 ? "" : ` offset ${offset}`;
}

/** What binds less than the operator around it stands in parentheses. */
function operandText(operand: NftExpression, op: BinaryOperator): string {
  const text = formatExpression(operand);
  return operand.kind === "binary" && BINDS[operand.op] < BINDS[op] ? `(${text})` : text;
}

/**
 * `{ a, b }`.
 *
 * @param perLine how many stand on a line, null for all of them (`calculate_delim` in nftables' src/expression.c)
 */
export function formatElements(elements: SetElements, perLine: number | null): string {
  if (elements.length === 0) return "{ }";
  let text = "{ ";
  let count = 0;
  for (const [i, element] of elements.entries()) {
    if (i > 0) {
      const wraps = perLine !== null && count >= perLine;
      text += wraps ? ",\n\t\t\t     " : ", ";
      if (wraps) count = 0;
    }
    text += formatElement(element);
    count++;
  }
  return `${text} }`;
}

/** Elements on a line of a named set with this key. */
export function elementsPerLine(types: readonly string[]): number {
  return types.length === 1 ? dataType(types[0] as string).perLine : 1;
}

function formatElement(element: SetElement): string {
  const { key, statements, timeoutMs, expiresMs, comment, data } = element;
  let text = formatExpression(key);
  for (const statement of statements) text += ` ${formatElementStatement(statement)}`;
  if (timeoutMs !== null) text += ` timeout ${formatTime(timeoutMs)}`;
  if (expiresMs !== null) text += ` expires ${formatTime(expiresMs)}`;
  if (comment !== null) text += ` comment "${comment}"`;
  if (data === null) return text;
  switch (data.kind) {
    case "verdict":
      return `${text} : ${formatVerdict(data.verdict)}`;
    case "object":
      return `${text} : "${data.name}"`;
    case "value":
      return `${text} : ${formatExpression(data.value)}`;
    default:
      data satisfies never;
      throw new Error("unknown data");
  }
}

/** Statements of elements are the stateful ones. */
function formatElementStatement(statement: NftStatement): string {
  return formatStateful(statement) ?? "";
}

export function formatVerdict(verdict: NftVerdict): string {
  return verdict.kind === "jump" || verdict.kind === "goto"
    ? `${verdict.kind} ${verdict.chain}`
    : verdict.kind;
}

/** A constant's text with brackets where a port may follow an IPv6 address. */
export function bracketed(expression: NftExpression): string {
  const isSix = (constant: NftConstant): boolean => constant.type === "ipv6_addr";
  if (expression.kind === "constant" && isSix(expression)) return `[${formatConstant(expression)}]`;
  if (expression.kind === "range" && isSix(expression.from)) {
    return `[${formatConstant(expression.from)}]-[${formatConstant(expression.to)}]`;
  }
  return formatExpression(expression);
}
