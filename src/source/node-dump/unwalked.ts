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
    draft.assume(
      "its list of connections is kept, but not read: no connection is known before the first packet",
    );
  }
}

/** Tables with chains of which the kernel would call none: people cut what they paste. */
function withoutHooks(ruleset: string): string[] {
  return ruleset.split(/^(?=table )/m).flatMap((text) => {
    const name = /^table (\w+ \S+) \{/.exec(text)?.[1];
    return name !== undefined && /^\s*chain /m.test(text) && !/\bhook\b/.test(text) ? [name] : [];
  });
}
