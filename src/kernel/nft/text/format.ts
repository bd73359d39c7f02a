import { formatPriority } from "../priority.ts";
import type {
  NftChain,
  NftFamily,
  NftFlowtable,
  NftObject,
  NftRuleset,
  NftSet,
  NftTable,
  SetKey,
} from "../ruleset.ts";
import { elementsPerLine, formatElements, formatExpression } from "./format-expression.ts";
import { formatLimit, formatQuota, formatStateful } from "./format-stateful.ts";
import { formatNftRule } from "./format-statement.ts";
import { formatTime } from "./time.ts";

/** The text of `nft list ruleset`; with handles, of `nft -a list ruleset`. What it prints, `nft -f` takes. */
export function formatNftRuleset(ruleset: NftRuleset, handles = false): string {
  return ruleset.tables.map((table) => formatTable(table, handles)).join("");
}

export function formatTable(table: NftTable, handles = false): string {
  const { family, name, flags, comment, objects, sets, flowtables, chains } = table;
  const head = [
    ...(comment === null ? [] : [`\tcomment "${comment}"\n`]),
    ...(flags.length === 0 ? [] : [`\tflags ${flags.join(",")}\n`]),
  ].join("");
  const blocks = [
    ...objects.map((object) => formatObject(object, handles)),
    ...sets.map((set) => formatSet(set, handles)),
    ...flowtables.map((flowtable) => formatFlowtable(flowtable, handles)),
    ...chains.map((chain) => formatChain(chain, family, handles)),
  ];
  return `table ${family} ${name} {${handleText(table.handle, handles)}\n${head}${blocks.join("\n")}}\n`;
}

function handleText(handle: number | null, handles: boolean): string {
  return handles && handle !== null ? ` # handle ${handle}` : "";
}

function block(head: string, handle: number | null, handles: boolean, lines: readonly string[]): string {
  return `\t${head} {${handleText(handle, handles)}\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n`;
}

export function formatChain(chain: NftChain, family: NftFamily, handles = false): string {
  const { name, comment, base, rules } = chain;
  const lines: string[] = [];
  if (comment !== null) lines.push(`comment "${comment}"`);
  if (base !== null) lines.push(formatBase(base, family));
  for (const rule of rules) lines.push(`${formatNftRule(rule)}${handleText(rule.handle, handles)}`);
  return block(`chain ${name}`, chain.handle, handles, lines);
}

function formatBase(base: NonNullable<NftChain["base"]>, family: NftFamily): string {
  const { type, hook, devices, deviceList, priority, policy } = base;
  const [device] = devices;
  const on = deviceList
    ? ` devices = { ${devices.join(", ")} }`
    : device === undefined
      ? ""
      : ` device "${device}"`;
  return `type ${type} hook ${hook}${on} priority ${formatPriority(family, hook, priority)}; policy ${policy};`;
}

export function formatSet(set: NftSet, handles = false): string {
  const { name, key, data, statements, elements, timeoutMs, gcIntervalMs, comment } = set;
  const lines: string[] = [`${key.typeOf === null ? "type" : "typeof"} ${formatKey(key)}${formatData(set)}`];
  if (set.policy === "memory") lines.push("policy memory");
  if (set.size !== null) lines.push(`size ${set.size}`);
  if (set.flags.length > 0) lines.push(`flags ${set.flags.join(",")}`);
  for (const statement of statements)
    lines.push(formatStateful({ ...statement, stateless: true } as never) ?? "");
  if (timeoutMs !== null) lines.push(`timeout ${formatTime(timeoutMs)}`);
  if (gcIntervalMs !== null) lines.push(`gc-interval ${formatTime(gcIntervalMs)}`);
  if (set.autoMerge) lines.push("auto-merge");
  if (comment !== null) lines.push(`comment "${comment}"`);
  if (elements.length > 0) lines.push(`elements = ${formatElements(elements, elementsPerLine(key.types))}`);
  return block(`${data === null ? "set" : "map"} ${name}`, set.handle, handles, lines);
}

function formatKey({ types, typeOf }: SetKey): string {
  return typeOf === null ? types.join(" . ") : formatExpression(typeOf);
}

function formatData({ data }: NftSet): string {
  if (data === null) return "";
  switch (data.kind) {
    case "verdict":
      return " : verdict";
    case "object":
      return ` : ${data.type}`;
    case "value": {
      const text = data.typeOf === null ? data.types.join(" . ") : formatExpression(data.typeOf);
      return ` : ${data.interval ? "interval " : ""}${text}`;
    }
    default:
      data satisfies never;
      throw new Error("unknown data");
  }
}

export function formatObject(object: NftObject, handles = false): string {
  const { type, name, comment, spec } = object;
  const lines: string[] = comment === null ? [] : [`comment "${comment}"`];
  if (spec.kind === "counter") lines.push(`packets ${spec.packets} bytes ${spec.bytes}`);
  else if (spec.kind === "lines") lines.push(...spec.lines);
  else if (spec.statement.kind === "quota") lines.push(formatQuota(spec.statement));
  else if (spec.statement.kind === "limit") lines.push(formatLimit(spec.statement));
  return block(`${type} ${name}`, object.handle, handles, lines);
}

export function formatFlowtable(flowtable: NftFlowtable, handles = false): string {
  const { name, priority, devices, flags, counter } = flowtable;
  const lines = [`hook ingress priority ${formatPriority("netdev", "ingress", priority)}`];
  if (devices.length > 0) lines.push(`devices = { ${devices.join(", ")} }`);
  if (flags.length > 0) lines.push(`flags ${flags.join(",")}`);
  if (counter) lines.push("counter");
  return block(`flowtable ${name}`, flowtable.handle, handles, lines);
}
