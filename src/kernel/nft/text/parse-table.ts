import { ORIGIN_NONE, type Origin } from "../../origin.ts";
import { DATA_TYPES } from "../datatype.ts";
import type { NftExpression } from "../expression.ts";
import { typesOf } from "../fields.ts";
import { namedPriority } from "../priority.ts";
import {
  type BaseChain,
  IPTABLES_TABLES,
  type NftChain,
  type NftFamily,
  type NftFlowtable,
  type NftObject,
  type NftObjectType,
  type NftRule,
  type NftSet,
  type NftTable,
  SET_FLAGS,
  type SetData,
  type SetFlag,
  type SetKey,
} from "../ruleset.ts";
import type { NftStatement } from "../statement.ts";
import { formatNftRule } from "./format-statement.ts";
import { type ElementKind, parseElements, takeTime } from "./parse-elements.ts";
import { parseLeft } from "./parse-expression.ts";
import { parseObject } from "./parse-object.ts";
import { parseLimit, parseStateful, STATEFUL } from "./parse-stateful.ts";
import { parseStatement, unread } from "./parse-statement.ts";
import { NftFault, type NftReader } from "./reader.ts";

/** The blocks of a table: its sets, objects, flowtables, chains. */

export interface TableSettings {
  /** By line. */
  readonly origin: (line: number) => Origin;
  /**
   * A dump: what is not understood in a rule becomes a statement that the walk does not know. Otherwise it is a fault,
   * as for nft.
   */
  readonly dump: boolean;
  /** Keep a rule's words where ours differ: iptables' own tables are printed by its translation. */
  readonly verbatim: boolean;
}

export const DUMP: TableSettings = { origin: () => ORIGIN_NONE, dump: true, verbatim: false };

/** What the type of an object begins with; `ct` has another word behind it. */
export const OBJECT_WORDS: ReadonlySet<string> = new Set<NftObjectType | "ct">([
  "counter",
  "quota",
  "limit",
  "ct",
  "synproxy",
  "secmark",
]);

/** From behind the table's name. */
export function parseTableBody(
  reader: NftReader,
  family: NftFamily,
  name: string,
  given: TableSettings,
): NftTable {
  const isIptables = (family === "ip" || family === "ip6") && IPTABLES_TABLES.has(name);
  const settings = given.dump && isIptables ? { ...given, verbatim: true } : given;
  const origin = settings.origin(reader.token.line);
  const flags: string[] = [];
  const objects: NftObject[] = [];
  const sets: NftSet[] = [];
  const flowtables: NftFlowtable[] = [];
  const chains: NftChain[] = [];
  let comment: string | null = null;
  const part = (): void => {
    if (reader.take("comment")) comment = reader.word("a comment");
    else if (reader.take("flags")) flags.push(...parseFlags(reader));
    else if (reader.take("chain")) chains.push(parseChain(reader, family, settings));
    else if (reader.is("set") || reader.is("map")) {
      sets.push(parseSet(reader, settings, reader.next().text === "map"));
    } else if (reader.take("flowtable")) flowtables.push(parseFlowtable(reader, family, settings));
    else if (reader.isAny(OBJECT_WORDS)) objects.push(parseTypedObject(reader, settings));
    else reader.fail("a chain, set, map, object or flowtable is expected");
  };
  const handle = reader.block(part, () => settings.dump && isCutShort(reader));
  return { family, name, handle, comment, flags, objects, sets, flowtables, chains, origin };
}

/** Do dots follow, as people write where they left the rest of a table out? */
function isCutShort(reader: NftReader): boolean {
  if (!reader.is(".")) return false;
  while (reader.take(".")) reader.skipEnds();
  if (!reader.atEnd && !reader.is("table")) reader.fail("the end, or a table, is expected behind dots");
  return true;
}

function parseTypedObject(reader: NftReader, settings: TableSettings): NftObject {
  const origin = settings.origin(reader.token.line);
  const head = reader.next().text;
  return parseObject(reader, head === "ct" ? `ct ${reader.word("an object's type")}` : head, origin);
}

function parseFlags(reader: NftReader): string[] {
  const flags: string[] = [];
  do flags.push(reader.word("a flag"));
  while (reader.take(","));
  return flags;
}

/** From behind `chain`. */
export function parseChain(reader: NftReader, family: NftFamily, settings: TableSettings): NftChain {
  const origin = settings.origin(reader.token.line);
  return parseChainBody(reader, reader.word("a chain's name"), family, settings, origin);
}

export function parseChainBody(
  reader: NftReader,
  name: string,
  family: NftFamily,
  settings: TableSettings,
  origin: Origin,
): NftChain {
  const rules: NftRule[] = [];
  let base: BaseChain | null = null;
  let comment: string | null = null;
  const handle = reader.block(() => {
    if (reader.is("type") && base === null) base = parseBase(reader, family);
    else if (reader.is("policy") && base !== null) base = { ...base, policy: parsePolicy(reader) };
    else if (reader.take("comment")) comment = reader.word("a comment");
    else rules.push(parseRule(reader, family, settings));
  });
  return { name, handle, comment, base, rules, origin };
}

function parsePolicy(reader: NftReader): "accept" | "drop" {
  reader.expect("policy");
  return reader.oneOf(["accept", "drop"] as const, "a policy");
}

const HOOKS = ["prerouting", "input", "forward", "output", "postrouting", "ingress", "egress"] as const;

function parseBase(reader: NftReader, family: NftFamily): BaseChain {
  reader.expect("type");
  const type = reader.oneOf(["filter", "nat", "route"] as const, "a chain's type");
  reader.expect("hook");
  const hook = reader.oneOf(HOOKS, "a hook");
  let devices: string[] = [];
  let deviceList = false;
  if (reader.take("device")) devices = [reader.word("a device")];
  else if (reader.take("devices")) {
    reader.expect("=");
    devices = parseDevices(reader);
    deviceList = true;
  }
  reader.expect("priority");
  const priority = parsePriority(reader, family, hook);
  while (reader.token.kind === "end" && reader.token.text === ";") reader.next();
  const policy = reader.is("policy") ? parsePolicy(reader) : "accept";
  return { type, hook, devices, deviceList, priority, policy };
}

export function parseDevices(reader: NftReader): string[] {
  const devices: string[] = [];
  reader.expect("{");
  for (;;) {
    reader.skipEnds();
    if (reader.take("}")) return devices;
    devices.push(reader.word("a device"));
    reader.skipEnds();
    if (!reader.take(",") && !reader.is("}")) reader.fail('"," or "}" is expected');
  }
}

export function parsePriority(reader: NftReader, family: NftFamily, hook: string): number {
  const { text } = reader.token;
  let priority = 0;
  if (/^[a-z]/.test(text)) {
    const named = namedPriority(family, hook, text);
    if (named === undefined)
      reader.fail(`the ${hook} hook of ${family} has no priority ${JSON.stringify(text)}`);
    reader.next();
    priority = named as number;
    if (!reader.is("+") && !reader.is("-")) return priority;
  }
  if (reader.take("-")) return priority - reader.number("a priority");
  reader.take("+");
  return priority + reader.number("a priority");
}

/** One rule, up to the end of its line. */
export function parseRule(reader: NftReader, family: NftFamily, settings: TableSettings): NftRule {
  const origin = settings.origin(reader.token.line);
  const statements: NftStatement[] = [];
  let comment: string | null = null;
  const begin = beginOf(reader);
  for (;;) {
    const { kind, text } = reader.token;
    if (kind === "eof" || kind === "end" || kind === "handle" || text === "}") break;
    if (reader.is("comment")) {
      reader.next();
      comment = reader.word("a comment");
      continue;
    }
    const at = reader.position;
    try {
      statements.push(parseStatement(reader, family));
    } catch (fault) {
      if (!(fault instanceof NftFault) || !settings.dump) throw fault;
      reader.position = at;
      statements.push(unread(reader));
    }
  }
  if (statements.length === 0 && comment === null) reader.fail("a rule says what it matches or does");
  const written = settings.verbatim
    ? reader.text.slice(begin, reader.peek(-1).until).replace(/^\t*/, "")
    : null;
  const rule = { statements, comment, written: null };
  const differs = written !== null && formatNftRule(rule) !== written;
  return { handle: reader.handle(), statements, comment, written: differs ? written : null, origin };
}

/** Where a rule's words begin: blanks before it on its line are iptables' own, and behind another rule it has a place of its own. */
function beginOf({ text, token }: NftReader): number {
  const line = text.lastIndexOf("\n", token.at) + 1;
  return text.slice(line, token.at).trim() === "" ? line : token.at;
}

/** From behind `set` or `map`. */
export function parseSet(reader: NftReader, settings: TableSettings, isMap: boolean): NftSet {
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

/** From behind `flowtable`. */
export function parseFlowtable(reader: NftReader, family: NftFamily, settings: TableSettings): NftFlowtable {
  const origin = settings.origin(reader.token.line);
  const name = reader.word("a flowtable's name");
  const flags: string[] = [];
  let priority = 0;
  let devices: string[] = [];
  let counter = false;
  const handle = reader.block(() => {
    if (reader.take("hook")) {
      reader.expect("ingress");
      reader.expect("priority");
      priority = parsePriority(
        reader,
        family === "inet" || family === "ip" || family === "ip6" ? "netdev" : family,
        "ingress",
      );
    } else if (reader.take("devices")) {
      reader.expect("=");
      devices = parseDevices(reader);
    } else if (reader.take("flags")) flags.push(...parseFlags(reader));
    else if (reader.take("counter")) counter = true;
    else reader.fail("a flowtable's hook, devices, flags or counter are expected");
  });
  return { name, handle, priority, devices, flags, counter, origin };
}
