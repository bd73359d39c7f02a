import { parseConntrackList } from "../../kernel/conntrack/conntrack-list.ts";
import { linesOf } from "../../kernel/tool-text.ts";
import type { DumpDraft } from "./dump-draft.ts";

/** What of a dump is kept and given back by `export`, but that no walk reads: whoever asks must know. */
export function noteUnwalked(draft: DumpDraft): void {
  const { conntrack, nftRuleset } = draft.json;
  for (const table of typeof nftRuleset === "string" ? withoutHooks(nftRuleset) : []) {
    draft.assume(
      `nft's table ${table} has no base chain in the dump, so no packet meets its rules: the rest of it is missing`,
    );
  }
  if (typeof conntrack === "string") {
    const { faults, odd } = parseConntrackList(linesOf(conntrack));
    const [fault] = faults;
    if (fault !== undefined) {
      draft.assume(
        `of its list of connections ${faults.length + odd.length} lines are not read; the first: ${fault.message}`,
      );
    }
  }
}

/** Tables with chains of which the kernel would call none: people cut what they paste. */
function withoutHooks(ruleset: string): string[] {
  return ruleset.split(/^(?=table )/m).flatMap((text) => {
    const name = /^table (\w+ \S+) \{/.exec(text)?.[1];
    return name !== undefined && /^\s*chain /m.test(text) && !/\bhook\b/.test(text) ? [name] : [];
  });
}
