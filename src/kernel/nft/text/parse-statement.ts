import { dataType, symbolValue } from "../datatype.ts";
import type { NftConstant, NftExpression } from "../expression.ts";
import { typesOf, withCtFamily } from "../fields.ts";
import type { NftFamily } from "../ruleset.ts";
import type { MatchOperator, NftStatement, SynproxyFlag } from "../statement.ts";
import { parseRight, parseSetSource, parseValue, parseVerdict, VERDICTS } from "./parse-elements.ts";
import { parseLeft, takeConstant } from "./parse-expression.ts";
import { parseNat, parseTproxy } from "./parse-nat.ts";
import { parseOldSetChange, parseSetChange } from "./parse-set-change.ts";
import { parseStateful, STATEFUL } from "./parse-stateful.ts";
import type { NftReader } from "./reader.ts";

/** nft's statements from their words. */

const OPERATORS: ReadonlySet<string> = new Set(["==", "!=", "<", ">", "<=", ">=", "!"]);
const WORD_OPERATORS: Readonly<Record<string, MatchOperator>> = {
  eq: "==",
  ne: "!=",
  lt: "<",
  gt: ">",
  le: "<=",
  ge: ">=",
};

/** Statements that nft knows and the walk does not: taken as their words. */
const UNREAD: ReadonlySet<string> = new Set(["queue", "secmark"]);

/** Words that begin a statement: where to go on behind something that could not be read. */
const BEGINNINGS: ReadonlySet<string> = new Set([
  ...VERDICTS,
  "counter",
  "limit",
  "quota",
  "log",
  "reject",
  "dnat",
  "snat",
  "masquerade",
  "redirect",
  "notrack",
  "comment",
  "meta",
  "xt",
]);

export function parseStatement(reader: NftReader, family: NftFamily): NftStatement {
  const { kind, text } = reader.token;
  if (kind !== "word") return parseMatch(reader);
  if (VERDICTS.has(text)) return { kind: "verdict", verdict: parseVerdict(reader) };
  if (STATEFUL.has(text) && (text !== "ct" || reader.peek().text === "count")) return parseStateful(reader);
  if (UNREAD.has(text)) return unread(reader);
  switch (text) {
    case "log":
      reader.next();
      return parseLog(reader);
    case "notrack":
      reader.next();
      return { kind: "notrack" };
    case "reject":
      reader.next();
      return parseReject(reader, family);
    case "dnat":
    case "snat":
    case "masquerade":
    case "redirect":
      reader.next();
      return parseNat(reader, text, family);
    case "add":
    case "update":
    case "delete":
      reader.next();
      return parseSetChange(reader, text);
    case "set":
      return parseOldSetChange(reader);
    case "fwd":
      reader.next();
      return parseForward(reader);
    case "dup":
      reader.next();
      return parseDuplicate(reader);
    case "tproxy":
      reader.next();
      return parseTproxy(reader, family);
    case "synproxy":
      reader.next();
      return reader.take("name")
        ? { kind: "object", type: "synproxy", name: reader.word("an object's name") }
        : parseSynproxy(reader);
    case "reset":
      reader.next();
      return { kind: "reset-option", option: parseLeft(reader) };
    case "flow":
      reader.next();
      reader.expect("add");
      reader.expect("@");
      return { kind: "flow-add", flowtable: reader.word("a flowtable's name") };
    case "xt":
      reader.next();
      return {
        kind: "xt",
        type: reader.oneOf(["match", "target", "watcher"] as const, "an extension"),
        name: reader.word("an extension's name"),
      };
    default:
      break;
  }
  if (
    text === "ct" &&
    reader.peek(2).text === "set" &&
    ["helper", "timeout", "expectation"].includes(reader.peek().text)
  ) {
    reader.next();
    const type = `ct ${reader.next().text}`;
    reader.next();
    return { kind: "object", type, name: reader.word("an object's name") };
  }
  return parseMatch(reader);
}

/** Everything up to the next word that surely begins a statement, as it stands. */
export function unread(reader: NftReader): NftStatement {
  const from = reader.token.at;
  let until = reader.next().until;
  let depth = 0;
  for (;;) {
    const { kind, text, until: end } = reader.token;
    if (kind === "eof" || kind === "end" || kind === "handle") break;
    if (depth === 0 && (text === "}" || (kind === "word" && BEGINNINGS.has(text)))) break;
    if (kind === "punct" && (text === "{" || text === "(" || text === "[")) depth++;
    if (kind === "punct" && (text === "}" || text === ")" || text === "]")) depth--;
    until = end;
    reader.next();
  }
  return { kind: "other", text: reader.text.slice(from, until) };
}

/** A match, a verdict map, or something that is set. */
function parseMatch(reader: NftReader): NftStatement {
  let left = parseLeft(reader);
  if (reader.take("vmap")) {
    return { kind: "vmap", key: left, data: parseSetSource(reader, typesOf(left), { kind: "verdict" }) };
  }
  if (
    reader.is("set") &&
    (left.kind === "meta" ||
      left.kind === "ct" ||
      left.kind === "payload" ||
      left.kind === "raw-payload" ||
      left.kind === "other")
  ) {
    reader.next();
    return { kind: "mangle", key: left, value: parseMangleValue(reader, left) };
  }
  const { kind, text } = reader.token;
  let op: MatchOperator | null = null;
  if (kind === "punct" && OPERATORS.has(text)) op = reader.next().text as MatchOperator;
  else if (kind === "word" && Object.hasOwn(WORD_OPERATORS, text)) {
    op = WORD_OPERATORS[reader.next().text] ?? null;
  }
  left = withCtFamily(left, reader.token.text.includes(":"));
  const right = parseRight(reader, typesOf(left));
  if (reader.is("/") && (right.kind === "list" || right.kind === "constant"))
    return parseFlagMask(reader, op, left, right);
  const asked = anyFlag(op ?? impliedOperator(left, right), left, right);
  return asked ?? { kind: "match", op: op ?? impliedOperator(left, right), left, right };
}

/** `ct status & dnat != 0`: whether any of some flags is set, which nft lists by their names (`relational_binop_postprocess`). */
function anyFlag(op: MatchOperator, left: NftExpression, right: NftExpression): NftStatement | null {
  if (left.kind !== "binary" || left.op !== "&" || (op !== "==" && op !== "!=")) return null;
  if (right.kind !== "constant" || right.value !== 0 || !dataType(right.type).isBitmask) return null;
  const flags = flagsOf(left.right);
  const [only] = flags;
  if (only === undefined) return null;
  const values: NftExpression = flags.length === 1 ? only : { kind: "list", values: flags };
  return { kind: "match", op: op === "==" ? "!" : "in", left: left.left, right: values };
}

function flagsOf(flags: NftExpression): NftConstant[] {
  if (flags.kind === "binary" && flags.op === "|") return [...flagsOf(flags.left), ...flagsOf(flags.right)];
  return flags.kind === "constant" ? [flags] : flags.kind === "list" ? [...flags.values] : [];
}

/** Without an operator a flag is tested for, everything else compared. */
function impliedOperator(left: NftExpression, right: NftExpression): MatchOperator {
  if (left.kind === "binary") return "==";
  const [type = ""] = typesOf(right);
  const isValue = right.kind === "list" || right.kind === "constant";
  return isValue && dataType(type).isBitmask ? "in" : "==";
}

/** `tcp flags syn / syn,ack`: the flags among those behind the slash. */
function parseFlagMask(
  reader: NftReader,
  op: MatchOperator | null,
  left: NftExpression,
  right: NftExpression,
): NftStatement {
  reader.expect("/");
  const mask = parseRight(reader, typesOf(left));
  return { kind: "match", op: op ?? "==", left: { kind: "binary", op: "&", left, right: mask }, right };
}

/** iptables' translation writes `meta mark set mark or 0x1`. */
function parseMangleValue(reader: NftReader, key: NftExpression): NftExpression {
  const value = parseValue(reader, typesOf(key));
  if (value.kind !== "constant" || !reader.is(",")) return value;
  const values = [value];
  while (reader.take(",")) {
    const more = takeConstant(reader, value.type);
    if (more === null) return reader.fail(`a value of ${value.type} is expected`);
    values.push(more);
  }
  return { kind: "list", values };
}

const LOG_LEVELS = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"];

function parseLog(reader: NftReader): NftStatement {
  let prefix: string | null = null;
  let level: string | null = null;
  let group: number | null = null;
  let snaplen: number | null = null;
  let queueThreshold: number | null = null;
  const flags: string[] = [];
  for (;;) {
    if (reader.take("prefix")) prefix = reader.word("a prefix");
    else if (reader.take("level")) level = reader.oneOf(LOG_LEVELS, "a level");
    else if (reader.take("group")) group = reader.number("a group");
    else if (reader.take("snaplen")) snaplen = reader.number("a length");
    else if (reader.take("queue-threshold")) queueThreshold = reader.number("a number of packets");
    else if (reader.take("flags")) flags.push(...parseLogFlags(reader));
    else return { kind: "log", prefix, level, flags, group, snaplen, queueThreshold };
  }
}

function parseLogFlags(reader: NftReader): string[] {
  const head = reader.oneOf(["tcp", "ip", "skuid", "ether", "all"], "a log flag");
  if (head !== "tcp" && head !== "ip") return [head];
  const flags: string[] = [];
  do flags.push(`${head} ${reader.oneOf(["sequence", "options"], "a log flag")}`);
  while (reader.take(","));
  return flags;
}

function parseReject(reader: NftReader, family: NftFamily): NftStatement {
  if (!reader.take("with")) return { kind: "reject", type: null, code: null, wordy: false };
  if (reader.take("tcp")) {
    reader.expect("reset");
    return { kind: "reject", type: "tcp reset", code: null, wordy: false };
  }
  const type = reader.oneOf(["icmp", "icmpv6", "icmpx"] as const, "what rejects");
  const wordy = reader.take("type");
  const { text } = reader.token;
  const code = symbolValue(`${type}_code`, text) ?? (/^\d+$/.test(text) ? Number(text) : undefined);
  if (code === undefined) reader.fail(`a code of ${type} is expected`);
  reader.next();
  const isDefault =
    (type === "icmpx" && code === 1 && (family === "inet" || family === "bridge" || family === "netdev")) ||
    (type === "icmp" && code === 3 && family === "ip") ||
    (type === "icmpv6" && code === 4 && family === "ip6");
  if (isDefault && !wordy) return { kind: "reject", type: null, code: null, wordy: false };
  return { kind: "reject", type, code: code as number, wordy };
}

/** `mss 1460 wscale 7 timestamp sack-perm`, each where it is said. */
function parseSynproxy(reader: NftReader): Extract<NftStatement, { kind: "synproxy" }> {
  let mss: number | null = null;
  let wscale: number | null = null;
  const flags: SynproxyFlag[] = [];
  for (;;) {
    if (reader.take("mss")) mss = reader.number("a segment size");
    else if (reader.take("wscale")) wscale = reader.number("a window's scale");
    else if (reader.is("timestamp") || reader.is("sack-perm")) flags.push(reader.next().text as SynproxyFlag);
    else return { kind: "synproxy", mss, wscale, flags };
  }
}

function parseForward(reader: NftReader): NftStatement {
  let family: "ip" | "ip6" | null = null;
  if (reader.is("ip") || reader.is("ip6")) family = reader.next().text as "ip" | "ip6";
  reader.expect("to");
  if (family === null)
    return { kind: "fwd", device: parseValue(reader, ["iface_index"]), family, address: null };
  const address = parseValue(reader, [family === "ip" ? "ipv4_addr" : "ipv6_addr"]);
  reader.expect("device");
  return { kind: "fwd", device: parseValue(reader, ["iface_index"]), family, address };
}

function parseDuplicate(reader: NftReader): NftStatement {
  reader.expect("to");
  const { text, kind } = reader.token;
  const type = kind === "word" && text.includes(":") ? "ipv6_addr" : "ipv4_addr";
  const address = kind === "word" ? takeConstant(reader, type) : null;
  if (address === null) return { kind: "dup", address: null, device: parseValue(reader, ["iface_index"]) };
  return { kind: "dup", address, device: reader.take("device") ? parseValue(reader, ["iface_index"]) : null };
}
