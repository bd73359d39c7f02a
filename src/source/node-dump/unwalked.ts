import type { DumpDraft } from "./dump-draft.ts";

/** What of a dump is kept and given back by `export`, but that no walk reads: whoever asks must know. */
export function noteUnwalked(draft: DumpDraft): void {
  const { conntrack } = draft.json;
  if (typeof conntrack === "string") {
    draft.assume(
      "its list of connections is kept, but not read: no connection is known before the first packet",
    );
  }
}
