import { isJsonObject, type Json } from "../json-fields.ts";
import { rateText, sizeText, TIME_UNITS } from "./tc-units.ts";

/** The output of `tc -j`, written as `tc` writes it without: everything of it that is read is read from the text. */

/** null: it is no output of `tc -j qdisc show`. */
export function qdiscTextOfJson(text: string): string | null {
  const items = itemsOf(text, ["kind", "handle", "dev"]);
  return items === null ? null : items.map((item) => `${qdiscLine(item)}\n`).join("");
}

/** null: it is no output of `tc -j filter show`. */
export function filterTextOfJson(text: string): string | null {
  const items = itemsOf(text, ["protocol", "pref", "kind"]);
  return items === null ? null : items.map((item) => filterLines(item).join("\n")).join("\n");
}

/** Filters that somebody has read already: of several matches of u32, all of one name, only the last is left. */
export function filterTextOfRead(value: readonly unknown[]): string | null {
  const text = filterTextOfJson(JSON.stringify(value));
  return text?.replaceAll(/^ {2}match .*$/gm, "$&\n  match of more, maybe: JSON has one") ?? null;
}

/** Is it JSON, and no text of `tc`? */
export function isTcJson(text: string): boolean {
  return /^\s*\[/.test(text);
}

function itemsOf(text: string, names: readonly string[]): Json[] | null {
  let count = 0;
  let value: unknown;
  try {
    // A filter of u32 has a "match" for each of its matches: JSON.parse would keep one.
    value = JSON.parse(text.replaceAll(/"match":(\s*\{)/g, (_, brace) => `"match ${count++}":${brace}`));
  } catch {
    return null;
  }
  if (!Array.isArray(value)) return null;
  const items = (value as readonly unknown[])
    .filter(isJsonObject)
    .filter((item) => Object.keys(item).length > 0);
  return items.every((item) => names.every((name) => Object.hasOwn(item, name))) ? items : null;
}

function qdiscLine(item: Json): string {
  const { kind, handle, dev, parent, refcnt, options } = item;
  const place = parent === undefined ? "root" : `parent ${parent}`;
  return [
    `qdisc ${kind} ${handle} dev ${dev} ${place}`,
    ...(refcnt === undefined ? [] : [`refcnt ${refcnt}`]),
    ...(kind === "ingress" ? ["----------------"] : optionWords(isJsonObject(options) ? options : {})),
    "",
  ].join(" ");
}

/** Microseconds, bytes and bytes a second as tbf prints them; of what other queues say only the names stand. */
const FORMS: Readonly<Record<string, (value: number) => string>> = {
  rate: rateText,
  peakrate: rateText,
  burst: sizeText,
  mpu: sizeText,
  minburst: sizeText,
  mtu: sizeText,
  lat: TIME_UNITS.text,
};

function optionWords(options: Json): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === false || value === null || value === "") return [];
    if (value === true) return [name];
    if (typeof value === "number") return [name, FORMS[name]?.(value) ?? String(value)];
    if (Array.isArray(value) && value.every((each) => typeof each !== "object"))
      return [name, ...value.map(String)];
    return typeof value === "string" ? [name, value] : [name];
  });
}

function filterLines(item: Json): string[] {
  const { parent, protocol, pref, kind, chain, options } = item;
  const own = isJsonObject(options) ? options : {};
  const head = [
    "filter",
    ...(parent === undefined ? [] : [`parent ${parent}`]),
    `protocol ${protocol} pref ${pref} ${kind} chain ${chain ?? 0}`,
    ...headWords(own),
    "",
  ].join(" ");
  const { keys, actions } = own;
  return [
    head,
    ...matchLines(own),
    ...(isJsonObject(keys) ? keyLines(keys) : []),
    ...(Array.isArray(actions)
      ? (actions as readonly unknown[]).filter(isJsonObject).flatMap(actionLines)
      : []),
    "",
  ];
}

function headWords(own: Json): string[] {
  const {
    fh,
    order,
    key_ht: hashTable,
    bkt,
    handle,
    flowid,
    ht_divisor: divisor,
    not_in_hw: soft,
    link,
  } = own;
  if (divisor !== undefined) return [`fh ${fh} ht divisor ${divisor}`];
  return [
    ...(handle === undefined
      ? []
      : [`handle ${typeof handle === "number" ? `0x${handle.toString(16)}` : handle}`]),
    ...(fh === undefined ? [] : [`fh ${fh}`]),
    ...(order === undefined ? [] : [`order ${order}`]),
    ...(hashTable === undefined ? [] : [`key ht ${hashTable}`]),
    ...(bkt === undefined ? [] : [`bkt ${bkt}`]),
    ...(link === undefined ? [] : [`link ${link}`]),
    ...(flowid === undefined ? (fh === undefined ? [] : ["terminal flowid"]) : [`*flowid ${flowid}`]),
    ...(soft === true ? ["not_in_hw"] : []),
  ];
}

/** Of u32: values and masks that `tc` prints with eight digits. */
function matchLines(own: Json): string[] {
  const { fwmark_value: mark, fwmark_mask: markMask } = own;
  const lines = mark === undefined ? [] : [`  mark ${mark} ${markMask}`];
  for (const [name, match] of Object.entries(own)) {
    if (!/^match \d+$/.test(name) || !isJsonObject(match)) continue;
    const { value, mask, offmask, off } = match;
    lines.push(`  match ${digits(value)}/${digits(mask)} at ${offmask ?? ""}${off}`);
  }
  return lines;
}

function digits(value: unknown): string {
  return String(value).padStart(8, "0");
}

/** Of flower. */
function keyLines(keys: Json): string[] {
  return Object.entries(keys).map(([name, value]) =>
    isJsonObject(value) ? `  ${name} ${JSON.stringify(value)}` : `  ${name} ${String(value)}`,
  );
}

function actionLines(action: Json): string[] {
  const { order, kind, control_action: control, index, ref, bind } = action;
  const what = isJsonObject(control) ? control : {};
  const { type = "" } = what;
  const text = () => {
    const { mirred_action: does, direction, to_dev: dev } = action;
    if (kind === "mirred") return `mirred (${capital(direction)} ${capital(does)} to device ${dev}) ${type}`;
    return kind === "gact" ? `gact action ${type}` : `${kind} ${type}`.trim();
  };
  return [`\taction order ${order}: ${text()}`, `\tindex ${index} ref ${ref} bind ${bind}`];
}

function capital(word: unknown): string {
  const text = String(word);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
