import type { NftCommand } from "../../kernel/nft/command.ts";
import type { NftExpression } from "../../kernel/nft/expression.ts";
import type { NftRule } from "../../kernel/nft/ruleset.ts";
import type { NftStatement } from "../../kernel/nft/statement.ts";

/** What a set has room for that rules add to and that nobody gave a size (`expr_evaluate_set`). */
const DYNAMIC_SIZE = 65_535;

/**
 * A command as the kernel keeps it, and lists it again: a comparison with a set of one element is one with that element,
 * and a set that rules add to has a size.
 */
export function asKept(command: NftCommand): NftCommand {
  if (command.op !== "add") return command;
  const { what } = command;
  if (what.kind === "rule") return { op: "add", what: { ...what, rule: keptRule(what.rule) } };
  if (what.kind !== "set" || !what.set.flags.includes("dynamic") || what.set.size !== null) return command;
  return { op: "add", what: { ...what, set: { ...what.set, size: DYNAMIC_SIZE } } };
}

function keptRule(rule: NftRule): NftRule {
  if (!rule.statements.some(hasSingle)) return rule;
  return {
    ...rule,
    statements: rule.statements.map((statement) =>
      hasSingle(statement)
        ? { ...statement, right: statement.right.elements[0]?.key as NftExpression }
        : statement,
    ),
  };
}

type SetMatch = Extract<NftStatement, { kind: "match" }> & {
  readonly right: Extract<NftExpression, { kind: "set" }>;
};

function hasSingle(statement: NftStatement): statement is SetMatch {
  return (
    statement.kind === "match" && statement.right.kind === "set" && statement.right.elements.length === 1
  );
}
