import { formatConstant } from "../constant-text.ts";
import type {
  NftChain,
  NftFamily,
  NftObject,
  NftRule,
  NftRuleset,
  NftSet,
  NftTable,
  SetData,
} from "../ruleset.ts";
import { bytesOf, type NftStatement } from "../statement.ts";
import { formatNftRule } from "../text/format-statement.ts";
import { elementJson, expressionJson, verdictJson } from "./format-expression.ts";
import { limitJson, quotaJson } from "./format-stateful.ts";
import { linesJson } from "./object-lines.ts";

/** One entry of the list: `{"chain": {…}}`. */
type Item = Readonly<Record<string, unknown>>;

/**
 * `nft -j list ruleset` (libnftables-json(5), as 1.0.6 prints it).
 *
 * @param metainfo of the program that a dump came from, put back at the head
 */
export function formatNftJson(ruleset: NftRuleset, metainfo: unknown = { json_schema_version: 1 }): Item {
  return { nftables: [{ metainfo }, ...ruleset.tables.flatMap(tableItems)] };
}

function tableItems(table: NftTable): Item[] {
  const { family, name, handle, objects, sets, flowtables, chains } = table;
  return [
    { table: { family, name, ...handleField(handle) } },
    ...objects.map((object) => ({ [object.type]: objectJson(object, family, name) })),
    ...sets.map((set) => ({ [set.data === null ? "set" : "map"]: setJson(set, family, name) })),
    ...flowtables.map((flowtable) => ({
      flowtable: {
        family,
        name: flowtable.name,
        table: name,
        ...handleField(flowtable.handle),
        hook: "ingress",
        prio: flowtable.priority,
        dev: one(flowtable.devices),
      },
    })),
    ...chains.map((chain) => ({ chain: chainJson(chain, family, name) })),
    ...chains.flatMap((chain) =>
      chain.rules.map((rule) => ({ rule: ruleJson(rule, chain.name, family, name) })),
    ),
  ];
}

function handleField(handle: number | null): Item {
  return handle === null ? {} : { handle };
}

function one(list: readonly string[]): unknown {
  return list.length === 1 ? list[0] : list;
}

function chainJson(chain: NftChain, family: NftFamily, table: string): Item {
  const { name, handle, comment, base } = chain;
  return {
    family,
    table,
    name,
    ...handleField(handle),
    ...(comment === null ? {} : { comment }),
    ...(base === null ? {} : { type: base.type, hook: base.hook, prio: base.priority, policy: base.policy }),
  };
}

function ruleJson(rule: NftRule, chain: string, family: NftFamily, table: string): Item {
  return {
    family,
    table,
    chain,
    ...handleField(rule.handle),
    ...(rule.comment === null ? {} : { comment: rule.comment }),
    expr: rule.statements.map((statement) => statementJson(statement, family)),
  };
}

function setJson(set: NftSet, family: NftFamily, table: string): Item {
  const { name, key, handle, comment, data, policy, size, timeoutMs, gcIntervalMs, elements, statements } =
    set;
  const flags: string[] = set.flags.filter((flag) => flag !== "dynamic");
  if (timeoutMs !== null && !flags.includes("timeout")) flags.push("timeout");
  return {
    family,
    name,
    table,
    type: one(key.types),
    ...handleField(handle),
    ...(comment === null ? {} : { comment }),
    ...(data === null ? {} : { map: dataJson(data) }),
    ...(policy === null ? {} : { policy }),
    ...(size === null ? {} : { size }),
    ...(flags.length === 0 ? {} : { flags }),
    ...(timeoutMs === null ? {} : { timeout: Math.floor(timeoutMs / 1000) }),
    ...(gcIntervalMs === null ? {} : { "gc-interval": Math.floor(gcIntervalMs / 1000) }),
    ...(elements.length === 0 ? {} : { elem: elements.map(elementJson) }),
    ...(statements.length === 0
      ? {}
      : {
          stmt: statements.map((statement) =>
            statement.kind === "counter" ? { counter: null } : statementJson(statement, family),
          ),
        }),
  };
}

function dataJson(data: SetData): string {
  if (data.kind === "verdict") return "verdict";
  return data.kind === "object" ? data.type : data.types.join(" . ");
}

function objectJson(object: NftObject, family: NftFamily, table: string): Item {
  const { name, handle, comment, spec } = object;
  const head = { family, name, table, ...handleField(handle), ...(comment === null ? {} : { comment }) };
  if (spec.kind === "counter") return { ...head, packets: spec.packets, bytes: spec.bytes };
  if (spec.kind === "lines") return { ...head, ...linesJson(object.type, spec.lines) };
  const { statement } = spec;
  if (statement.kind === "quota") {
    const used = statement.used === null ? 0 : bytesOf(statement.used.value, statement.used.unit);
    return { ...head, bytes: bytesOf(statement.value, statement.unit), used, inv: statement.over };
  }
  if (statement.kind !== "limit") return head;
  const { rate, per, burst, over, unit } = statement;
  return {
    ...head,
    rate,
    per,
    ...(burst === null ? {} : { burst }),
    ...(over ? { inv: true } : {}),
    ...(unit === null ? {} : { rate_unit: unit }),
  };
}

function statementJson(statement: NftStatement, family: NftFamily): unknown {
  switch (statement.kind) {
    case "match": {
      const { op, left, right } = statement;
      return { match: { op, left: expressionJson(left), right: expressionJson(right) } };
    }
    case "verdict":
      return verdictJson(statement.verdict);
    case "vmap":
      return { vmap: { key: expressionJson(statement.key), data: expressionJson(statement.data) } };
    case "counter":
      return { counter: statement.stateless ? null : { packets: statement.packets, bytes: statement.bytes } };
    case "limit":
      return { limit: limitJson(statement) };
    case "quota":
      return { quota: quotaJson(statement) };
    case "ct-count":
      return { "ct count": { val: statement.count, ...(statement.over ? { inv: true } : {}) } };
    case "object": {
      const { type, name } = statement;
      return { [type]: typeof name === "string" ? name : expressionJson(name) };
    }
    case "log":
      return { log: logJson(statement) };
    case "mangle":
      return { mangle: { key: expressionJson(statement.key), value: expressionJson(statement.value) } };
    case "notrack":
      return { notrack: null };
    case "reject":
      return { reject: rejectJson(statement, family) };
    case "nat":
      return { [statement.type]: natJson(statement) };
    case "set-change": {
      const { op, set, key, timeoutMs, statements, data } = statement;
      // A map's element has no form in 1.0.6's JSON: its text stands instead.
      if (data !== null) return formatNftRule({ statements: [statement], comment: null, written: null });
      const val = expressionJson(key);
      return {
        set: {
          op,
          elem: timeoutMs === null ? val : { elem: { val, timeout: Math.floor(timeoutMs / 1000) } },
          set: `@${set}`,
          ...(statements.length === 0 ? {} : { stmt: statements.map((each) => statementJson(each, family)) }),
        },
      };
    }
    case "fwd":
      return {
        fwd: {
          dev: expressionJson(statement.device),
          ...(statement.address === null
            ? {}
            : { family: statement.family, addr: expressionJson(statement.address) }),
        },
      };
    case "dup": {
      const { address, device } = statement;
      if (address === null) return { dup: { addr: device === null ? null : expressionJson(device) } };
      return {
        dup: { addr: expressionJson(address), ...(device === null ? {} : { dev: expressionJson(device) }) },
      };
    }
    case "tproxy": {
      const { family, address, port } = statement;
      return {
        tproxy: {
          ...(family === null ? {} : { family }),
          ...(address === null ? {} : { addr: expressionJson(address) }),
          ...(port === null ? {} : { port: expressionJson(port) }),
        },
      };
    }
    case "synproxy": {
      const { mss, wscale, flags } = statement;
      const fields = {
        ...(mss === null ? {} : { mss }),
        ...(wscale === null ? {} : { wscale }),
        ...(flags.length === 0 ? {} : { flags: one(flags) }),
      };
      return { synproxy: Object.keys(fields).length === 0 ? null : fields };
    }
    case "reset-option":
      return { reset: expressionJson(statement.option) };
    case "flow-add":
      return { flow: { op: "add", flowtable: `@${statement.flowtable}` } };
    case "xt":
      return { xt: { type: statement.type, name: statement.name } };
    case "other":
      return statement.text;
    default:
      statement satisfies never;
      throw new Error("unknown statement");
  }
}

function logJson(log: Extract<NftStatement, { kind: "log" }>): unknown {
  const { prefix, level, flags, group, snaplen, queueThreshold } = log;
  const fields = {
    ...(prefix === null ? {} : { prefix }),
    ...(group === null ? {} : { group }),
    ...(snaplen === null ? {} : { snaplen }),
    ...(queueThreshold === null ? {} : { "queue-threshold": queueThreshold }),
    ...(level === null || level === "warn" ? {} : { level }),
    ...(flags.length === 0 ? {} : { flags: one(flags) }),
  };
  return Object.keys(fields).length === 0 ? null : fields;
}

function rejectJson({ type, code }: Extract<NftStatement, { kind: "reject" }>, family: NftFamily): unknown {
  if (type === "tcp reset") return { type };
  if (type === null) {
    const own = family === "ip" ? "icmp" : family === "ip6" ? "icmpv6" : "icmpx";
    return { type: own, expr: "port-unreachable" };
  }
  return { type, expr: formatConstant({ kind: "constant", type: `${type}_code`, value: code ?? 0 }) };
}

function natJson(nat: Extract<NftStatement, { kind: "nat" }>): unknown {
  const { family, address, port, flags, prefix } = nat;
  const all: readonly string[] = prefix ? [...flags, "netmap"] : flags;
  const fields = {
    ...(family === null ? {} : { family }),
    ...(address === null ? {} : { addr: expressionJson(address) }),
    ...(port === null ? {} : { port: expressionJson(port) }),
    ...(all.length === 0 ? {} : { flags: one(all) }),
    ...(prefix ? { type_flags: "prefix" } : {}),
  };
  return Object.keys(fields).length === 0 ? null : fields;
}
