import type { Origin } from "../../origin.ts";
import { namedPriority } from "../priority.ts";
import type { BaseChain, NftChain, NftFamily, NftRule } from "../ruleset.ts";
import type { NftStatement } from "../statement.ts";
import { formatNftRule } from "./format-statement.ts";
import type { ParseSettings } from "./parse-settings.ts";
import { parseStatement, unread } from "./parse-statement.ts";
import { NftFault, type NftReader } from "./reader.ts";

/** Chains and their rules. */

/** From behind `chain`. */
export function parseChain(reader: NftReader, family: NftFamily, settings: ParseSettings): NftChain {
  const origin = settings.origin(reader.token.line);
  return parseChainBody(reader, reader.word("a chain's name"), family, settings, origin);
}

function parseChainBody(
  reader: NftReader,
  name: string,
  family: NftFamily,
  settings: ParseSettings,
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
export function parseRule(reader: NftReader, family: NftFamily, settings: ParseSettings): NftRule {
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
