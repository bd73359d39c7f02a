import { isCorefile } from "./document-kind.ts";
import { toolOfLine } from "./node-dump/recognise.ts";
import { isPromptOfTool } from "./node-dump/take-apart.ts";

/** What a file is, by the beginning of what it holds and never by its name. */
export type TextKind =
  /** The JSON of hosts' state: a snapshot, or a recording. */
  | "snapshot"
  /** API objects, or the configuration of an agent. */
  | "objects"
  /** What the kernel's own tools printed. */
  | "tools"
  /** nmstate's NodeNetworkState of one node or several. */
  | "node-network-state"
  /** Questions for `--queries`, a JSON object a line: no part of a source, though people keep them beside it. */
  | "queries"
  | "log"
  | "nothing"
  | "other";

/** How much of a file tells what it is. */
const BEGINNING = 4000;

export function kindOfText(text: string): TextKind {
  const beginning = text.slice(0, BEGINNING);
  // What `ip -j` prints where there is nothing.
  if (/^[\s[\]]*$/.test(beginning) && /^(?:\[\s*\])?$/.test(text.trim())) return "nothing";
  if (/["']?\bkind\b["']?\s*:\s*["']?NodeNetworkState\b/.test(beginning)) return "node-network-state";
  if (/^\ufeff?\s*[{[]/.test(beginning)) return kindOfJson(beginning);
  if (isCorefile(text)) return "objects";
  const lines = text.split("\n", LOOKED_AT).map((line) => line.replace(/\r$/, ""));
  if (isYaml(lines)) return "objects";
  if (isLog(lines)) return "log";
  return lines.some((line) => isToolLine(line)) ? "tools" : "other";
}

/** So many lines are looked at for one that a tool prints. */
const LOOKED_AT = 2000;

function isToolLine(line: string): boolean {
  if (isPromptOfTool(line)) return true;
  const text = line.replace(/^[ \t]+/, "");
  const tool = toolOfLine(text);
  return tool !== undefined && tool !== "json";
}

/** Queues and filters: of all that tools print as JSON these alone have a kind. */
const TC_JSON =
  /^\ufeff?\s*\[\s*\{\s*(?:"kind"\s*:\s*"\S+?"\s*,\s*"handle"|(?:"parent"\s*:\s*"\S+?"\s*,\s*)?"protocol")\s*:/;

function kindOfJson(beginning: string): TextKind {
  if (/^\ufeff?\s*\{[^\n]*"(?:from|step)"\s*:[^\n]*\}[ \t\r]*(?:\n|$)/.test(beginning)) return "queries";
  if (/"(hosts|links|iptablesSave)"\s*:/.test(beginning)) return "snapshot";
  if (TC_JSON.test(beginning)) return "tools";
  if (/"(apiVersion|cniVersion|plugins|Network|kind|items|metadata|Items)"\s*:/.test(beginning))
    return "objects";
  if (/^\s*\{\s*"nftables"\s*:/.test(beginning)) return "tools";
  const isTools = /"(?:ifindex|ifname|dst|priority)"\s*:/.test(beginning);
  if (/^\ufeff?\s*\[/.test(beginning)) return isTools ? "tools" : "objects";
  // `{apiVersion: v1}` is YAML.
  if (/^\s*\{\s*[A-Za-z]/.test(beginning)) return "objects";
  return "snapshot";
}

/** A key of its own at the beginning of a document, and somewhere one that objects and configuration have. */
function isYaml(lines: readonly string[]): boolean {
  const first = lines.find((line) => line.trim() !== "" && !/^(?:#|---|%)/.test(line));
  if (first === undefined || !/^(?:- )?["']?[A-Za-z][\w./-]*["']?\s*:(?:\s|$)/.test(first)) return false;
  return lines.some((line) =>
    /^(?:- |\s{2})?["']?(?:apiVersion|kind|cniVersion|plugins|Network|items)["']?\s*:/.test(line),
  );
}

/** Lines that begin with the time, as klog, container runtimes and syslog write them, or are JSON with a level. */
const LOG_LINE =
  /^(?:[IWEF]\d{4} \d\d:|\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |time="?\d{4}|\{"(?:level|ts|time|msg|severity)"|==== (?:START|END) logs)/;

function isLog(lines: readonly string[]): boolean {
  const some = lines.filter((line) => line.trim() !== "").slice(0, 50);
  return some.filter((line) => LOG_LINE.test(line)).length * 2 > some.length;
}
