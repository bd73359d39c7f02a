import { parseIpv4 } from "../../address/ipv4.ts";
import { parseMac } from "../../address/mac.ts";
import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { TcFilter, TcHook } from "../../kernel/tc/traffic-control.ts";
import { keyText, mergeKeys, readU32Match, type U32Key } from "../../kernel/tc/u32-match.ts";
import { parseWhole } from "../number-text.ts";
import { invalid, ok, type Result } from "../result.ts";
import { findDevice } from "./ip-words.ts";

/** `TC_H_MIN_INGRESS`, `TC_H_MIN_EGRESS`, and the handle of a queue `ingress` itself. */
const HOOKS: Readonly<Record<string, TcHook>> = {
  ingress: "ingress",
  egress: "egress",
  "ffff:": "ingress",
  "ffff:fff2": "ingress",
  "ffff:fff3": "egress",
};
const PROTOCOLS: ReadonlySet<string> = new Set(["all", "ip", "ipv6", "arp", "802.1Q"]);
const CONTROLS: ReadonlySet<string> = new Set(["pass", "ok", "drop", "shot", "pipe", "continue", "stolen"]);
/** `tcf_auto_prio`: the first, and then one less than the least of the upper half. */
const FIRST_PREF = 0xc000;
const UPPER_HALF = 0x8000;

interface Head {
  dev: string;
  hook: TcHook | null;
  protocol: string;
  pref: number | null;
  handle: string | null;
  kind: string;
}

/** `tc filter add|replace|del dev DEV ingress|egress [protocol P] [pref N] u32|matchall|flower … action …` */
export function readTcFilter(
  host: Host,
  command: string,
  words: readonly string[],
  origin: Origin,
): Result<Operation[]> {
  const deletes = command === "del" || command === "delete";
  const said = `tc filter ${command}`;
  if (!deletes && command !== "add" && command !== "replace")
    return invalid(`${said}: is not built yet: add, replace and del are`);
  const read = readHead(words);
  if (read.kind === "invalid") return invalid(...read.messages.map((text) => `${said}: ${text}`));
  const { head, rest } = read.value;
  const device = findDevice(host, head.dev);
  if (device.kind === "invalid") return device;
  const { dev, hook, pref, protocol } = head;
  if (hook === null)
    return invalid(`${said}: ingress or egress is expected: other filters decide nothing here`);
  const holds = host.tc.qdiscs.some(
    (qdisc) =>
      qdisc.dev === dev && (qdisc.kind === "clsact" || (qdisc.kind === "ingress" && hook === "ingress")),
  );
  if (!holds)
    return invalid(
      `${said}: the queue of the filter's parent does not exist: tc qdisc add dev ${dev} clsact`,
    );
  const others = host.tc.filters.filter((filter) => filter.dev === dev && filter.hook === hook);
  if (deletes) return deletion(said, head, others);
  const same = others.filter((filter) => prefOf(filter) === pref);
  const other = same.find((filter) => protocolOf(filter) !== protocol || kindOf(filter) !== head.kind);
  if (other !== undefined)
    return invalid(`${said}: a filter of pref ${pref} is there of another protocol or kind: ${other.head}`);
  if (command === "replace" && head.handle === null && head.kind !== "u32" && same.length > 0)
    return invalid(`${said}: which one of pref ${pref} says its handle, which is not built yet`);
  const body = readBody(host, head.kind, rest);
  if (body.kind === "invalid") return invalid(...body.messages.map((text) => `${said}: ${text}`));
  const number =
    pref ?? Math.min(FIRST_PREF + 1, ...others.map(prefOf).filter((other) => other >= UPPER_HALF)) - 1;
  const start = `protocol ${protocol} pref ${number} ${head.kind} chain 0`;
  const heads =
    head.kind === "u32"
      ? u32Heads(start, body.value.flow, same, others)
      : [...(same.length === 0 ? [start] : []), `${start} handle 0x${(same.length || 1).toString(16)}`];
  return ok(
    heads.map((text, i): Operation => {
      const lines = i === heads.length - 1 ? body.value.lines : [];
      return { kind: "tc-filter-add", filter: { dev, hook, head: text, lines, origin } };
    }),
  );
}

function readHead(
  words: readonly string[],
): Result<{ readonly head: Head; readonly rest: readonly string[] }> {
  const head: Head = { dev: "", hook: null, protocol: "all", pref: null, handle: null, kind: "" };
  let at = 0;
  for (; at < words.length && head.kind === ""; at++) {
    const word = words[at] as string;
    const value = words[at + 1] ?? "";
    if (Object.hasOwn(HOOKS, word)) head.hook = HOOKS[word] ?? null;
    else if (word === "root") return invalid("filters of a root queue's classes decide nothing here");
    else if (["dev", "protocol", "pref", "prio", "preference", "handle", "parent"].includes(word)) {
      at++;
      if (word === "dev") head.dev = value;
      else if (word === "handle") head.handle = value;
      else if (word === "parent") head.hook = Object.hasOwn(HOOKS, value) ? (HOOKS[value] ?? null) : null;
      else if (word === "protocol") {
        if (!PROTOCOLS.has(value))
          return invalid(
            `protocol ${JSON.stringify(value)} is not built yet: ${[...PROTOCOLS].join(", ")} are`,
          );
        head.protocol = value;
      } else {
        const pref = parseWhole(value, word, 1, 0xffff);
        if (pref.kind === "invalid") return pref;
        head.pref = pref.value;
      }
    } else head.kind = word;
  }
  return ok({ head, rest: words.slice(at) });
}

function deletion(
  said: string,
  { dev, hook, pref, handle }: Head,
  others: readonly TcFilter[],
): Result<Operation[]> {
  if (hook === null) return ok([]);
  if (pref === null && handle === null) return ok([{ kind: "tc-filter-delete", dev, hook, head: null }]);
  const named = others.filter(
    (filter) =>
      (pref === null || prefOf(filter) === pref) &&
      (handle === null ||
        new RegExp(`\\b(?:fh|handle) (?:0x)?${handle.replace(/^0x/, "")}(?: |$)`).test(filter.head)),
  );
  if (named.length === 0) return invalid(`${said}: ${dev} has no such filter at its ${hook}`);
  const heads = [...new Set(named.map(({ head }) => head))];
  return ok(heads.map((head): Operation => ({ kind: "tc-filter-delete", dev, hook, head })));
}

interface Body {
  readonly lines: readonly string[];
  readonly flow: string | null;
}

function readBody(host: Host, kind: string, words: readonly string[]): Result<Body> {
  if (kind !== "u32" && kind !== "matchall" && kind !== "flower")
    return invalid(`the filter ${JSON.stringify(kind)} is not built yet: u32, matchall and flower are`);
  const keys: U32Key[] = [];
  const fields: string[] = [];
  const actions: string[] = [];
  let flow: string | null = null;
  for (let at = 0; at < words.length; ) {
    const word = words[at] as string;
    if (word === "action") {
      const action = readAction(host, words.slice(at + 1), actions.length / 2 + 1);
      if (action.kind === "invalid") return action;
      actions.push(...action.value.lines);
      at += 1 + action.value.read;
    } else if (kind === "u32" && word === "match") {
      const match = readU32Match(words.slice(at + 1));
      if (typeof match === "string") return invalid(match);
      keys.push(...match.keys);
      at += 1 + match.read;
    } else if (kind === "u32" && (word === "flowid" || word === "classid")) {
      flow = words[at + 1] ?? "";
      at += 2;
    } else if (kind === "flower") {
      const field = flowerLine(word, words[at + 1] ?? "");
      if (field === null)
        return invalid(`flower ${word} ${words[at + 1] ?? ""} is not built yet, or no value`);
      fields.push(field);
      at += 2;
    } else return invalid(`${JSON.stringify(word)} is not built yet`);
  }
  if (actions.length === 0 && flow === null)
    return invalid("an action is expected: without one it decides nothing");
  const merged = mergeKeys(keys);
  if (merged === null) return invalid("two matches contradict each other");
  const own = [...merged.map((key) => `  ${keyText(key)}`), ...fields];
  return ok({ lines: [...own, ...(kind === "u32" ? [] : ["  not_in_hw"]), ...actions], flow });
}

/** One that is not known where the walk reads it (`compile-filter.ts`) is refused here. */
function flowerLine(word: string, value: string): string | null {
  const ip = /^(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?$/.exec(value);
  switch (word) {
    case "ip_proto":
      return /^(?:tcp|udp|sctp|icmp|icmpv6)$/.test(value) ? `  ip_proto ${value}` : null;
    case "src_ip":
    case "dst_ip":
      return ip !== null && parseIpv4(ip[1] ?? "") !== undefined && Number(ip[2] ?? 32) <= 32
        ? `  ${word} ${value}`
        : null;
    case "src_port":
    case "dst_port":
      return /^\d{1,5}$/.test(value) && Number(value) <= 0xffff ? `  ${word} ${value}` : null;
    case "src_mac":
    case "dst_mac":
      return parseMac(value) === undefined ? null : `  ${word} ${value}`;
    default:
      return null;
  }
}

/** `mirred egress redirect dev X`, `drop`, `gact drop`: as `tc filter show` prints it. */
function readAction(
  host: Host,
  words: readonly string[],
  order: number,
): Result<{ readonly lines: readonly string[]; readonly read: number }> {
  const [kind = ""] = words;
  const before = host.tc.filters.flatMap(({ lines }) => lines.filter((line) => /^\taction order/.test(line)));
  const index = before.length + order;
  const end = (text: string, read: number) =>
    ok({ lines: [`\taction order ${order}: ${text}`, `\tindex ${index} ref 1 bind 1`], read });
  if (kind === "mirred") {
    const [, way = "", does = "", , dev = "", control = ""] = words;
    if (!/^(?:in|e)gress$/.test(way) || !/^(?:redirect|mirror)$/.test(does) || words[3] !== "dev")
      return invalid("mirred egress|ingress redirect|mirror dev DEVICE is expected");
    const device = findDevice(host, dev);
    if (device.kind === "invalid") return device;
    const usual = does === "redirect" ? "stolen" : "pipe";
    const said = CONTROLS.has(control);
    const text = `mirred (${capital(way)} ${capital(does)} to device ${dev}) ${said ? plain(control) : usual}`;
    return end(text, said ? 6 : 5);
  }
  const control = kind === "gact" ? (words[1] ?? "") : kind;
  if (!CONTROLS.has(control))
    return invalid(`the action ${JSON.stringify(kind)} is not built yet: mirred and gact are`);
  return end(`gact action ${plain(control)}`, kind === "gact" ? 2 : 1);
}

function plain(control: string): string {
  return control === "ok" ? "pass" : control === "shot" ? "drop" : control;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** A filter of u32 hangs in a table that each preference has of its own. */
function u32Heads(
  start: string,
  flow: string | null,
  same: readonly TcFilter[],
  all: readonly TcFilter[],
): readonly string[] {
  const idOf = ({ head }: TcFilter) => /\bfh ([0-9a-f]+): ht divisor/.exec(head)?.[1];
  const own = same.map(idOf).find((id) => id !== undefined);
  const ids = all.flatMap((filter) => idOf(filter) ?? []).map((id) => Number.parseInt(id, 16));
  const table = own ?? (Math.max(0x7ff, ...ids) + 1).toString(16);
  const taken = new Set(same.map(({ head }) => new RegExp(`\\bfh ${table}::([0-9a-f]+)`).exec(head)?.[1]));
  let key = 0x800;
  while (taken.has(key.toString(16))) key++;
  const goal = flow === null ? "terminal flowid" : `*flowid ${flow}`;
  const frame = own === undefined ? [start, `${start} fh ${table}: ht divisor 1`] : [];
  const name = key.toString(16);
  return [...frame, `${start} fh ${table}::${name} order ${key} key ht ${table} bkt 0 ${goal} not_in_hw`];
}

function prefOf({ head }: TcFilter): number {
  return Number(/\bpref (\d+)/.exec(head)?.[1] ?? 0);
}

function protocolOf({ head }: TcFilter): string {
  return /\bprotocol (\S+)/.exec(head)?.[1] ?? "";
}

function kindOf({ head }: TcFilter): string {
  return /\bpref \d+ (\S+)/.exec(head)?.[1] ?? "";
}
