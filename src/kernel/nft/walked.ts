import type { Host } from "../host.ts";
import { IPTABLES_TABLES, type NftRuleset, type NftTable } from "./ruleset.ts";

/**
 * The tables packets meet, less those that iptables-nft wrote and `iptables-save` or `ip6tables-save` printed as well: the
 * same rules are walked once, as iptables' own.
 */
export function walkedNft({ nft, iptables, ip6tables }: Host): NftRuleset {
  if (nft === null) return { tables: [] };
  const isIptables = ({ family, name }: NftTable): boolean => {
    const own = family === "ip" ? iptables : family === "ip6" ? ip6tables : null;
    return IPTABLES_TABLES.has(name) && own?.backend === "nft" && own.tables.has(name);
  };
  return { tables: nft.tables.filter((table) => !isIptables(table)) };
}
