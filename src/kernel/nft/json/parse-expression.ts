import { isJsonObject, type Json } from "../../json-fields.ts";
import { parseConstant } from "../constant-text.ts";
import { dataType } from "../datatype.ts";
import {
  type BinaryOperator,
  type ElementData,
  type NftConstant,
  type NftExpression,
  plainElement,
  type SetElement,
  type SetSource,
} from "../expression.ts";
import { ctType, metaType, payloadType, typesOf } from "../fields.ts";
import type { NftStatement, NftVerdict } from "../statement.ts";
import type { ElementKind } from "../text/parse-elements.ts";

/** Something in the JSON that nft would not take. */
export class NftJsonFault extends Error {}

export function fault(what: string, found: unknown): never {
  const there = found === undefined ? "nothing" : JSON.stringify(found);
  throw new NftJsonFault(`${what} is expected, and ${there} stands there`.slice(0, 300));
}

export function objectOf(json: unknown, what: string): Json {
  return isJsonObject(json) ? json : fault(what, json);
}

export function textOf(json: unknown, what: string): string {
  return typeof json === "string" ? json : fault(what, json);
}

export function numberOf(json: unknown, what: string): number {
  return typeof json === "number" ? json : fault(what, json);
}

export function listOf(json: unknown): readonly unknown[] {
  return Array.isArray(json) ? json : [json];
}

const OPERATORS: readonly string[] = ["&", "|", "^", "<<", ">>"];

/** What is read, whose types say how constants beside it look. */
export function parseLeftJson(json: unknown): NftExpression {
  return parseExpressionJson(json, ["integer"]);
}

/** @param types of the constants in it */
export function parseExpressionJson(json: unknown, types: readonly string[]): NftExpression {
  const [type = "integer"] = types;
  if (typeof json === "boolean") return { kind: "constant", type: "boolean", value: json ? 1 : 0 };
  if (typeof json === "number") return constantOf(String(json), type);
  if (typeof json === "string") {
    if (json === "*") return { kind: "any" };
    return json.startsWith("@") ? { kind: "set-reference", name: json.slice(1) } : constantOf(json, type);
  }
  if (Array.isArray(json)) {
    const values = json.map((each) => parseExpressionJson(each, types));
    return { kind: "list", values: values.filter((each): each is NftConstant => each.kind === "constant") };
  }
  const fields = objectOf(json, "an expression");
  const [name = "", value] = Object.entries(fields)[0] ?? [];
  if (OPERATORS.includes(name)) return parseBinaryJson(name as BinaryOperator, value, types);
  switch (name) {
    case "payload":
      return parsePayloadJson(objectOf(value, "a payload"));
    case "meta": {
      const key = textOf(objectOf(value, "a meta expression")["key"], "a meta key");
      return metaType(key) === undefined ? fault("a meta key", key) : { kind: "meta", key };
    }
    case "ct": {
      const { key, dir } = objectOf(value, "a ct expression") as {
        readonly key?: unknown;
        readonly dir?: unknown;
      };
      const known = textOf(key, "a ct key");
      if (ctType(known) === undefined) return fault("a ct key", key);
      return { kind: "ct", key: known, direction: dir === "original" || dir === "reply" ? dir : null };
    }
    case "rt": {
      const { key, family } = objectOf(value, "an rt expression") as {
        readonly key?: unknown;
        readonly family?: unknown;
      };
      return {
        kind: "rt",
        key: textOf(key, "an rt key"),
        family: family === "ip" || family === "ip6" ? family : null,
      };
    }
    case "fib": {
      const { flags, result } = objectOf(value, "a fib expression") as {
        readonly flags?: unknown;
        readonly result?: unknown;
      };
      if (result !== "type" && result !== "oif" && result !== "oifname") return fault("fib's result", result);
      return { kind: "fib", flags: listOf(flags).map((flag) => textOf(flag, "a flag")), result };
    }
    case "numgen": {
      const { mode, mod, offset } = objectOf(value, "a numgen expression") as Json & {
        readonly mode?: unknown;
        readonly mod?: unknown;
        readonly offset?: unknown;
      };
      if (mode !== "inc" && mode !== "random") return fault("numgen's mode", mode);
      return {
        kind: "numgen",
        mode,
        modulus: numberOf(mod, "a modulus"),
        offset: numberOf(offset ?? 0, "an offset"),
      };
    }
    case "jhash":
    case "symhash": {
      const { mod, seed, offset, expr } = objectOf(value, "a hash") as Json & {
        readonly mod?: unknown;
        readonly seed?: unknown;
        readonly offset?: unknown;
        readonly expr?: unknown;
      };
      return {
        kind: "hash",
        type: name,
        key: expr === undefined ? null : parseLeftJson(expr),
        modulus: numberOf(mod, "a modulus"),
        seed: seed === undefined ? null : numberOf(seed, "a seed"),
        offset: numberOf(offset ?? 0, "an offset"),
      };
    }
    case "concat": {
      const parts = listOf(value).map((part, i) => parseExpressionJson(part, [types[i] ?? "integer"]));
      return { kind: "concat", parts };
    }
    case "prefix": {
      const { addr, len } = objectOf(value, "a prefix") as {
        readonly addr?: unknown;
        readonly len?: unknown;
      };
      return {
        kind: "prefix",
        address: constantOf(textOf(addr, "an address"), type),
        length: numberOf(len, "a length"),
      };
    }
    case "range": {
      const [from, to] = listOf(value);
      return { kind: "range", from: constantOf(String(from), type), to: constantOf(String(to), type) };
    }
    case "set":
      return { kind: "set", elements: listOf(value).map((each) => parseElementJson(each, types, null)) };
    case "map": {
      const { key, data } = objectOf(value, "a map") as { readonly key?: unknown; readonly data?: unknown };
      const from = parseLeftJson(key);
      return { kind: "map", key: from, data: parseSourceJson(data, typesOf(from), { kind: "value", types }) };
    }
    case "socket":
      return { kind: "other", text: `socket ${textOf(objectOf(value, "a socket")["key"], "a key")}` };
    case "osf": {
      const { key, ttl } = objectOf(value, "an osf expression") as {
        readonly key?: unknown;
        readonly ttl?: unknown;
      };
      const how = ttl === undefined ? "" : `ttl ${textOf(ttl, "osf's ttl")} `;
      return { kind: "other", text: `osf ${how}${textOf(key, "a key")}` };
    }
    case "tcp option":
    case "ip option":
    case "sctp chunk":
    case "exthdr": {
      const { name: header, field } = objectOf(value, "an option") as {
        readonly name?: unknown;
        readonly field?: unknown;
      };
      const words = [
        // A header by itself asks whether it is there.
        name === "exthdr" && field !== undefined ? "" : name,
        textOf(header, "a name"),
        typeof field === "string" ? field : "",
      ];
      return { kind: "other", text: words.filter((word) => word !== "").join(" ") };
    }
    default:
      return fault("an expression", json);
  }
}

function constantOf(text: string, type: string): NftConstant {
  const quoted = dataType(type).form === "quoted";
  return parseConstant(type, text, quoted) ?? fault(`a value of ${type}`, text);
}

function parseBinaryJson(op: BinaryOperator, json: unknown, types: readonly string[]): NftExpression {
  const [first, ...rest] = listOf(json);
  let left = parseExpressionJson(first, types);
  for (const each of rest) {
    const [own = "integer"] = left.kind === "constant" ? types : typesOf(left);
    const type = op === "<<" || op === ">>" ? "integer" : own;
    left = { kind: "binary", op, left, right: parseExpressionJson(each, [type]) };
  }
  return left;
}

function parsePayloadJson(json: Json): NftExpression {
  const { protocol, field, base, offset, len } = json as Readonly<Record<string, unknown>> & {
    readonly protocol?: unknown;
    readonly field?: unknown;
    readonly base?: unknown;
    readonly offset?: unknown;
    readonly len?: unknown;
  };
  if (base === "ll" || base === "nh" || base === "th" || base === "ih") {
    return {
      kind: "raw-payload",
      base,
      offset: numberOf(offset, "an offset"),
      length: numberOf(len, "a length"),
    };
  }
  const header = textOf(protocol, "a protocol");
  const name = textOf(field, "a field");
  return payloadType(header, name) === undefined
    ? fault("a field of a header", json)
    : { kind: "payload", protocol: header, field: name };
}

export function parseSourceJson(json: unknown, types: readonly string[], kind: ElementKind): SetSource {
  if (typeof json === "string" && json.startsWith("@")) return { kind: "set-reference", name: json.slice(1) };
  const list = isJsonObject(json) ? json["set"] : undefined;
  if (list === undefined) return fault("a set", json);
  return { kind: "set", elements: listOf(list).map((each) => parseElementJson(each, types, kind)) };
}

export function parseElementJson(json: unknown, types: readonly string[], kind: ElementKind): SetElement {
  if (kind === null) return parseKeyJson(json, types);
  const [key, value] = listOf(json);
  return { ...parseKeyJson(key, types), data: parseDataJson(value, kind) };
}

function parseKeyJson(json: unknown, types: readonly string[]): SetElement {
  const elem = isJsonObject(json) ? json["elem"] : undefined;
  if (!isJsonObject(elem)) return plainElement(parseExpressionJson(json, types));
  const { val, timeout, expires, comment, counter } = elem as Readonly<Record<string, unknown>> & {
    readonly val?: unknown;
    readonly timeout?: unknown;
    readonly expires?: unknown;
    readonly comment?: unknown;
    readonly counter?: unknown;
  };
  const statements: NftStatement[] = [];
  if (isJsonObject(counter)) statements.push(counterOf(counter));
  return {
    ...plainElement(parseExpressionJson(val, types)),
    statements,
    timeoutMs: typeof timeout === "number" ? timeout * 1000 : null,
    expiresMs: typeof expires === "number" ? expires * 1000 : null,
    comment: typeof comment === "string" ? comment : null,
  };
}

export function counterOf(json: Json): NftStatement {
  const { packets, bytes } = json as { readonly packets?: unknown; readonly bytes?: unknown };
  return {
    kind: "counter",
    packets: numberOf(packets ?? 0, "a number of packets"),
    bytes: numberOf(bytes ?? 0, "a number of bytes"),
    stateless: false,
  };
}

function parseDataJson(json: unknown, kind: NonNullable<ElementKind>): ElementData {
  switch (kind.kind) {
    case "verdict":
      return { kind: "verdict", verdict: parseVerdictJson(json) };
    case "object":
      return { kind: "object", name: textOf(json, "an object's name") };
    case "value":
      return { kind: "value", value: parseExpressionJson(json, kind.types) };
    default:
      kind satisfies never;
      throw new Error("unknown kind of element");
  }
}

export function parseVerdictJson(json: unknown): NftVerdict {
  const [kind = "", value] = Object.entries(objectOf(json, "a verdict"))[0] ?? [];
  switch (kind) {
    case "accept":
    case "drop":
    case "continue":
    case "return":
      return { kind };
    case "jump":
    case "goto":
      return { kind, chain: textOf(objectOf(value, "a jump")["target"], "a chain's name") };
    default:
      return fault("a verdict", json);
  }
}
