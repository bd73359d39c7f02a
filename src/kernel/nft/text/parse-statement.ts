import { dataType, symbolValue } from "../datatype.ts";
import type { NftConstant, NftExpression } from "../expression.ts";
import { typesOf, withCtFamily } from "../fields.ts";
import type { NftFamily } from "../ruleset.ts";
import {
  type MatchOperator,
  NAT_FLAGS,
  type NatFlag,
  type NftStatement,
  type SynproxyFlag,
} from "../statement.ts";
import {
  parseRight,
  parseSetSource,
  parseValue,
  parseVerdict,
  takeTime,
  VERDICTS,
} from "./parse-elements.ts";
import { parseKey, parseLeft, takeConstant } from "./parse-expression.ts";
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

function parseNat(
  reader: NftReader,
  type: "dnat" | "snat" | "masquerade" | "redirect",
  family: NftFamily,
): NftStatement {
  let natFamily: "ip" | "ip6" | null = null;
  let prefix = false;
  let address: NftExpression | null = null;
  let port: NftExpression | null = null;
  if (
    (reader.is("ip") || reader.is("ip6")) &&
    ["to", "prefix", "addr", "interval"].includes(reader.peek().text)
  ) {
    natFamily = reader.next().text as "ip" | "ip6";
  }
  // What older versions write of a map to addresses and ports, or to ranges.
  if (reader.take("addr")) {
    reader.expect(".");
    reader.expect("port");
  } else if (reader.take("prefix")) prefix = true;
  else reader.take("interval");
  if (reader.take("to")) {
    const six = natFamily === "ip6" || (natFamily === null && family === "ip6");
    if (!reader.is(":")) address = parseNatAddress(reader, six ? "ipv6_addr" : "ipv4_addr");
    if (reader.take(":")) port = parseValue(reader, ["inet_service"]);
  }
  const flags: NatFlag[] = [];
  while (reader.is("random") || reader.is("fully-random") || reader.is("persistent")) {
    flags.push(reader.next().text as NatFlag);
    reader.take(",");
  }
  flags.sort((a, b) => NAT_FLAGS.indexOf(a) - NAT_FLAGS.indexOf(b));
  return { kind: "nat", type, family: natFamily, prefix, address, port, flags };
}

function parseNatAddress(reader: NftReader, type: string): NftExpression {
  if (!reader.take("[")) return parseValue(reader, [type, "inet_service"]);
  const from = takeConstant(reader, type);
  if (from === null) return reader.fail("an address is expected");
  let address: NftExpression = from;
  if (reader.take("-")) {
    const bracketed = reader.take("[");
    const to = takeConstant(reader, type);
    if (to === null) return reader.fail("the range's end is expected");
    address = { kind: "range", from, to: to as NftConstant };
    if (bracketed) reader.take("]");
  }
  reader.expect("]");
  return address;
}

function parseTproxy(reader: NftReader, family: NftFamily): NftStatement {
  let own: "ip" | "ip6" | null = null;
  if (reader.is("ip") || reader.is("ip6")) own = reader.next().text as "ip" | "ip6";
  reader.expect("to");
  const six = own === "ip6" || (own === null && family === "ip6");
  const address = reader.is(":") ? null : parseNatAddress(reader, six ? "ipv6_addr" : "ipv4_addr");
  const port = reader.take(":") ? parseValue(reader, ["inet_service"]) : null;
  return { kind: "tproxy", family: own, address, port };
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

/** `add @set { key timeout 1m limit rate 5/second : data }`. */
function parseSetChange(reader: NftReader, op: "add" | "update" | "delete"): NftStatement {
  reader.expect("@");
  const set = reader.word("a set's name");
  reader.expect("{");
  const change = parseChangedElement(reader, op, set);
  reader.expect("}");
  return change;
}

/** `set add key @set`, which older versions write. */
function parseOldSetChange(reader: NftReader): NftStatement {
  reader.expect("set");
  const op = reader.oneOf(["add", "update", "delete"] as const, "a change");
  const change = parseChangedElement(reader, op, "");
  reader.expect("@");
  return { ...change, set: reader.word("a set's name") } as NftStatement;
}

function parseChangedElement(reader: NftReader, op: "add" | "update" | "delete", set: string): NftStatement {
  const key = parseKeyExpression(reader);
  let timeoutMs: number | null = null;
  const statements: NftStatement[] = [];
  for (;;) {
    if (reader.take("timeout")) timeoutMs = takeTime(reader);
    else if (reader.isAny(STATEFUL)) statements.push(parseStateful(reader));
    else break;
  }
  const data = reader.take(":") ? parseKeyExpression(reader) : null;
  return { kind: "set-change", op, set, key, timeoutMs, statements, data };
}

/** A key read from the packet; a constant only where no expression begins. */
function parseKeyExpression(reader: NftReader): NftExpression {
  const { kind, text } = reader.token;
  if (kind === "word" && /^[\d:]/.test(text)) {
    // A mark is known by its eight digits: what a map holds is not said here.
    const plain = /^0x[0-9a-f]{8}$/.test(text) ? "mark" : "integer";
    const type = text.includes(":") ? "ipv6_addr" : text.includes(".") ? "ipv4_addr" : plain;
    return parseKey(reader, [type, type, type]);
  }
  return parseLeft(reader);
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
