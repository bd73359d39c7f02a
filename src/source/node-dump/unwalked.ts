import { parseConntrackList } from "../../kernel/conntrack/conntrack-list.ts";
import { isJsonObject } from "../../kernel/json-fields.ts";
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
  for (const bridge of withoutNumbers(draft)) {
    draft.assume(
      `the flows of ${bridge} know ports by numbers that the dump does not tell ("ovs-ofctl show ${bridge}" does): none is found by its number but LOCAL`,
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

/** Bridges of Open vSwitch with flows that name ports by number, and nothing that says which those are. */
function withoutNumbers({ json }: DumpDraft): string[] {
  const { ovsFlows, ovsShow } = json;
  if (!isJsonObject(ovsFlows)) return [];
  const shown = isJsonObject(ovsShow) ? ovsShow : {};
  return Object.entries(ovsFlows).flatMap(([bridge, text]) =>
    !Object.hasOwn(shown, bridge) && /\b(?:in_port=|output:|resubmit\()\d/.test(String(text)) ? [bridge] : [],
  );
}

/** Tables with chains of which the kernel would call none: people cut what they paste. */
function withoutHooks(ruleset: string): string[] {
  return ruleset.split(/^(?=table )/m).flatMap((text) => {
    const name = /^table (\w+ \S+) \{/.exec(text)?.[1];
    return name !== undefined && /^\s*chain /m.test(text) && !/\bhook\b/.test(text) ? [name] : [];
  });
}
