import type { CommentMatch } from "../../kernel/netfilter/match/comment.ts";
import type { Rule } from "../../kernel/netfilter/rule.ts";
import type { DnatTarget } from "../../kernel/netfilter/target/dnat.ts";
import type { JumpTarget } from "../../kernel/netfilter/target/target.ts";
import type { Owner } from "../../world/world.ts";

/** A rule where it stands: all that names can be read off. */
export interface PlacedRule {
  readonly table: string;
  readonly chain: string;
  readonly rule: Rule;
}

/** One program's names: whose wish a rule carries out, undefined where it is none of that program's. */
export type NameSource = (placed: PlacedRule) => Owner | undefined;

/** The texts of a rule's comments, in order. */
export function commentsOf(rule: Rule): readonly string[] {
  return rule.matches
    .filter((match): match is CommentMatch => match.kind === "comment")
    .map((match) => match.comment);
}

/** The chain a rule leads to; undefined where it ends or goes on here. */
export function chainAfter({ target }: Rule): string | undefined {
  return target?.kind === "jump" || target?.kind === "goto" ? (target as JumpTarget).chain : undefined;
}

/** Where a DNAT leads, null for its parts that stay; undefined for another target. */
export function destinationOf({ target }: Rule): DnatTarget["range"] | undefined {
  return target?.kind === "DNAT" ? (target as DnatTarget).range : undefined;
}
