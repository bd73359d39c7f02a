import { isJsonObject, type Json } from "../../json-fields.ts";
import type { Origin } from "../../origin.ts";
import { DATA_TYPES } from "../datatype.ts";
import {
  NFT_FAMILIES,
  NFT_OBJECT_TYPES,
  type NftChain,
  type NftFamily,
  type NftObject,
  type NftObjectType,
  type NftRule,
  type NftRuleset,
  type NftSet,
  type NftTable,
  SET_FLAGS,
  type SetData,
} from "../ruleset.ts";
import { BYTE_UNITS, type ByteUnit } from "../statement.ts";
import { elementKindOf } from "../text/parse-set.ts";
import { objectLines } from "./object-lines.ts";
import {
  fault,
  listOf,
  NftJsonFault,
  numberOf,
  objectOf,
  parseElementJson,
  textOf,
} from "./parse-expression.ts";
import { limitOf, parseStatementJson, quotaOf } from "./parse-statement.ts";

export type ParsedNftJson =
  | { readonly kind: "ok"; readonly ruleset: NftRuleset }
  /** `at`: place in the list, from 0. */
  | {
      readonly kind: "invalid";
      readonly errors: readonly { readonly at: number; readonly message: string }[];
    };

/** `nft -j list ruleset` (libnftables-json(5)); every entry that cannot be read is told. */
export function parseNftJson(json: unknown, origin: (at: number) => Origin): ParsedNftJson {
  const list = isJsonObject(json) ? json["nftables"] : undefined;
  if (!Array.isArray(list)) {
    return { kind: "invalid", errors: [{ at: 0, message: 'a list "nftables" is expected' }] };
  }
  const reader = new JsonReader();
  const errors: { at: number; message: string }[] = [];
  for (const [at, item] of list.entries()) {
    try {
      reader.item(objectOf(item, "an entry"), origin(at));
    } catch (error) {
      if (!(error instanceof NftJsonFault)) throw error;
      errors.push({ at, message: error.message });
    }
  }
  return errors.length === 0 ? { kind: "ok", ruleset: reader.finish() } : { kind: "invalid", errors };
}

interface TableDraft {
  readonly table: NftTable;
  readonly chains: Map<string, { readonly chain: NftChain; readonly rules: NftRule[] }>;
  readonly sets: NftSet[];
  readonly objects: NftObject[];
  readonly flowtables: NftTable["flowtables"][number][];
}

class JsonReader {
  private readonly tables = new Map<string, TableDraft>();

  finish(): NftRuleset {
    return {
      tables: [...this.tables.values()].map(({ table, chains, sets, objects, flowtables }) => ({
        ...table,
        sets,
        objects,
        flowtables,
        chains: [...chains.values()].map(({ chain, rules }) => ({ ...chain, rules })),
      })),
    };
  }

  item(item: Json, origin: Origin): void {
    const [name = "", value] = Object.entries(item)[0] ?? [];
    if (name === "metainfo") return;
    const json = objectOf(value, `what ${name} holds`);
    if (name === "table") {
      this.table(json, origin);
      return;
    }
    const { draft, family } = this.tableOf(json);
    const head = headOf(json, origin);
    switch (name) {
      case "chain":
        draft.chains.set(head.name, { chain: { ...head, base: baseOf(json), rules: [] }, rules: [] });
        return;
      case "rule": {
        const chain = draft.chains.get(textOf(json["chain"], "a chain's name"));
        if (chain === undefined) fault("a chain that is there", json["chain"]);
        chain.rules.push(ruleOf(json, family, origin));
        return;
      }
      case "set":
      case "map":
        draft.sets.push(setOf(json, family, head));
        return;
      case "flowtable":
        draft.flowtables.push({
          name: head.name,
          handle: head.handle,
          origin,
          priority: numberOf(json["prio"] ?? 0, "a priority"),
          devices: json["dev"] === undefined ? [] : listOf(json["dev"]).map((dev) => textOf(dev, "a device")),
          flags: [],
          counter: false,
        });
        return;
      default:
        if (!NFT_OBJECT_TYPES.some((type) => type === name))
          fault("a table, chain, rule, set, map or object", name);
        draft.objects.push(objectFrom(name as NftObjectType, json, head));
    }
  }

  private table(json: Json, origin: Origin): void {
    const family = familyOf(json);
    const { name, handle, comment } = headOf(json, origin);
    const table = {
      family,
      name,
      handle,
      comment,
      flags: [],
      objects: [],
      sets: [],
      flowtables: [],
      chains: [],
      origin,
    };
    this.tables.set(`${family} ${name}`, { table, chains: new Map(), sets: [], objects: [], flowtables: [] });
  }

  private tableOf(json: Json): { readonly draft: TableDraft; readonly family: NftFamily } {
    const family = familyOf(json);
    const name = textOf(json["table"], "a table's name");
    const draft = this.tables.get(`${family} ${name}`);
    return draft === undefined ? fault("a table that is there", name) : { draft, family };
  }
}

function familyOf(json: Json): NftFamily {
  return NFT_FAMILIES.find((family) => family === json["family"]) ?? fault("a family", json["family"]);
}

interface Head {
  readonly name: string;
  readonly handle: number | null;
  readonly comment: string | null;
  readonly origin: Origin;
}

function headOf(json: Json, origin: Origin): Head {
  const { name, handle, comment } = json as Readonly<Record<string, unknown>> & {
    readonly name?: unknown;
    readonly handle?: unknown;
    readonly comment?: unknown;
  };
  return {
    name: typeof name === "string" ? name : "",
    handle: typeof handle === "number" ? handle : null,
    comment: typeof comment === "string" ? comment : null,
    origin,
  };
}

const TYPES = ["filter", "nat", "route"] as const;
const HOOKS = ["prerouting", "input", "forward", "output", "postrouting", "ingress", "egress"] as const;

function baseOf(json: Json): NftChain["base"] {
  if (json["hook"] === undefined) return null;
  const devices = json["dev"] === undefined ? [] : listOf(json["dev"]).map((dev) => textOf(dev, "a device"));
  return {
    type: TYPES.find((type) => type === json["type"]) ?? fault("a chain's type", json["type"]),
    hook: HOOKS.find((hook) => hook === json["hook"]) ?? fault("a hook", json["hook"]),
    devices,
    deviceList: devices.length > 1,
    priority: numberOf(json["prio"], "a priority"),
    policy: json["policy"] === "drop" ? "drop" : "accept",
  };
}

function ruleOf(json: Json, family: NftFamily, origin: Origin): NftRule {
  const { handle, comment } = headOf(json, origin);
  const statements = listOf(json["expr"]).map((each) => parseStatementJson(each, family));
  return { handle, statements, comment, written: null, origin };
}

function setOf(json: Json, family: NftFamily, head: Head): NftSet {
  const types = listOf(json["type"]).map(typeName);
  const data = json["map"] === undefined ? null : dataOf(textOf(json["map"], "what a map's keys stand for"));
  const seconds = (name: string): number | null =>
    typeof json[name] === "number" ? json[name] * 1000 : null;
  const kind = elementKindOf(data);
  const { elem, stmt, flags, policy, size } = json as Readonly<Record<string, unknown>> & {
    readonly elem?: unknown;
    readonly stmt?: unknown;
    readonly flags?: unknown;
    readonly policy?: unknown;
    readonly size?: unknown;
  };
  const named = flags === undefined ? [] : listOf(flags);
  return {
    ...head,
    key: { types, typeOf: null },
    data,
    flags: SET_FLAGS.filter((flag) => named.includes(flag)),
    autoMerge: json["auto-merge"] === true,
    policy: policy === "memory" || policy === "performance" ? policy : null,
    size: typeof size === "number" ? size : null,
    timeoutMs: seconds("timeout"),
    gcIntervalMs: seconds("gc-interval"),
    statements: stmt === undefined ? [] : listOf(stmt).map((each) => parseStatementJson(each, family)),
    elements: elem === undefined ? [] : listOf(elem).map((each) => parseElementJson(each, types, kind)),
  };
}

function typeName(json: unknown): string {
  const name = textOf(json, "a data type");
  return DATA_TYPES.has(name) ? name : fault("a data type", json);
}

function dataOf(text: string): SetData {
  if (text === "verdict") return { kind: "verdict" };
  if (NFT_OBJECT_TYPES.some((type) => type === text)) return { kind: "object", type: text };
  return { kind: "value", types: text.split(" . ").map(typeName), typeOf: null, interval: false };
}

function objectFrom(type: NftObjectType, json: Json, head: Head): NftObject {
  const number = (name: string): number => (typeof json[name] === "number" ? json[name] : 0);
  switch (type) {
    case "counter":
      return { ...head, type, spec: { kind: "counter", packets: number("packets"), bytes: number("bytes") } };
    case "quota": {
      const [val, val_unit] = inUnits(number("bytes"));
      const [used, used_unit] = inUnits(number("used"));
      const quota = {
        ...{ val, val_unit },
        ...(used === 0 ? {} : { used, used_unit }),
        inv: json["inv"] === true,
      };
      return { ...head, type, spec: { kind: "statement", statement: quotaOf(quota) } };
    }
    case "limit":
      return { ...head, type, spec: { kind: "statement", statement: limitOf(json) } };
    default:
      return { ...head, type, spec: { kind: "lines", lines: objectLines(type, json) } };
  }
}

/** `get_rate`: bytes in the largest unit that leaves nothing over. */
function inUnits(bytes: number): readonly [value: number, unit: ByteUnit] {
  let value = bytes;
  let unit = 0;
  while (unit < 2 && value % 1024 === 0) {
    value /= 1024;
    unit++;
  }
  return [value, BYTE_UNITS[unit] as ByteUnit];
}
