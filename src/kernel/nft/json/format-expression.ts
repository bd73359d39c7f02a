import { formatConstant } from "../constant-text.ts";
import { dataType } from "../datatype.ts";
import type { NftConstant, NftExpression, SetElement } from "../expression.ts";
import type { NftVerdict } from "../statement.ts";
import { parseTime } from "../text/time.ts";
import { formatElementStatement } from "./format-stateful.ts";

/** Expressions as libnftables-json(5) has them. */
export function expressionJson(expression: NftExpression): unknown {
  switch (expression.kind) {
    case "constant":
      return constantJson(expression);
    case "set-reference":
      return `@${expression.name}`;
    case "payload":
      return { payload: { protocol: expression.protocol, field: expression.field } };
    case "raw-payload":
      return { payload: { base: expression.base, offset: expression.offset, len: expression.length } };
    case "meta":
      return { meta: { key: expression.key } };
    case "ct":
      return {
        ct: { key: expression.key, ...(expression.direction === null ? {} : { dir: expression.direction }) },
      };
    case "rt":
      return {
        rt: { key: expression.key, ...(expression.family === null ? {} : { family: expression.family }) },
      };
    case "fib":
      return { fib: { result: expression.result, flags: expression.flags } };
    case "numgen":
      return { numgen: { mode: expression.mode, mod: expression.modulus, offset: expression.offset } };
    case "hash":
      return {
        [expression.type]: {
          mod: expression.modulus,
          ...(expression.seed === null ? {} : { seed: expression.seed }),
          ...(expression.offset === 0 ? {} : { offset: expression.offset }),
          ...(expression.key === null ? {} : { expr: expressionJson(expression.key) }),
        },
      };
    case "other":
      return otherJson(expression.text);
    case "binary":
      return { [expression.op]: [expressionJson(expression.left), expressionJson(expression.right)] };
    case "concat":
      return { concat: expression.parts.map(expressionJson) };
    case "prefix":
      return { prefix: { addr: constantJson(expression.address), len: expression.length } };
    case "range":
      return { range: [endJson(expression.from), endJson(expression.to)] };
    case "list":
      return expression.values.map(constantJson);
    case "set":
      return { set: expression.elements.map(elementJson) };
    case "map":
      return { map: { key: expressionJson(expression.key), data: expressionJson(expression.data) } };
    case "any":
      return "*";
    default:
      expression satisfies never;
      throw new Error("unknown expression");
  }
}

/** No protocol's name in a range (`range_expr_json`). */
function endJson(constant: NftConstant): unknown {
  return dataType(constant.type).form === "protocol" ? constant.value : constantJson(constant);
}

function constantJson(constant: NftConstant): unknown {
  const { type, value } = constant;
  if (type === "boolean") return value !== 0;
  if (dataType(type).form === "time") return Math.floor((parseTime(String(value)) ?? 0) / 1000);
  if (typeof value === "string") return value;
  const text = formatConstant(constant);
  if (type === "realm") return text;
  if (type === "devgroup") return text.startsWith('"') ? text.slice(1, -1) : value;
  return /^(\d+|0x[0-9a-f]+)$/.test(text) ? value : text;
}

/** Headers and options that the walk does not read: their words say which. */
function otherJson(text: string): unknown {
  const words = text.split(" ");
  const [head = "", second = "", third = "", fourth] = words;
  if (head === "socket" && words.length === 2) return { socket: { key: second } };
  if (head === "osf") {
    return { osf: second === "ttl" ? { key: words[3], ttl: third } : { key: second } };
  }
  if (second === "option" || second === "chunk") {
    return { [`${head} ${second}`]: fourth === undefined ? { name: third } : { name: third, field: fourth } };
  }
  if (head === "exthdr") return { exthdr: { name: second } };
  if (words.length === 2) return { exthdr: { name: head, field: second } };
  return text;
}

export function verdictJson(verdict: NftVerdict): unknown {
  return verdict.kind === "jump" || verdict.kind === "goto"
    ? { [verdict.kind]: { target: verdict.chain } }
    : { [verdict.kind]: null };
}

export function elementJson(element: SetElement): unknown {
  const { data } = element;
  const key = keyJson(element);
  if (data === null) return key;
  if (data.kind === "verdict") return [key, verdictJson(data.verdict)];
  return [key, data.kind === "object" ? data.name : expressionJson(data.value)];
}

function keyJson({ key, timeoutMs, expiresMs, comment, statements }: SetElement): unknown {
  const val = expressionJson(key);
  if (timeoutMs === null && expiresMs === null && comment === null && statements.length === 0) return val;
  return {
    elem: {
      val,
      ...(timeoutMs === null ? {} : { timeout: Math.floor(timeoutMs / 1000) }),
      ...(expiresMs === null ? {} : { expires: Math.floor(expiresMs / 1000) }),
      ...(comment === null ? {} : { comment }),
      ...Object.assign({}, ...statements.map(formatElementStatement)),
    },
  };
}
