import { parseConstant } from "../constant-text.ts";
import { dataType } from "../datatype.ts";
import type { BinaryOperator, NftConstant, NftExpression } from "../expression.ts";
import { ctType, isHeader, metaType, payloadType, typesOf, UNQUALIFIED_META } from "../fields.ts";
import type { NftReader } from "./reader.ts";

/** nft's expressions from its words. Constants are read by the data type of what they are compared with. */

const OPERATORS: Readonly<Record<string, { readonly op: BinaryOperator; readonly binds: number }>> = {
  "|": { op: "|", binds: 1 },
  or: { op: "|", binds: 1 },
  "^": { op: "^", binds: 2 },
  xor: { op: "^", binds: 2 },
  "&": { op: "&", binds: 3 },
  and: { op: "&", binds: 3 },
  "<<": { op: "<<", binds: 4 },
  lshift: { op: "<<", binds: 4 },
  ">>": { op: ">>", binds: 4 },
  rshift: { op: ">>", binds: 4 },
};

/** Extension headers and options: words that the walk does not read, and how many follow. */
const OPTIONS: Readonly<Record<string, number>> = {
  hbh: 1,
  rt: 1,
  rt0: 1,
  rt2: 1,
  rt4: 1,
  frag: 1,
  dst: 1,
  mh: 1,
  srh: 1,
};

/** Of TCP's and IP's options: a word behind an option's name that is none of these begins something else. */
const OPTION_FIELDS: ReadonlySet<string> = new Set([
  ...["kind", "length", "size", "count", "left", "right", "tsval", "tsecr", "subtype"],
  ...["type", "ptr", "addr", "value"],
]);

const KEYWORDS = new Set([
  "meta",
  "ct",
  "rt",
  "fib",
  "numgen",
  "jhash",
  "symhash",
  "socket",
  "osf",
  "ipsec",
  "exthdr",
]);

/** Does an expression begin here that is no constant? */
function startsExpression(reader: NftReader): boolean {
  const { kind, text } = reader.token;
  if (kind === "punct") return (text === "@" && reader.peek(2).text === ",") || text === "(";
  if (kind !== "word") return false;
  return isHeader(text) || KEYWORDS.has(text) || UNQUALIFIED_META.has(text) || Object.hasOwn(OPTIONS, text);
}

/** What is read: one expression, or several joined by dots. */
export function parseLeft(reader: NftReader): NftExpression {
  const first = parseBinary(reader, 0);
  if (!reader.is(".")) return first;
  const parts = [first];
  while (reader.take(".")) parts.push(parseBinary(reader, 0));
  return { kind: "concat", parts };
}

function parseBinary(reader: NftReader, binds: number): NftExpression {
  return continueBinary(reader, parsePrimary(reader), binds);
}

function continueBinary(reader: NftReader, start: NftExpression, binds: number): NftExpression {
  let left = start;
  for (;;) {
    const { kind, text } = reader.token;
    const operator = kind !== "string" && Object.hasOwn(OPERATORS, text) ? OPERATORS[text] : undefined;
    if (operator === undefined || operator.binds <= binds) return left;
    reader.next();
    left = {
      kind: "binary",
      op: operator.op,
      left,
      right: parseOperand(reader, left, operator.op, operator.binds),
    };
  }
}

function parseOperand(
  reader: NftReader,
  left: NftExpression,
  op: BinaryOperator,
  binds: number,
): NftExpression {
  const type = op === "<<" || op === ">>" ? "integer" : (typesOf(left)[0] ?? "integer");
  if (reader.is("(")) return parseTerm(reader, type);
  return continueBinary(reader, parseTerm(reader, type), binds);
}

/** Constants and expressions of one type joined by operators. */
function parseOr(reader: NftReader, type: string): NftExpression {
  return continueBinary(reader, parseTerm(reader, type), 0);
}

/** One of them, or several in parentheses. */
function parseTerm(reader: NftReader, type: string): NftExpression {
  if (!reader.take("(")) return takeConstant(reader, type) ?? parsePrimary(reader);
  const inside = parseOr(reader, type);
  reader.expect(")");
  return inside;
}

function parsePrimary(reader: NftReader): NftExpression {
  const { kind, text } = reader.token;
  if (kind === "punct") {
    if (text === "(") {
      reader.next();
      const inside = parseLeft(reader);
      reader.expect(")");
      return inside;
    }
    if (text === "@") return parseRaw(reader);
    return reader.fail("an expression is expected");
  }
  if (kind !== "word") return reader.fail("an expression is expected");
  reader.next();
  switch (text) {
    case "meta":
      return parseMeta(reader);
    case "ct":
      return parseCt(reader);
    case "rt":
      if (!reader.isAny(new Set(["classid", "nexthop", "mtu", "ipsec", "ip", "ip6"]))) break;
      return parseRt(reader);
    case "fib":
      return parseFib(reader);
    case "numgen":
      return parseNumgen(reader);
    case "jhash":
    case "symhash":
      return parseHash(reader, text);
    case "socket":
      return other(reader, text, reader.is("cgroupv2") ? 3 : 1);
    case "osf":
      return other(reader, text, reader.is("ttl") ? 3 : 1);
    case "ipsec":
      return other(reader, text, reader.peek().text === "ip" || reader.peek().text === "ip6" ? 3 : 2);
    case "exthdr":
      return other(reader, text, 1);
    default:
      break;
  }
  if (Object.hasOwn(OPTIONS, text)) return other(reader, text, OPTIONS[text] ?? 1);
  if (UNQUALIFIED_META.has(text)) return { kind: "meta", key: text };
  if (isHeader(text)) return parseField(reader, text);
  reader.position--;
  return reader.fail(`${JSON.stringify(text)} is no expression`);
}

/** Words that nft knows and the walk does not. */
function other(reader: NftReader, head: string, words: number): NftExpression {
  const parts = [head];
  for (let i = 0; i < words; i++) parts.push(reader.word("a field"));
  if (reader.take("[")) {
    parts.push(`${parts.pop()}[${reader.number("an address's number")}]`);
    reader.expect("]");
  }
  return { kind: "other", text: parts.join(" ") };
}

function parseField(reader: NftReader, protocol: string): NftExpression {
  if (
    reader.is("option") &&
    (protocol === "tcp" || protocol === "ip" || protocol === "sctp" || protocol === "dccp")
  ) {
    reader.next();
    const { kind, text } = reader.peek();
    const named = kind === "word" && OPTION_FIELDS.has(text);
    return other(reader, `${protocol} option`, named ? 2 : 1);
  }
  if (protocol === "sctp" && reader.take("chunk")) {
    const named =
      reader.peek().kind === "word" &&
      /^[a-z][a-z-]*$/.test(reader.peek().text) &&
      !["missing", "exists"].includes(reader.peek().text);
    return other(reader, "sctp chunk", named ? 2 : 1);
  }
  let field = reader.word(`a field of ${protocol}`);
  if (protocol === "arp" && (field === "saddr" || field === "daddr")) {
    field += ` ${reader.oneOf(["ip", "ether"], "an address of arp")}`;
  }
  if (payloadType(protocol, field) === undefined) {
    reader.position--;
    return reader.fail(`${protocol} has no field ${JSON.stringify(field)}`);
  }
  return { kind: "payload", protocol, field };
}

function parseRaw(reader: NftReader): NftExpression {
  reader.expect("@");
  const base = reader.oneOf(["ll", "nh", "th", "ih"] as const, "a header");
  reader.expect(",");
  const offset = reader.number("an offset in bits");
  reader.expect(",");
  return { kind: "raw-payload", base, offset, length: reader.number("a length in bits") };
}

function parseMeta(reader: NftReader): NftExpression {
  const key = reader.word("a meta key");
  if (metaType(key) !== undefined) return { kind: "meta", key };
  reader.position--;
  return reader.fail(`meta has no key ${JSON.stringify(key)}`);
}

function parseCt(reader: NftReader): NftExpression {
  let direction: "original" | "reply" | null = null;
  if (reader.is("original") || reader.is("reply")) direction = reader.next().text as "original" | "reply";
  let key = reader.word("a ct key");
  if (key === "ip" || key === "ip6") key += ` ${reader.oneOf(["saddr", "daddr"], "an address")}`;
  if (ctType(key) !== undefined) return { kind: "ct", key, direction };
  reader.position--;
  return reader.fail(`ct has no key ${JSON.stringify(key)}`);
}

function parseRt(reader: NftReader): NftExpression {
  const family = reader.is("ip") || reader.is("ip6") ? (reader.next().text as "ip" | "ip6") : null;
  const key = reader.word("an rt key");
  if (key !== "nexthop" || family !== null) return { kind: "rt", key, family };
  // In a table of ip6 a script need not say it; what it is compared with does.
  const ahead = [reader.token, reader.peek(), reader.peek(2)];
  const isOf6 = ahead.some(({ kind, text }) => kind === "word" && text.includes(":"));
  return { kind: "rt", key, family: isOf6 ? "ip6" : null };
}

function parseFib(reader: NftReader): NftExpression {
  const flags = [reader.oneOf(["saddr", "daddr", "mark", "iif", "oif"], "what fib looks up") as string];
  while (reader.take("."))
    flags.push(reader.oneOf(["saddr", "daddr", "mark", "iif", "oif"], "what fib looks up"));
  return { kind: "fib", flags, result: reader.oneOf(["type", "oif", "oifname"] as const, "fib's result") };
}

function parseNumgen(reader: NftReader): NftExpression {
  const mode = reader.oneOf(["inc", "random"] as const, "numgen's mode");
  reader.expect("mod");
  const modulus = reader.number("a modulus");
  return { kind: "numgen", mode, modulus, offset: parseOffset(reader) };
}

function parseHash(reader: NftReader, type: "jhash" | "symhash"): NftExpression {
  const key = type === "jhash" ? parseLeft(reader) : null;
  reader.expect("mod");
  const modulus = reader.number("a modulus");
  const seed = reader.take("seed") ? reader.number("a seed") : null;
  return { kind: "hash", type, key, modulus, seed, offset: parseOffset(reader) };
}

function parseOffset(reader: NftReader): number {
  return reader.take("offset") ? reader.number("an offset") : 0;
}

/** The next word as a constant of a type; null where it is none. */
export function takeConstant(reader: NftReader, type: string): NftConstant | null {
  const { kind, text } = reader.token;
  if (kind !== "word" && kind !== "string") return null;
  const { form } = dataType(type);
  if (form === "classid" && /^[0-9a-f]+$/i.test(text) && reader.peek().text === ":") {
    reader.next();
    reader.next();
    return { kind: "constant", type, value: `${text}:${reader.word("a class")}` };
  }
  // A name that begins an expression is no interface's, unless it is quoted.
  if (form === "quoted" && kind === "word" && startsExpression(reader)) return null;
  // Where a look-up answers with an interface, it may answer with none.
  if (form === "quoted" && kind === "word" && (text === "missing" || text === "exists")) {
    reader.next();
    return { kind: "constant", type: "boolean", value: text === "exists" ? 1 : 0 };
  }
  const constant = parseConstant(type, text, kind === "string");
  if (constant !== undefined) {
    reader.next();
    return constant;
  }
  return null;
}

/** A key or value of one or several parts. */
export function parseKey(reader: NftReader, types: readonly string[]): NftExpression {
  const parts = [parseKeyPart(reader, types[0] ?? "integer")];
  while (reader.take(".")) parts.push(parseKeyPart(reader, types[parts.length] ?? "integer"));
  return parts.length === 1 ? (parts[0] as NftExpression) : { kind: "concat", parts };
}

function parseKeyPart(reader: NftReader, type: string): NftExpression {
  if (reader.take("*")) return { kind: "any" };
  if (reader.is("(")) return parseOr(reader, type);
  const from = takeConstant(reader, type);
  if (from === null) {
    if (startsExpression(reader)) return parseBinary(reader, 0);
    return reader.fail(`a value of ${type} is expected`);
  }
  if (reader.is("-")) {
    reader.next();
    const to = takeConstant(reader, type);
    if (to === null) return reader.fail(`the range's end is expected, a value of ${type}`);
    return { kind: "range", from, to };
  }
  if (reader.is("/") && (type === "ipv4_addr" || type === "ipv6_addr")) {
    reader.next();
    return { kind: "prefix", address: from, length: reader.number("a prefix length") };
  }
  return continueBinary(reader, from, 0);
}
