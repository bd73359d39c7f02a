import { ORIGIN_NONE, type Origin } from "../../origin.ts";
import type { NftAddition, NftCommand } from "../command.ts";
import { DraftNft } from "../draft-nft.ts";
import { NFT_FAMILIES, type NftFamily, type NftRuleset, type NftSet } from "../ruleset.ts";
import type { NftTextError } from "./parse.ts";
import { parseChain, parseRule } from "./parse-chain.ts";
import { parseElements } from "./parse-elements.ts";
import { OBJECT_WORDS, parseObject } from "./parse-object.ts";
import { elementKindOf, parseSet } from "./parse-set.ts";
import type { ParseSettings } from "./parse-settings.ts";
import { parseFlowtable, parseTableBody } from "./parse-table.ts";
import { NftFault, NftReader } from "./reader.ts";
import { tokenize } from "./tokens.ts";

export type ParsedNftScript =
  | { readonly kind: "ok"; readonly commands: readonly NftCommand[] }
  | { readonly kind: "invalid"; readonly errors: readonly NftTextError[] };

/**
 * The text that `nft -f` takes: commands, and tables as blocks, which add what stands in them. All that is wrong is told,
 * one fault a command.
 *
 * @param base what the host holds: an element is read by the type of its set
 */
export function parseNftScript(
  text: string,
  base: NftRuleset | null,
  origin: (line: number) => Origin = () => ORIGIN_NONE,
): ParsedNftScript {
  const whole = tokenize(text);
  if (whole.kind === "invalid") {
    return { kind: "invalid", errors: [{ line: whole.line, message: whole.message }] };
  }
  const reader = new NftReader(text, whole.tokens);
  const script = new ScriptParser(reader, base, { origin, dump: false, verbatim: false });
  const commands: NftCommand[] = [];
  const errors: NftTextError[] = [];
  for (;;) {
    reader.skipEnds();
    if (reader.atEnd) break;
    try {
      commands.push(script.command());
    } catch (fault) {
      if (!(fault instanceof NftFault)) throw fault;
      errors.push({ line: fault.line, message: fault.message });
      // Inside a block nobody knows where the next command begins.
      if (!script.resume()) break;
    }
  }
  return errors.length === 0 ? { kind: "ok", commands } : { kind: "invalid", errors };
}

class ScriptParser {
  private readonly reader: NftReader;
  private readonly settings: ParseSettings;
  private readonly draft: DraftNft;
  private start = 0;

  constructor(reader: NftReader, base: NftRuleset | null, settings: ParseSettings) {
    this.reader = reader;
    this.settings = settings;
    this.draft = new DraftNft(base);
  }

  command(): NftCommand {
    this.start = this.reader.position;
    const command = this.parse();
    const { kind, text } = this.reader.token;
    if (kind !== "end" && kind !== "eof" && text !== "table")
      this.reader.fail("the command's end is expected");
    // Later commands may speak of what this one adds; whether it can be done is found when it is applied.
    this.draft.apply(command);
    return command;
  }

  /** Go to the line behind a command that could not be read; false where it was a block. */
  resume(): boolean {
    const { reader } = this;
    const at = reader.position;
    for (reader.position = this.start; reader.position <= at && !reader.atEnd; reader.position++) {
      if (reader.token.kind === "end" && reader.position < at) return false;
    }
    while (!reader.atEnd && reader.token.kind !== "end") reader.next();
    return true;
  }

  private parse(): NftCommand {
    const { reader } = this;
    if (reader.is("table")) return this.addition("add");
    const op = reader.oneOf(
      ["add", "create", "insert", "replace", "delete", "destroy", "flush"] as const,
      "a command",
    );
    switch (op) {
      case "add":
      case "create":
        return this.addition(op);
      case "insert": {
        reader.expect("rule");
        return { op, what: this.rule() };
      }
      case "replace":
        return this.replacement();
      case "delete":
      case "destroy":
        return this.deletion(op);
      case "flush":
        return this.flushing();
      default:
        op satisfies never;
        throw new Error("unknown command");
    }
  }

  private family(): NftFamily {
    const { reader } = this;
    return NFT_FAMILIES.some((family) => reader.is(family)) ? (reader.next().text as NftFamily) : "ip";
  }

  private table(): { readonly family: NftFamily; readonly table: string } {
    return { family: this.family(), table: this.reader.word("a table's name") };
  }

  private addition(op: "add" | "create"): NftCommand {
    const { reader, settings } = this;
    const { line } = reader.token;
    if (reader.take("table")) {
      const { family, table } = this.table();
      return { op, what: { kind: "table", family, block: parseTableBody(reader, family, table, settings) } };
    }
    if (reader.take("chain")) {
      const at = this.table();
      return { op, what: { kind: "chain", ...at, chain: parseChain(reader, at.family, settings) } };
    }
    if (reader.is("set") || reader.is("map")) {
      const isMap = reader.next().text === "map";
      const at = this.table();
      return { op, what: { kind: "set", ...at, set: parseSet(reader, settings, isMap) } };
    }
    if (reader.take("flowtable")) {
      const at = this.table();
      return {
        op,
        what: { kind: "flowtable", ...at, flowtable: parseFlowtable(reader, at.family, settings) },
      };
    }
    if (reader.take("element")) {
      const at = this.table();
      const known = this.setNamed(at);
      const elements = parseElements(reader, known.key.types, elementKindOf(known.data));
      return { op, what: { kind: "element", ...at, set: known.name, elements } };
    }
    if (reader.isAny(OBJECT_WORDS)) return { op, what: this.object(line) };
    if (op === "add" && reader.take("rule")) return { op, what: this.rule() };
    return reader.fail("a table, chain, set, map, element, flowtable or object is expected");
  }

  private setNamed(at: { readonly family: NftFamily; readonly table: string }): NftSet {
    const { reader } = this;
    const name = reader.word("a set's name");
    const set = this.draft.set(at.family, at.table, name);
    if (set !== undefined) return set;
    reader.position--;
    return reader.fail(`table ${at.family} ${at.table} has no set ${name}`);
  }

  private object(line: number): NftAddition {
    const { reader } = this;
    const type = reader.is("ct")
      ? `${reader.next().text} ${reader.word("an object's type")}`
      : reader.next().text;
    const at = this.table();
    return { kind: "object", ...at, object: parseObject(reader, type, this.settings.origin(line)) };
  }

  private rule(): Extract<NftCommand, { op: "insert" }>["what"] {
    const { reader, settings } = this;
    const at = this.table();
    const chain = reader.word("a chain's name");
    let place: Extract<NftCommand, { op: "insert" }>["what"]["at"] = null;
    if (reader.take("index")) place = { kind: "index", index: reader.number("a rule's place from 0") };
    else if (reader.take("position") || reader.take("handle")) {
      place = { kind: "handle", handle: reader.number("a rule's handle") };
    }
    return { kind: "rule", ...at, chain, at: place, rule: parseRule(reader, at.family, settings) };
  }

  private replacement(): NftCommand {
    const { reader, settings } = this;
    reader.expect("rule");
    const at = this.table();
    const chain = reader.word("a chain's name");
    reader.expect("handle");
    const handle = reader.number("a rule's handle");
    return { op: "replace", ...at, chain, handle, rule: parseRule(reader, at.family, settings) };
  }

  private deletion(op: "delete" | "destroy"): NftCommand {
    const { reader } = this;
    if (reader.take("table")) return { op, what: { kind: "table", ...this.table() } };
    if (reader.is("chain") || reader.is("flowtable")) {
      const kind = reader.next().text as "chain" | "flowtable";
      return { op, what: { kind, ...this.table(), name: reader.word("a name") } };
    }
    if (reader.take("set") || reader.take("map")) {
      return { op, what: { kind: "set", ...this.table(), name: reader.word("a set's name") } };
    }
    if (reader.take("element")) {
      const at = this.table();
      const known = this.setNamed(at);
      // A map's element is named by its key; what it stands for may be written.
      const keysOnly = !/:/.test(this.restOfLine());
      const elements = parseElements(reader, known.key.types, keysOnly ? null : elementKindOf(known.data));
      return { op, what: { kind: "element", ...at, set: known.name, elements } };
    }
    if (reader.take("rule")) {
      const at = this.table();
      const chain = reader.word("a chain's name");
      reader.expect("handle");
      return { op, what: { kind: "rule", ...at, chain, handle: reader.number("a rule's handle") } };
    }
    if (reader.isAny(OBJECT_WORDS)) {
      const type = reader.is("ct")
        ? `${reader.next().text} ${reader.word("an object's type")}`
        : reader.next().text;
      return { op, what: { kind: "object", type, ...this.table(), name: reader.word("an object's name") } };
    }
    return reader.fail("a table, chain, set, map, element, rule, flowtable or object is expected");
  }

  private restOfLine(): string {
    const { text, token } = this.reader;
    const end = text.indexOf("\n", token.at);
    return text.slice(token.at, end < 0 ? undefined : end).replaceAll(/[0-9a-fA-F]*:[0-9a-fA-F:]+/g, "");
  }

  private flushing(): NftCommand {
    const { reader } = this;
    if (reader.take("ruleset")) {
      const named = NFT_FAMILIES.some((family) => reader.is(family));
      return { op: "flush", what: { kind: "ruleset", family: named ? this.family() : null } };
    }
    if (reader.take("table")) return { op: "flush", what: { kind: "table", ...this.table() } };
    if (reader.take("chain")) {
      return { op: "flush", what: { kind: "chain", ...this.table(), name: reader.word("a chain's name") } };
    }
    if (reader.take("set") || reader.take("map")) {
      return { op: "flush", what: { kind: "set", ...this.table(), name: reader.word("a set's name") } };
    }
    return reader.fail("ruleset, table, chain, set or map is expected");
  }
}
