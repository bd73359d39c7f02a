import type { DumpDraft } from "./dump-draft.ts";

/** What of a dump is kept and given back by `export`, but that no walk reads: whoever asks must know. */
export function noteUnwalked(draft: DumpDraft): void {
  const { ipvs, nftRuleset, nftRulesetJson, conntrack } = draft.json;
  if (typeof ipvs === "string") {
    const services = ipvs.split("\n").filter((line) => line.startsWith("-A ")).length;
    draft.assume(
      `its ${services} virtual servers of IPVS are kept, but not walked yet: packets go on as if there were none`,
    );
  }
  const tables =
    typeof nftRuleset === "string"
      ? [...nftRuleset.matchAll(/^table (\w+ \S+) \{/gm)]
          .map(([, name]) => name ?? "")
          .filter((name) => !isOfIptables(name, draft))
      : nftRulesetJson === undefined
        ? []
        : ["(JSON)"];
  if (tables.length > 0) {
    draft.assume(
      `its nft ${tables.length === 1 ? "table" : "tables"} ${tables.join(", ")} ${tables.length === 1 ? "is" : "are"} kept, but not walked yet: packets go on as if there were none`,
    );
  }
  if (typeof conntrack === "string") {
    draft.assume(
      "its list of connections is kept, but not read: no connection is known before the first packet",
    );
  }
}

/** Tables that `iptables-nft` keeps its own rules in, which `iptables-save` has shown already. */
function isOfIptables(table: string, draft: DumpDraft): boolean {
  return draft.has("iptablesSave") && /^ip6? (?:filter|nat|mangle|raw|security)$/.test(table);
}
