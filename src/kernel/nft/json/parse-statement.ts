import { isJsonObject, type Json } from "../../json-fields.ts";
import { symbolValue } from "../datatype.ts";
import { typesOf, withCtFamily } from "../fields.ts";
import type { NftFamily } from "../ruleset.ts";
import {
  BYTE_UNITS,
  type ByteUnit,
  LIMIT_PERIODS,
  type LimitPeriod,
  type MatchOperator,
  NAT_FLAGS,
  type NftStatement,
  SYNPROXY_FLAGS,
} from "../statement.ts";
import {
  counterOf,
  fault,
  listOf,
  numberOf,
  objectOf,
  parseExpressionJson,
  parseLeftJson,
  parseSourceJson,
  parseVerdictJson,
  textOf,
} from "./parse-expression.ts";

/** Statements from libnftables-json(5). What it has no form for stands as text, and is left to the walk as unknown. */

const OPERATORS: readonly string[] = ["==", "!=", "<", ">", "<=", ">=", "in", "!"];

export function parseStatementJson(json: unknown, family: NftFamily): NftStatement {
  if (typeof json === "string") return { kind: "other", text: json };
  const [name = "", value] = Object.entries(objectOf(json, "a statement"))[0] ?? [];
  const fields: Json = isJsonObject(value) ? value : {};
  switch (name) {
    case "match": {
      const isIpv6 = /"[0-9a-f:.]*:[0-9a-f:.]*"/i.test(JSON.stringify(fields["right"]) ?? "");
      const left = withCtFamily(parseLeftJson(fields["left"]), isIpv6);
      const op = textOf(fields["op"], "an operator");
      if (!OPERATORS.includes(op)) return fault("an operator", op);
      return {
        kind: "match",
        op: op as MatchOperator,
        left,
        right: parseExpressionJson(fields["right"], typesOf(left)),
      };
    }
    case "vmap": {
      const key = parseLeftJson(fields["key"]);
      return { kind: "vmap", key, data: parseSourceJson(fields["data"], typesOf(key), { kind: "verdict" }) };
    }
    case "counter":
      if (typeof value === "string") return { kind: "object", type: name, name: value };
      return value === null ? { kind: "counter", packets: 0, bytes: 0, stateless: true } : counterOf(fields);
    case "limit":
      return typeof value === "string" ? { kind: "object", type: name, name: value } : limitOf(fields);
    case "quota":
      return typeof value === "string" ? { kind: "object", type: name, name: value } : quotaOf(fields);
    case "ct helper":
    case "ct timeout":
    case "ct expectation":
      return { kind: "object", type: name, name: textOf(value, "an object's name") };
    case "ct count":
      return { kind: "ct-count", over: fields["inv"] === true, count: numberOf(fields["val"], "a number") };
    case "log":
      return logOf(fields);
    case "mangle": {
      const key = parseLeftJson(fields["key"]);
      return { kind: "mangle", key, value: parseExpressionJson(fields["value"], typesOf(key)) };
    }
    case "notrack":
      return { kind: "notrack" };
    case "reject":
      return rejectOf(fields, family);
    case "dnat":
    case "snat":
    case "masquerade":
    case "redirect":
      return natOf(name, fields, family);
    case "set":
      return setChangeOf(fields, family);
    case "fwd": {
      const { family: own, addr } = fields as { readonly family?: unknown; readonly addr?: unknown };
      const to = own === "ip" || own === "ip6" ? own : null;
      return {
        kind: "fwd",
        device: parseExpressionJson(fields["dev"], ["iface_index"]),
        family: to,
        address:
          addr === undefined ? null : parseExpressionJson(addr, [to === "ip6" ? "ipv6_addr" : "ipv4_addr"]),
      };
    }
    case "dup":
      return dupOf(fields);
    case "tproxy": {
      const {
        family: own,
        addr,
        port,
      } = fields as Json & {
        readonly family?: unknown;
        readonly addr?: unknown;
        readonly port?: unknown;
      };
      const to = own === "ip" || own === "ip6" ? own : null;
      const six = to === "ip6" || (to === null && family === "ip6");
      return {
        kind: "tproxy",
        family: to,
        address: addr === undefined ? null : parseExpressionJson(addr, [six ? "ipv6_addr" : "ipv4_addr"]),
        port: port === undefined ? null : parseExpressionJson(port, ["inet_service"]),
      };
    }
    case "synproxy":
      return typeof value === "string" ? { kind: "object", type: name, name: value } : synproxyOf(fields);
    case "reset":
      return { kind: "reset-option", option: parseLeftJson(value) };
    case "flow":
      return { kind: "flow-add", flowtable: textOf(fields["flowtable"], "a flowtable").replace(/^@/, "") };
    case "xt":
      return xtOf(fields);
    case "accept":
    case "drop":
    case "continue":
    case "return":
    case "jump":
    case "goto":
      return { kind: "verdict", verdict: parseVerdictJson(json) };
    default:
      // What nft knows and the walk does not: its JSON stands for its words.
      return { kind: "other", text: `${name} ${JSON.stringify(value)}` };
  }
}

/** To a device alone the device is what stands as an address. */
function dupOf(json: Json): NftStatement {
  const { addr, dev } = json as Json & { readonly addr?: unknown; readonly dev?: unknown };
  const isAddress = typeof addr !== "string" || /^\d+(\.\d+){3}$|:/.test(addr);
  const six = typeof addr === "string" && addr.includes(":");
  if (!isAddress) return { kind: "dup", address: null, device: parseExpressionJson(addr, ["iface_index"]) };
  return {
    kind: "dup",
    address:
      addr === undefined || addr === null
        ? null
        : parseExpressionJson(addr, [six ? "ipv6_addr" : "ipv4_addr"]),
    device: dev === undefined ? null : parseExpressionJson(dev, ["iface_index"]),
  };
}

function synproxyOf(json: Json): Extract<NftStatement, { kind: "synproxy" }> {
  const { mss, wscale, flags } = json as Json & {
    readonly mss?: unknown;
    readonly wscale?: unknown;
    readonly flags?: unknown;
  };
  const named = flags === undefined ? [] : listOf(flags);
  return {
    kind: "synproxy",
    mss: mss === undefined ? null : numberOf(mss, "a segment size"),
    wscale: wscale === undefined ? null : numberOf(wscale, "a window's scale"),
    flags: SYNPROXY_FLAGS.filter((flag) => named.includes(flag)),
  };
}

function unitOf(json: unknown): ByteUnit {
  return BYTE_UNITS.find((unit) => unit === json) ?? fault("a unit of bytes", json);
}

export function limitOf(json: Json): Extract<NftStatement, { kind: "limit" }> {
  const { rate, per, burst, inv, rate_unit, burst_unit } = json as Readonly<Record<string, unknown>> & {
    readonly rate?: unknown;
    readonly per?: unknown;
    readonly burst?: unknown;
    readonly inv?: unknown;
    readonly rate_unit?: unknown;
    readonly burst_unit?: unknown;
  };
  const period = textOf(per ?? "second", "a period");
  if (!Object.hasOwn(LIMIT_PERIODS, period)) return fault("a period", per);
  const inBytes = rate_unit !== undefined && rate_unit !== "packets";
  return {
    kind: "limit",
    over: inv === true,
    rate: numberOf(rate, "a rate"),
    unit: inBytes ? unitOf(rate_unit) : null,
    per: period as LimitPeriod,
    burst: burst === undefined ? null : numberOf(burst, "a burst"),
    burstUnit: inBytes
      ? burst_unit === undefined
        ? null
        : unitOf(burst_unit)
      : burst === undefined
        ? null
        : "packets",
  };
}

export function quotaOf(json: Json): Extract<NftStatement, { kind: "quota" }> {
  const { val, val_unit, used, used_unit, inv } = json as Readonly<Record<string, unknown>> & {
    readonly val?: unknown;
    readonly val_unit?: unknown;
    readonly used?: unknown;
    readonly used_unit?: unknown;
    readonly inv?: unknown;
  };
  return {
    kind: "quota",
    over: inv === true,
    value: numberOf(val, "a number of bytes"),
    unit: unitOf(val_unit ?? "bytes"),
    used: typeof used === "number" && used > 0 ? { value: used, unit: unitOf(used_unit ?? "bytes") } : null,
  };
}

function logOf(json: Json): NftStatement {
  const text = (name: string): string | null =>
    json[name] === undefined ? null : textOf(json[name], "a text");
  const number = (name: string): number | null =>
    json[name] === undefined ? null : numberOf(json[name], "a number");
  return {
    kind: "log",
    prefix: text("prefix"),
    level: text("level"),
    flags: json["flags"] === undefined ? [] : listOf(json["flags"]).map((flag) => textOf(flag, "a flag")),
    group: number("group"),
    snaplen: number("snaplen"),
    queueThreshold: number("queue-threshold"),
  };
}

function rejectOf(json: Json, family: NftFamily): NftStatement {
  const { type, expr } = json as { readonly type?: unknown; readonly expr?: unknown };
  if (type === undefined) return { kind: "reject", type: null, code: null, wordy: false };
  if (type === "tcp reset") return { kind: "reject", type, code: null, wordy: false };
  if (type !== "icmp" && type !== "icmpv6" && type !== "icmpx") return fault("what rejects", type);
  const own = family === "ip" ? "icmp" : family === "ip6" ? "icmpv6" : "icmpx";
  if (type === own && (expr === undefined || expr === "port-unreachable")) {
    return { kind: "reject", type: null, code: null, wordy: false };
  }
  const code = typeof expr === "number" ? expr : symbolValue(`${type}_code`, textOf(expr, "a code"));
  return { kind: "reject", type, code: code ?? fault("a code", expr), wordy: false };
}

function natOf(
  type: "dnat" | "snat" | "masquerade" | "redirect",
  json: Json,
  family: NftFamily,
): NftStatement {
  const {
    family: own,
    addr,
    port,
    flags,
    type_flags,
  } = json as Readonly<Record<string, unknown>> & {
    readonly family?: unknown;
    readonly addr?: unknown;
    readonly port?: unknown;
    readonly flags?: unknown;
    readonly type_flags?: unknown;
  };
  const natFamily = own === "ip" || own === "ip6" ? own : null;
  const six = natFamily === "ip6" || (natFamily === null && family === "ip6");
  const all = flags === undefined ? [] : listOf(flags);
  return {
    kind: "nat",
    type,
    family: natFamily,
    prefix: type_flags === "prefix",
    address:
      addr === undefined
        ? null
        : parseExpressionJson(addr, [six ? "ipv6_addr" : "ipv4_addr", "inet_service"]),
    port: port === undefined ? null : parseExpressionJson(port, ["inet_service"]),
    flags: NAT_FLAGS.filter((flag) => all.includes(flag)),
  };
}

function setChangeOf(json: Json, family: NftFamily): NftStatement {
  const { op, elem, set, stmt } = json as Readonly<Record<string, unknown>> & {
    readonly op?: unknown;
    readonly elem?: unknown;
    readonly set?: unknown;
    readonly stmt?: unknown;
  };
  if (op !== "add" && op !== "update" && op !== "delete") return fault("add, update or delete", op);
  const timed = isJsonObject(elem) && isJsonObject(elem["elem"]) ? elem["elem"] : null;
  const timeout = timed?.["timeout"];
  return {
    kind: "set-change",
    op,
    set: textOf(set, "a set's name").replace(/^@/, ""),
    key: parseLeftJson(timed === null ? elem : timed["val"]),
    timeoutMs: typeof timeout === "number" ? timeout * 1000 : null,
    statements: stmt === undefined ? [] : listOf(stmt).map((each) => parseStatementJson(each, family)),
    data: null,
  };
}

function xtOf(json: Json): NftStatement {
  const { type, name } = json as { readonly type?: unknown; readonly name?: unknown };
  if (type !== "match" && type !== "target" && type !== "watcher") return fault("an extension", json);
  return { kind: "xt", type, name: textOf(name, "an extension's name") };
}
