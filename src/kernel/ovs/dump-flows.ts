import type { Origin } from "../origin.ts";
import { DEFAULT_PRIORITY, type OvsFlow, type OvsFlowStats } from "./open-vswitch.ts";
import { isWhole, splitList } from "./split-list.ts";

/** The text of `ovs-ofctl dump-flows` (lib/ofp-flow.c), and of files for `add-flows`: parsed, and printed as the tool does. */

export interface OvsTextError {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

/** `NXST_FLOW reply (xid=0x4):`, `OFPST_FLOW reply (OF1.3) (xid=0x2):`. */
const HEADER = /^\s*(?:NXST|OFPST|ONFST)_(?:FLOW|GROUP_DESC|GROUP) reply\b/;

export function isOvsReplyHeader(line: string): boolean {
  return HEADER.test(line);
}

export function parseOvsFlows(
  text: string,
  originOf: (line: number) => Origin,
): { readonly flows: readonly OvsFlow[]; readonly errors: readonly OvsTextError[] } {
  const flows: OvsFlow[] = [];
  const errors: OvsTextError[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const own = line.trim();
    if (own === "" || own.startsWith("#") || isOvsReplyHeader(own)) continue;
    const read = parseFlow(own, originOf(i + 1));
    if (typeof read === "string") errors.push({ line: i + 1, message: read });
    else flows.push(read);
  }
  return { flows, errors };
}

const FLAGS = /^(?:send_flow_rem|check_overlap|reset_counts|no_packet_counts|no_byte_counts)$/;
const HEAD = new Set([
  ...["cookie", "duration", "table", "n_packets", "n_bytes", "idle_timeout", "hard_timeout", "importance"],
  ...["idle_age", "hard_age", "priority", "out_port", "out_group"],
]);

const FORMS: readonly (readonly [string, RegExp])[] = [
  ["table", /^(?:[\w.-]+|"[^"]+")$/],
  ["duration", /^\d+(?:\.\d+)?s$/],
  ["n_packets", /^\d+$/],
  ["n_bytes", /^\d+$/],
  ["idle_age", /^\d+$/],
  ["hard_age", /^\d+$/],
];

/** The flow, or what is wrong with the line. */
export function parseFlow(line: string, origin: Origin): OvsFlow | string {
  const at = /(?:^|[,\s])actions?=/.exec(line);
  if (at === null)
    return 'is no flow: "cookie=0x0, table=0, priority=100,ip actions=NORMAL" is the form that is expected';
  const actions = line.slice(at.index + at[0].length).trim();
  if (!isWhole(line.slice(0, at.index))) return "a bracket or quote before the flow's actions is not closed";
  if (!isWhole(actions)) return "the flow's actions are cut off: a bracket is not closed";
  const head = new Map<string, string>();
  const match: string[] = [];
  const flags: string[] = [];
  for (const part of splitList(line.slice(0, at.index))) {
    // A flag stands before the next setting without a comma: `reset_counts idle_age=3`.
    const words = part.split(/\s+/);
    while (words.length > 0 && FLAGS.test(words[0] as string)) flags.push(words.shift() as string);
    const rest = words.join(" ");
    if (rest === "") continue;
    const [, name = "", value = ""] = /^(\w+)=(.*)$/.exec(rest) ?? [];
    if (HEAD.has(name)) head.set(name, value);
    else match.push(rest);
  }
  const number = (name: string, otherwise: number, most: number): number | string => {
    const value = head.get(name);
    if (value === undefined) return otherwise;
    const read = Number(value);
    return Number.isInteger(read) && read >= 0 && read <= most
      ? read
      : `${name} is ${JSON.stringify(value)}: a number up to ${most} is expected`;
  };
  const priority = number("priority", DEFAULT_PRIORITY, 65_535);
  const idleTimeout = number("idle_timeout", 0, 65_535);
  const hardTimeout = number("hard_timeout", 0, 65_535);
  const importance = number("importance", 0, 65_535);
  for (const read of [priority, idleTimeout, hardTimeout, importance]) {
    if (typeof read === "string") return read;
  }
  for (const [name, form] of FORMS) {
    const value = head.get(name);
    if (value !== undefined && !form.test(value)) return `${name} is ${JSON.stringify(value)}`;
  }
  const cookie = head.get("cookie") ?? "0x0";
  if (!/^(?:0x[0-9a-f]+|\d+)(?:\/\S+)?$/i.test(cookie))
    return `cookie is ${JSON.stringify(cookie)}: a number is expected`;
  return {
    cookie,
    table: head.get("table") ?? "0",
    priority: priority as number,
    match: match.join(","),
    actions,
    idleTimeout: idleTimeout as number,
    hardTimeout: hardTimeout as number,
    importance: importance as number,
    flags,
    stats: statsOf(head),
    origin,
  };
}

function statsOf(head: ReadonlyMap<string, string>): OvsFlowStats | null {
  const duration = head.get("duration");
  if (duration === undefined) return null;
  return {
    duration,
    packets: head.get("n_packets") ?? "0",
    bytes: head.get("n_bytes") ?? "0",
    idleAge: head.get("idle_age") ?? null,
    hardAge: head.get("hard_age") ?? null,
  };
}

export function formatOvsFlows(flows: readonly OvsFlow[]): string {
  return flows.map((flow) => ` ${formatFlow(flow)}\n`).join("");
}

/** `ofputil_flow_stats_format`. */
export function formatFlow(flow: OvsFlow): string {
  const { cookie, table, priority, match, actions, stats } = flow;
  const parts = [
    ...(stats !== null || !/^0(?:x0)?$/.test(cookie) ? [`cookie=${cookie}, `] : []),
    ...(stats !== null ? [`duration=${stats.duration}, `] : []),
    ...(stats !== null || table !== "0" ? [`table=${table}, `] : []),
    ...(stats !== null ? [`n_packets=${stats.packets}, n_bytes=${stats.bytes}, `] : []),
    ...(flow.idleTimeout === 0 ? [] : [`idle_timeout=${flow.idleTimeout}, `]),
    ...(flow.hardTimeout === 0 ? [] : [`hard_timeout=${flow.hardTimeout}, `]),
    ...flow.flags.map((flag) => `${flag} `),
    ...(flow.importance === 0 ? [] : [`importance=${flow.importance}, `]),
    ...(stats?.idleAge == null ? [] : [`idle_age=${stats.idleAge}, `]),
    ...(stats?.hardAge == null ? [] : [`hard_age=${stats.hardAge}, `]),
  ];
  const said = [...(priority === DEFAULT_PRIORITY ? [] : [`priority=${priority}`]), match].filter(
    (part) => part !== "",
  );
  const head = `${parts.join("")}${said.join(",")}`;
  return `${head}${head === "" || head.endsWith(" ") ? "" : " "}actions=${actions}`;
}
