import type { NftAddition, NftCommand, NftVictim, RulePlace } from "../command.ts";
import { formatChain, formatFlowtable, formatObject, formatSet, formatTable } from "./format.ts";
import { formatElements } from "./format-expression.ts";
import { formatNftRule } from "./format-statement.ts";

/** A command as `nft` takes it, without a newline behind it. */
export function formatNftCommand(command: NftCommand): string {
  switch (command.op) {
    case "add":
    case "create":
      return formatAddition(command.op, command.what);
    case "insert":
      return formatAddition("insert", command.what);
    case "replace": {
      const { family, table, chain, handle, rule } = command;
      return `replace rule ${family} ${table} ${chain} handle ${handle} ${formatNftRule(rule)}`;
    }
    case "delete":
    case "destroy":
      return `${command.op} ${formatVictim(command.what)}`;
    case "flush": {
      const { what } = command;
      if (what.kind === "ruleset") return `flush ruleset${what.family === null ? "" : ` ${what.family}`}`;
      return `flush ${what.kind} ${what.family} ${what.table}${what.kind === "table" ? "" : ` ${what.name}`}`;
    }
    default:
      command satisfies never;
      throw new Error("unknown command");
  }
}

function formatAddition(op: string, what: NftAddition): string {
  switch (what.kind) {
    case "table":
      return `${op} ${formatTable(what.block).trimEnd()}`;
    case "chain":
      return headed(op, what, formatChain(what.chain, what.family));
    case "set":
      return headed(op, what, formatSet(what.set));
    case "object":
      return headed(op, what, formatObject(what.object));
    case "flowtable":
      return headed(op, what, formatFlowtable(what.flowtable));
    case "element":
      return `${op} element ${what.family} ${what.table} ${what.set} ${formatElements(what.elements, null)}`;
    case "rule":
      return `${op} rule ${what.family} ${what.table} ${what.chain} ${placeText(what.at)}${formatNftRule(what.rule)}`;
    default:
      what satisfies never;
      throw new Error("unknown addition");
  }
}

/** A block's own first line names no table. */
function headed(op: string, { family, table }: { family: string; table: string }, block: string): string {
  const [, kind = "", rest = ""] = /^\t((?:ct )?\S+) ([\s\S]*)$/.exec(block.trimEnd()) ?? [];
  return `${op} ${kind} ${family} ${table} ${rest}`;
}

function placeText(at: RulePlace | null): string {
  if (at === null) return "";
  return at.kind === "index" ? `index ${at.index} ` : `handle ${at.handle} `;
}

function formatVictim(what: NftVictim): string {
  const at = `${what.family} ${what.table}`;
  switch (what.kind) {
    case "table":
      return `table ${at}`;
    case "chain":
    case "set":
    case "flowtable":
      return `${what.kind} ${at} ${what.name}`;
    case "object":
      return `${what.type} ${at} ${what.name}`;
    case "element":
      return `element ${at} ${what.set} ${formatElements(what.elements, null)}`;
    case "rule":
      return `rule ${at} ${what.chain} handle ${what.handle}`;
    default:
      what satisfies never;
      throw new Error("unknown victim");
  }
}
