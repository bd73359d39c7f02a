import type { Family } from "../../address/ip.ts";
import type { Packet } from "../../packet/packet.ts";
import {
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  type NfVerdict,
} from "../netfilter/hook.ts";
import type { Stack } from "../stack.ts";
import type { CompiledNft } from "./compile/nft-table.ts";
import { nftDoChain } from "./do-chain.ts";
import { asksConntrack } from "./needs-conntrack.ts";
import type { BaseChain, NftRuleset, NftTable } from "./ruleset.ts";

/** A base chain where it is hooked. */
export interface NftHook {
  readonly base: BaseChain;
  /** `NF_INET_*`. */
  readonly hook: number;
  readonly priority: number;
  readonly name: string;
  readonly run: (stack: Stack, packet: Packet) => NfVerdict;
}

const HOOKS: Readonly<Partial<Record<BaseChain["hook"], number>>> = {
  prerouting: NF_INET_PRE_ROUTING,
  input: NF_INET_LOCAL_IN,
  forward: NF_INET_FORWARD,
  output: NF_INET_LOCAL_OUT,
  postrouting: NF_INET_POST_ROUTING,
};

/**
 * The base chains that packets of a family meet at the five hooks, in the order in which those of equal priority run: what is
 * registered last comes first (`nf_hook_entries_grow` puts a new one before its equals).
 */
export function nftHooks(nft: CompiledNft | null, family: Family): readonly NftHook[] {
  const own = family === 6 ? "ip6" : "ip";
  const hooks: NftHook[] = [];
  for (const table of nft?.tables ?? []) {
    const { family: tableFamily, flags, name } = table.plain;
    if ((tableFamily !== own && tableFamily !== "inet") || flags.includes("dormant")) continue;
    for (const [place, { plain }] of table.chains.entries()) {
      const { base } = plain;
      const hook = base === null ? undefined : HOOKS[base.hook];
      if (base === null || hook === undefined) continue;
      hooks.push({
        base,
        hook,
        priority: base.priority,
        name: `${tableFamily} ${name} ${plain.name}`,
        run: (stack, packet) => nftDoChain(stack, table, place, hook, packet),
      });
    }
  }
  return hooks.reverse();
}

/**
 * Tables whose rules the walk does not follow: of bridges, where they ask for connections, which bridges then track in their own way.
 */
export function unwalkedTables(nft: NftRuleset | null): readonly string[] {
  return (nft?.tables ?? []).filter(isUnwalked).map(({ family, name }) => `${family} ${name}`);
}

export function isUnwalked(table: NftTable): boolean {
  return table.family === "bridge" && !table.flags.includes("dormant") && asksConntrack(table);
}
