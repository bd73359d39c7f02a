import type { Origin } from "../origin.ts";
import { quote } from "../shell-words.ts";
import { filterTextOfJson, isTcJson, qdiscTextOfJson } from "./tc-json.ts";
import type { Qdisc, TcFilter, TcHook } from "./traffic-control.ts";

/** The text of `tc qdisc show` and `tc filter show`: parsed, printed, and as commands that make the same. */

export interface TcTextError {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

const QDISC = /^qdisc (\S+) (\S+) (?:offloaded )?dev (\S+) (root|parent \S+)(?: (.*))?$/;

/** Of `tc qdisc show`, with `-j` or without. A line of a kind that is not a queue's own (statistics) is passed over. */
export function parseQdiscs(
  given: string,
  origin: (line: number) => Origin,
): { readonly qdiscs: readonly Qdisc[]; readonly errors: readonly TcTextError[] } {
  const qdiscs: Qdisc[] = [];
  const errors: TcTextError[] = [];
  const isJson = isTcJson(given);
  const text = isJson ? qdiscTextOfJson(given) : given;
  if (text === null) return { qdiscs, errors: [{ line: 1, message: 'is no output of "tc -j qdisc show"' }] };
  const originOf = isJson ? () => origin(1) : origin;
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "" || /^\s/.test(line)) continue;
    const [, kind = "", handle = "", dev = "", place = "", options = ""] = QDISC.exec(line) ?? [];
    if (kind === "") {
      errors.push({
        line: i + 1,
        message: 'is no line of "tc qdisc show": "qdisc KIND HANDLE dev DEV root …" is expected',
      });
    } else qdiscs.push({ kind, handle, dev, place, options: options.trim(), origin: originOf(i + 1) });
  }
  return { qdiscs, errors };
}

export function formatQdiscs(qdiscs: readonly Qdisc[]): string {
  return qdiscs
    .map(
      ({ kind, handle, dev, place, options }) => `qdisc ${kind} ${handle} dev ${dev} ${place} ${options} \n`,
    )
    .join("");
}

/** The filters of one hook of a device, of `tc filter show` with `-j` or without. */
export function parseTcFilters(
  given: string,
  dev: string,
  hook: TcHook,
  origin: (line: number) => Origin,
): { readonly filters: readonly TcFilter[]; readonly errors: readonly TcTextError[] } {
  const filters: { head: string; lines: string[]; origin: Origin }[] = [];
  const errors: TcTextError[] = [];
  const isJson = isTcJson(given);
  const text = isJson ? filterTextOfJson(given) : given;
  if (text === null)
    return { filters: [], errors: [{ line: 1, message: 'is no output of "tc -j filter show"' }] };
  const originOf = isJson ? () => origin(1) : origin;
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const own = filters.at(-1);
    if (line.startsWith("filter "))
      filters.push({ head: line.slice("filter ".length).trim(), lines: [], origin: originOf(i + 1) });
    else if (/^\s/.test(line) && own !== undefined) own.lines.push(line.trimEnd());
    else
      errors.push({
        line: i + 1,
        message: 'is no line of "tc filter show": "filter protocol …" is expected',
      });
  }
  return { filters: filters.map((filter) => ({ dev, hook, ...filter })), errors };
}

export function formatTcFilters(filters: readonly TcFilter[]): string {
  return filters.map(({ head, lines }) => [`filter ${head} `, ...lines, ""].join("\n")).join("");
}

/** `tc qdisc add …`, null for one that the kernel makes itself or that has more than its line says. */
export function qdiscCommand({ kind, handle, dev, place, options }: Qdisc): string | null {
  if (kind === "ingress" || kind === "clsact") return `tc qdisc add dev ${quote(dev)} ${kind}`;
  if (kind !== "tbf" || place !== "root") return null;
  const words = options.replace(/\brefcnt \d+ ?/, "").replace(/\blat /, "latency ");
  return `tc qdisc add dev ${quote(dev)} root handle ${handle} tbf ${words}`;
}

export function qdiscDeletion(dev: string, place: string): string {
  return `tc qdisc del dev ${quote(dev)} ${place}`;
}

/** Of a head that only frames others, theirs go with it. */
export function tcFilterDeletion(dev: string, hook: TcHook, head: string | null): string {
  const [, protocol, pref, kind, rest = ""] = /protocol (\S+) pref (\d+) (\S+)(.*)$/.exec(head ?? "") ?? [];
  const handle = /\b(?:fh|handle) (\S+)(?! *ht divisor)/.exec(rest)?.[1];
  const all = `tc filter del dev ${quote(dev)} ${hook}`;
  if (pref === undefined) return all;
  const own = `${all} protocol ${protocol} pref ${pref}`;
  return handle === undefined || handle.endsWith(":") ? own : `${own} handle ${handle} ${kind}`;
}

/** `tc filter add …` of a filter of u32 or matchall; "" for what only frames others, null for what has no command here. */
export function tcFilterCommand({ dev, hook, head, lines }: TcFilter): string | null {
  const [, protocol, pref, kind, rest = ""] = /protocol (\S+) pref (\d+) (\S+)(.*)$/.exec(head) ?? [];
  if (lines.length === 0 && !/\bflowid [0-9a-f]+:/.test(rest)) return "";
  if (kind !== "u32" && kind !== "matchall") return null;
  const matches = lines.flatMap((line) => {
    const [, value, mask, at] = /^\s+match ([0-9a-f]+)\/([0-9a-f]+) at (-?\d+)$/.exec(line) ?? [];
    return value === undefined ? [] : [`match u32 0x${value} 0x${mask} at ${at}`];
  });
  const actions = lines.flatMap((line) => {
    const text = /^\s+action order \d+: +(.*)$/.exec(line)?.[1];
    return text === undefined ? [] : [actionWords(text)];
  });
  if (actions.includes(null)) return null;
  const flow = /flowid ([0-9a-f]+:[0-9a-f]*)/.exec(rest)?.[1];
  return [
    `tc filter add dev ${quote(dev)} ${hook} protocol ${protocol} pref ${pref} ${kind}`,
    ...matches,
    ...(flow === undefined ? [] : [`flowid ${flow}`]),
    ...actions,
  ].join(" ");
}

function actionWords(text: string): string | null {
  const [, way, what, to = "", control] = /^mirred \((\w+) (\w+) to device (\S+)\) (\S+)/.exec(text) ?? [];
  if (way !== undefined) {
    const end = control === "stolen" || control === "pipe" ? "" : ` ${control}`;
    return `action mirred ${way.toLowerCase()} ${what?.toLowerCase()} dev ${quote(to)}${end}`;
  }
  const gact = /^gact action (\S+)/.exec(text)?.[1];
  return gact === undefined ? null : `action ${gact}`;
}
