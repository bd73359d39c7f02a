import { formatConstant } from "../constant-text.ts";
import { dataType } from "../datatype.ts";
import type { NftExpression } from "../expression.ts";
import { typesOf } from "../fields.ts";
import type { NftStatement } from "../statement.ts";
import { bracketed, formatExpression, formatVerdict } from "./format-expression.ts";
import { formatStateful } from "./format-stateful.ts";
import { formatTime } from "./time.ts";

/** A rule's statements as `nft list` prints them. */
function formatStatements(statements: readonly NftStatement[]): string {
  return statements.map(formatStatement).join(" ");
}

/** A rule: its statements and its comment. */
export function formatNftRule(rule: {
  readonly statements: readonly NftStatement[];
  readonly comment: string | null;
  readonly written: string | null;
}): string {
  if (rule.written !== null) return rule.written;
  const statements = formatStatements(rule.statements);
  return rule.comment === null ? statements : `${statements} comment "${rule.comment}"`;
}

function formatStatement(statement: NftStatement): string {
  switch (statement.kind) {
    case "match":
      return formatMatch(statement);
    case "verdict":
      return formatVerdict(statement.verdict);
    case "vmap":
      return `${formatExpression(statement.key)} vmap ${formatExpression(statement.data)}`;
    case "counter":
    case "limit":
    case "quota":
    case "ct-count":
    case "other":
      return formatStateful(statement) ?? "";
    case "object":
      return formatObjectUse(statement);
    case "log":
      return formatLog(statement);
    case "mangle":
      return `${formatExpression(statement.key)} set ${formatExpression(statement.value)}`;
    case "notrack":
      return "notrack";
    case "reject":
      return formatReject(statement);
    case "nat":
      return formatNat(statement);
    case "set-change":
      return formatSetChange(statement);
    case "fwd":
      return statement.address === null
        ? `fwd to ${formatExpression(statement.device)}`
        : `fwd ${statement.family} to ${formatExpression(statement.address)} device ${formatExpression(statement.device)}`;
    case "dup": {
      const { address, device } = statement;
      if (address === null) return `dup to ${device === null ? "" : formatExpression(device)}`;
      return `dup to ${formatExpression(address)}${device === null ? "" : ` device ${formatExpression(device)}`}`;
    }
    case "tproxy": {
      const { family, address, port } = statement;
      const to = address === null ? "" : ` ${port === null ? formatExpression(address) : bracketed(address)}`;
      const at = port === null ? "" : `${address === null ? " " : ""}:${formatExpression(port)}`;
      return `tproxy${family === null ? "" : ` ${family}`} to${to}${at}`;
    }
    case "synproxy":
      return formatSynproxy(statement);
    case "reset-option":
      return `reset ${formatExpression(statement.option)}`;
    case "flow-add":
      return `flow add @${statement.flowtable}`;
    case "xt":
      return `xt ${statement.type} ${statement.name}`;
    default:
      statement satisfies never;
      throw new Error("unknown statement");
  }
}

function formatSynproxy({ mss, wscale, flags }: Extract<NftStatement, { kind: "synproxy" }>): string {
  const parts = ["synproxy"];
  if (mss !== null) parts.push(`mss ${mss}`);
  if (wscale !== null) parts.push(`wscale ${wscale}`);
  return [...parts, ...flags].join(" ");
}

function formatMatch({ op, left, right }: Extract<NftStatement, { kind: "match" }>): string {
  const isFlags = left.kind === "binary" && left.op === "&" && dataType(typesOf(left)[0] ?? "").isBitmask;
  const isValue = right.kind === "constant" || right.kind === "list" || right.kind === "binary";
  if (isFlags && isValue && !isOneFlag(left.right, right) && (op === "==" || op === "!=")) {
    return `${formatExpression(left.left)} ${op === "!=" ? "!= " : ""}${flagNames(right)} / ${flagNames(left.right)}`;
  }
  const operator = operatorText(op, left, right);
  return `${formatExpression(left)} ${operator}${formatExpression(right)}`;
}

/** `tcp flags & syn == syn`, which nft lists so (`relational_binop_postprocess`). */
function isOneFlag(mask: NftExpression, value: NftExpression): boolean {
  return mask.kind === "constant" && value.kind === "constant" && mask.value === value.value;
}

/** Flags joined by commas, however they were joined. */
function flagNames(flags: NftExpression): string {
  if (flags.kind === "binary") return `${flagNames(flags.left)},${flagNames(flags.right)}`;
  if (flags.kind === "constant") return formatConstant(flags);
  return formatExpression(flags);
}

/** `==` is printed only where it says more than nothing does. */
function operatorText(op: string, left: NftExpression, right: NftExpression): string {
  if (op === "in") return "";
  if (op !== "==") return `${op} `;
  if (right.kind === "set" || right.kind === "set-reference") return "";
  if (left.kind === "binary") return "== ";
  const [type = ""] = typesOf(right);
  return dataType(type).isBitmask && left.kind !== "concat" && right.kind !== "binary" ? "== " : "";
}

function formatObjectUse({ type, name }: Extract<NftStatement, { kind: "object" }>): string {
  const named = typeof name === "string" ? `"${name}"` : formatExpression(name);
  return type.startsWith("ct ") ? `${type} set ${named}` : `${type} name ${named}`;
}

function formatLog(log: Extract<NftStatement, { kind: "log" }>): string {
  const { prefix, level, flags, group, snaplen, queueThreshold } = log;
  let text = "log";
  if (prefix !== null) text += ` prefix "${prefix}"`;
  if (group !== null) text += ` group ${group}`;
  if (snaplen !== null) text += ` snaplen ${snaplen}`;
  if (queueThreshold !== null) text += ` queue-threshold ${queueThreshold}`;
  if (level !== null && level !== "warn") text += ` level ${level}`;
  return flags.length === 0 ? text : `${text} flags ${logFlags(flags)}`;
}

/** `tcp sequence,options skuid`. */
function logFlags(flags: readonly string[]): string {
  const parts: string[] = [];
  for (const head of ["tcp", "ip"]) {
    const tails = flags
      .filter((flag) => flag.startsWith(`${head} `))
      .map((flag) => flag.slice(head.length + 1));
    if (tails.length > 0) parts.push(`${head} ${tails.join(",")}`);
  }
  parts.push(...flags.filter((flag) => !flag.includes(" ")));
  return parts.join(" flags ");
}

function formatReject({ type, code, wordy }: Extract<NftStatement, { kind: "reject" }>): string {
  if (type === null) return "reject";
  if (type === "tcp reset") return "reject with tcp reset";
  const name = formatConstant({ kind: "constant", type: `${type}_code`, value: code ?? 0 });
  return `reject with ${type} ${wordy ? "type " : ""}${name}`;
}

function formatNat(nat: Extract<NftStatement, { kind: "nat" }>): string {
  const { type, family, prefix, address, port, flags } = nat;
  let text: string = type;
  if (family !== null) text += ` ${family}`;
  if (prefix) text += " prefix";
  if (address !== null) {
    text += ` to ${port === null ? formatExpression(address) : bracketed(address)}`;
    if (port !== null) text += `:${formatExpression(port)}`;
  } else if (port !== null) text += ` to :${formatExpression(port)}`;
  return flags.length === 0 ? text : `${text} ${flags.join(",")}`;
}

function formatSetChange(change: Extract<NftStatement, { kind: "set-change" }>): string {
  const { op, set, key, timeoutMs, statements, data } = change;
  let text = formatExpression(key);
  if (timeoutMs !== null) text += ` timeout ${formatTime(timeoutMs)}`;
  if (statements.length > 0) text += ` ${formatStatements(statements)}`;
  if (data !== null) text += ` : ${formatExpression(data)}`;
  return `${op} @${set} { ${text} }`;
}
