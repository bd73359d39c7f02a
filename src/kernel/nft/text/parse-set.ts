import type { Origin } from "../../origin.ts";
import { DATA_TYPES } from "../datatype.ts";
import type { NftExpression } from "../expression.ts";
import { typesOf } from "../fields.ts";
import { type NftSet, SET_FLAGS, type SetData, type SetFlag, type SetKey } from "../ruleset.ts";
import type { NftStatement } from "../statement.ts";
import { type ElementKind, parseElements, takeTime } from "./parse-elements.ts";
import { parseLeft } from "./parse-expression.ts";
import { OBJECT_WORDS } from "./parse-object.ts";
import type { ParseSettings } from "./parse-settings.ts";
import { parseLimit, parseStateful, STATEFUL } from "./parse-stateful.ts";
import type { NftReader } from "./reader.ts";

/** Sets and maps. */

/** From behind `set` or `map`. */
export function parseSet(reader: NftReader, settings: ParseSettings, isMap: boolean): NftSet {
  const origin = settings.origin(reader.token.line);
  return parseSetBody(reader, reader.word("a set's name"), isMap, origin);
}

function parseSetBody(reader: NftReader, name: string, isMap: boolean, origin: Origin): NftSet {
  const set = new SetDraft(isMap);
  if (!reader.is("{")) reader.expect("{");
  const handle = reader.block(() => set.clause(reader));
  if (set.key === null) reader.fail(`${name} has no type: "type …" or "typeof …" is expected`);
  return set.finish(name, handle, origin);
}

class SetDraft {
  key: SetKey | null = null;
  private readonly isMap: boolean;
  private data: SetData | null = null;
  private comment: string | null = null;
  private flags: SetFlag[] = [];
  private autoMerge = false;
  private policy: NftSet["policy"] = null;
  private size: number | null = null;
  private timeoutMs: number | null = null;
  private gcIntervalMs: number | null = null;
  private readonly statements: NftStatement[] = [];
  private elements: NftSet["elements"] = [];

  constructor(isMap: boolean) {
    this.isMap = isMap;
  }

  clause(reader: NftReader): void {
    if (reader.take("type")) {
      this.key = { types: parseTypeNames(reader), typeOf: null };
      if (this.isMap) this.data = parseMapData(reader, false);
    } else if (reader.take("typeof")) {
      const typeOf = parseLeft(reader);
      this.key = { types: typesOf(typeOf), typeOf };
      if (this.isMap) this.data = parseMapData(reader, true);
    } else if (reader.take("flags")) {
      do this.flags.push(reader.oneOf(SET_FLAGS, "a set's flag"));
      while (reader.take(","));
    } else if (reader.take("timeout")) this.timeoutMs = takeTime(reader);
    else if (reader.take("gc-interval")) this.gcIntervalMs = takeTime(reader);
    else if (reader.take("size")) this.size = reader.number("a number of elements");
    else if (reader.take("policy"))
      this.policy = reader.oneOf(["memory", "performance"] as const, "a policy");
    else if (reader.take("auto-merge")) this.autoMerge = true;
    else if (reader.take("comment")) this.comment = reader.word("a comment");
    else if (reader.take("elements")) {
      reader.expect("=");
      if (this.key === null) reader.fail("a set's type is expected before its elements");
      this.elements = parseElements(reader, this.key?.types ?? [], elementKindOf(this.data));
    } else if (reader.is("limit")) {
      reader.next();
      this.statements.push(parseLimit(reader));
    } else if (reader.isAny(STATEFUL)) this.statements.push(parseStateful(reader));
    else reader.fail("a set's type, flags, timeout, size, policy, comment or elements are expected");
  }

  finish(name: string, handle: number | null, origin: Origin): NftSet {
    const { comment, data, autoMerge, policy, size, timeoutMs, gcIntervalMs, statements, elements } = this;
    const flags = SET_FLAGS.filter((flag) => this.flags.includes(flag));
    const key = this.key as SetKey;
    return {
      name,
      handle,
      comment,
      key,
      data,
      flags,
      autoMerge,
      policy,
      size,
      timeoutMs,
      gcIntervalMs,
      statements,
      elements,
      origin,
    };
  }
}

export function elementKindOf(data: SetData | null): ElementKind {
  if (data === null || data.kind === "verdict") return data;
  return data.kind === "object" ? { kind: "object" } : { kind: "value", types: data.types };
}

function parseTypeNames(reader: NftReader): string[] {
  const types: string[] = [];
  do {
    const { text } = reader.token;
    if (!DATA_TYPES.has(text)) reader.fail(`${JSON.stringify(text)} is no data type`);
    types.push(reader.word("a data type"));
  } while (reader.take("."));
  return types;
}

function parseMapData(reader: NftReader, byExpression: boolean): SetData {
  if (!reader.take(":")) return reader.fail('":" and what the keys stand for are expected');
  if (reader.take("verdict")) return { kind: "verdict" };
  const interval = reader.take("interval");
  if (reader.isAny(OBJECT_WORDS) && !(byExpression && reader.is("ct"))) {
    const head = reader.next().text;
    return { kind: "object", type: head === "ct" ? `ct ${reader.word("an object's type")}` : head };
  }
  if (!byExpression) return { kind: "value", types: parseTypeNames(reader), typeOf: null, interval };
  const typeOf: NftExpression = parseLeft(reader);
  return { kind: "value", types: typesOf(typeOf), typeOf, interval };
}
