import type { Host } from "../host.ts";
import { IPTABLES_TABLES, type NftRuleset, type NftTable } from "./ruleset.ts";

/**
 * The tables packets of IPv4 meet, less those that iptables-nft wrote and `iptables-save` printed as well: the same rules
 * are walked once, as iptables' own.
 */
export function walkedNft({ nft, iptables }: Host): NftRuleset {
  if (nft === null) return { tables: [] };
  const isIptables = ({ family, name }: NftTable): boolean =>
    family === "ip" && IPTABLES_TABLES.has(name) && iptables?.backend === "nft" && iptables.tables.has(name);
  return { tables: nft.tables.filter((table) => table.family !== "ip6" && !isIptables(table)) };
}
