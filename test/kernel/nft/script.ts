import { DraftNft } from "../../../src/kernel/nft/draft-nft.ts";
import type { NftRuleset } from "../../../src/kernel/nft/ruleset.ts";
import { parseNftScript } from "../../../src/kernel/nft/text/parse-script.ts";

/** What a host holds after a script, as `nft -f` would load it. */
export function loaded(script: string, base: NftRuleset | null = null): NftRuleset {
  // A clone: what reads a script makes a draft of its own.
  const parsed = parseNftScript(script, structuredClone(base));
  if (parsed.kind === "invalid") {
    throw new Error(parsed.errors.map(({ line, message }) => `line ${line}: ${message}`).join("\n"));
  }
  const draft = new DraftNft(base);
  for (const command of parsed.commands) {
    const fault = draft.apply(command);
    if (fault !== null) throw new Error(fault);
  }
  return draft.finish() ?? { tables: [] };
}
