import type { NftRuleset, NftTable } from "../ruleset.ts";
import { NFT_FAMILIES } from "../ruleset.ts";
import { DUMP, type ParseSettings } from "./parse-settings.ts";
import { parseTableBody } from "./parse-table.ts";
import { NftFault, NftReader } from "./reader.ts";
import { tokenize } from "./tokens.ts";

/** What is wrong with a text of nft's, and where. */
export interface NftTextError {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export type ParsedNft =
  | { readonly kind: "ok"; readonly ruleset: NftRuleset }
  | { readonly kind: "invalid"; readonly errors: readonly NftTextError[] };

/**
 * The text of `nft list ruleset` or `nft list table`, with handles or without. A block that the text breaks off in is
 * read as far as it goes where only dots follow, as people write them.
 */
export function parseNftRuleset(text: string, settings: ParseSettings = DUMP): ParsedNft {
  const whole = tokenize(text);
  if (whole.kind === "invalid")
    return { kind: "invalid", errors: [{ line: whole.line, message: whole.message }] };
  const reader = new NftReader(text, whole.tokens);
  const tables: NftTable[] = [];
  try {
    for (;;) {
      reader.skipEnds();
      if (reader.atEnd) break;
      reader.expect("table", 'a table, as in "table ip filter {",');
      const family = reader.oneOf(NFT_FAMILIES, "a family");
      const name = reader.word("a table's name");
      tables.push(parseTableBody(reader, family, name, settings));
    }
  } catch (fault) {
    if (!(fault instanceof NftFault)) throw fault;
    return { kind: "invalid", errors: [{ line: fault.line, message: fault.message }] };
  }
  return { kind: "ok", ruleset: { tables } };
}
