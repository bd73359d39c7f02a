import { type TextLine, type ToolText, ToolTextDraft, WordReader } from "../tool-text.ts";

/**
 * Policy rules as `ip rule` prints them, in the form of `ip -j rule`:
 *
 *     32765:	from 10.1.0.0/16 fwmark 0x100/0xf00 lookup 100
 */
export function parseIpRuleText(lines: readonly TextLine[]): ToolText {
  const draft = new ToolTextDraft();
  for (const line of lines) {
    if (line.text.trim() === "") continue;
    const [, priority, rest = ""] = /^\s*(\d+):\s*(.*)$/.exec(line.text) ?? [];
    if (priority === undefined) {
      draft.odd.push(line);
      continue;
    }
    const rule = readRule(Number(priority), rest, line, draft);
    if (rule !== null) draft.add(rule, line);
  }
  return draft;
}

/** Names of values in a rule's line, and what `ip -j` calls them. */
const RULE_VALUES: Readonly<Record<string, string>> = {
  lookup: "table",
  table: "table",
  iif: "iif",
  oif: "oif",
  ipproto: "ipproto",
  tos: "tos",
  dsfield: "tos",
  protocol: "protocol",
  proto: "protocol",
};

const RULE_ACTIONS = new Set(["unreachable", "blackhole", "prohibit", "nop"]);

type Draft = Record<string, unknown>;

function readRule(priority: number, rest: string, line: TextLine, draft: ToolTextDraft): Draft | null {
  const words = new WordReader(rest);
  const rule: Draft = { priority };
  while (!words.done) {
    const name = words.next();
    if (name === "not") Object.assign(rule, { not: null });
    else if (name === "lookup" && words.peek() === "[l3mdev-table]") {
      words.next();
      Object.assign(rule, { l3mdev: null });
    } else if (RULE_ACTIONS.has(name)) Object.assign(rule, { action: name });
    else if (name === "[detached]" || name === "[unresolved]" || name === "unresolved") continue;
    else if (!readRuleValue(rule, name, words.next())) {
      draft.fault(
        line,
        `${JSON.stringify(name)} is no part of a rule that "ip rule" prints, or has no value`,
      );
      return null;
    }
  }
  return rule;
}

function readRuleValue(rule: Draft, name: string, value: string): boolean {
  if (value === "") return false;
  if (name === "from" || name === "to") {
    const [address = "", length] = value.split("/");
    const [field, bits] = name === "from" ? ["src", "srclen"] : ["dst", "dstlen"];
    rule[field as string] = address;
    if (length !== undefined) rule[bits as string] = Number(length);
  } else if (name === "fwmark") {
    const [mark = "", mask] = value.split("/");
    Object.assign(rule, { fwmark: mark, ...(mask === undefined ? {} : { fwmask: mask }) });
  } else if (name === "suppress_prefixlength") Object.assign(rule, { suppress_prefixlen: Number(value) });
  else if (name === "goto") Object.assign(rule, { goto: Number(value) });
  else if (name === "suppress_ifgroup") Object.assign(rule, { suppress_ifgroup: value });
  else if (name === "sport" || name === "dport" || name === "uidrange") readRange(rule, name, value);
  else if (name === "realms") {
    const at = value.indexOf("/");
    Object.assign(
      rule,
      at < 0 ? { flow_to: value } : { flow_from: value.slice(0, at), flow_to: value.slice(at + 1) },
    );
  } else if (Object.hasOwn(RULE_VALUES, name)) rule[RULE_VALUES[name] as string] = value;
  else return false;
  return true;
}

/** `80`, or `80-90`, which JSON splits. */
function readRange(rule: Draft, name: string, value: string): void {
  const [from = "", to] = value.split("-");
  const field = name === "uidrange" ? "uid" : name;
  if (to === undefined) rule[field] = Number(from);
  else Object.assign(rule, { [`${field}_start`]: Number(from), [`${field}_end`]: Number(to) });
}
