import type { Family } from "../../address/ip.ts";
import type { Host } from "../../kernel/host.ts";
import { Faults, type Json, JsonFields } from "../../kernel/json-fields.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { parseRule, parseRule6 } from "../../kernel/route/ip-rule.ts";
import { parseIpRuleText } from "../../kernel/route/ip-rule-text.ts";
import type { PolicyRule, PolicyRule6, PolicyRuleOf } from "../../kernel/route/route.ts";
import { parseWhole } from "../number-text.ts";
import { invalid, ok, type Result } from "../result.ts";
import { isShort } from "./ip-words.ts";

const PRIORITY = new Set(["priority", "preference", "order", "pref"]);
/** What a rule does in the place of a look-up: it has no table then. */
const ACTIONS = new Set(["goto", "nop", "blackhole", "unreachable", "prohibit", "l3mdev"]);
const MOST_FAULTS = 3;

/** `ip [-6] rule add|del …` */
export function readRuleCommand(
  host: Host,
  [command = "", ...words]: readonly string[],
  family: Family,
  origin: Origin,
): Result<Operation[]> {
  const deletes = isShort(command, "delete", 1);
  if (!deletes && !isShort(command, "add", 1))
    return invalid(`ip rule ${command}: is not built yet: add and del are`);
  const given = readWords(words, family, origin);
  if (given.kind === "invalid") return given;
  const rules: readonly (PolicyRule | PolicyRule6)[] = family === 6 ? host.rules6 : host.rules;
  const { rule, priority, said } = given.value;
  if (deletes) {
    const found = rules.find((other) => said.every((field) => isSame(other[field], rule[field])));
    if (found === undefined) return invalid("ip rule del: there is no such rule");
    return ok([operation("rule-delete", found, family)]);
  }
  return ok([operation("rule-add", { ...rule, priority: priority ?? usualPriority(rules) }, family)]);
}

function operation(
  kind: "rule-add" | "rule-delete",
  rule: PolicyRule | PolicyRule6,
  family: Family,
): Operation {
  return family === 6
    ? { kind, family, rule: rule as PolicyRule6 }
    : { kind, family, rule: rule as PolicyRule };
}

/** `fib_default_rule_pref`: just before the second there is. */
function usualPriority([, second]: readonly { readonly priority: number }[]): number {
  return second === undefined || second.priority === 0 ? 0 : second.priority - 1;
}

interface GivenRule {
  readonly rule: PolicyRule | PolicyRule6;
  readonly priority: number | null;
  /** The fields that the command names, which a rule to be deleted must have. */
  readonly said: readonly (keyof PolicyRuleOf<unknown>)[];
}

/** By word the field of a rule; others have their word's name. */
const FIELDS: Readonly<Record<string, keyof PolicyRuleOf<unknown>>> = {
  ...{ from: "src", to: "dst", iif: "iif", dev: "iif", oif: "oif", fwmark: "fwmark", tos: "tos" },
  ...{ dsfield: "tos", ipproto: "ipproto", sport: "sport", dport: "dport", uidrange: "uidRange", not: "not" },
};

/** The words as `ip rule` prints them: they are read as its output is. */
function readWords(words: readonly string[], family: Family, origin: Origin): Result<GivenRule> {
  const line: string[] = [];
  const said = new Set<keyof PolicyRuleOf<unknown>>();
  let priority: number | null = null;
  let acts = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (PRIORITY.has(word)) {
      const number = parseWhole(words[++at] ?? "", word, 0, 0xffff_ffff);
      if (number.kind === "invalid") return invalid(...number.messages.map((text) => `ip rule: ${text}`));
      priority = number.value;
      said.add("priority");
      continue;
    }
    if (word === "type") continue;
    if (word === "lookup" || word === "table" || ACTIONS.has(word)) {
      acts = true;
      said.add("action");
    }
    const field = FIELDS[word];
    if (field !== undefined) said.add(field);
    if (word === "l3mdev") line.push("lookup", "[l3mdev-table]");
    else if (word === "dev") line.push("iif");
    else if ((word === "from" || word === "to") && isAnywhere(words[at + 1])) at++;
    else line.push(word);
  }
  // iproute2 fills the table in only where a rule is added; one to be deleted is then found by the rest.
  if (!acts) line.push("lookup", "main");
  const read = parseIpRuleText([{ number: 1, text: `0:\t${line.join(" ")}` }]);
  const [fault] = read.faults;
  if (fault !== undefined) return invalid(`ip rule: ${fault.message.replace(' that "ip rule" prints', "")}`);
  const faults = new Faults(MOST_FAULTS);
  const fields = new JsonFields(read.items[0] as Json, "", faults);
  const rule = family === 6 ? parseRule6(fields, origin) : parseRule(fields, origin);
  if (faults.count > 0)
    return invalid(...faults.kept.map(({ field, message }) => `ip rule: ${field}: ${message}`));
  return ok({ rule: { ...rule, priority: priority ?? 0 }, priority, said: [...said] });
}

function isAnywhere(word: string | undefined): boolean {
  return word === "all" || word === "any" || word === "default";
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
