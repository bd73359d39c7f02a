import type { TextFault, TextLine } from "../../tool-text.ts";

/** A chain as lines of `iptables-save`, each with the line of the file it was taken from. */
export interface ChainLines {
  readonly name: string;
  /** null: made by a user, or not said. */
  readonly policy: string | null;
  readonly at: TextLine;
  /** `-A CHAIN …` */
  readonly rules: readonly TextLine[];
}

/** What one output says of a table. */
export interface TableLines {
  readonly chains: readonly ChainLines[];
  readonly faults: readonly TextFault[];
  readonly odd: readonly TextLine[];
  /** What this form of output does not say, and what was taken instead. */
  readonly assumed: readonly string[];
}

/**
 * The table that chains belong to, where nothing else says: by the hooks that the built-in ones among them stand at and by
 * targets that only one table has. undefined: it may be several.
 */
export function tableOfChains(chains: readonly ChainLines[]): string | undefined {
  const names = new Set(chains.map(({ name }) => name));
  const rules = chains.flatMap((chain) => chain.rules.map(({ text }) => text)).join("\n");
  if (/ -j (?:DNAT|SNAT|MASQUERADE|REDIRECT|NETMAP)\b/.test(rules)) return "nat";
  if (/ -j (?:CT|NOTRACK)\b/.test(rules)) return "raw";
  if (/ -j REJECT\b/.test(rules)) return "filter";
  const has = (...wanted: readonly string[]) => wanted.every((name) => names.has(name));
  if (has("PREROUTING", "POSTROUTING", "FORWARD")) return "mangle";
  if (has("POSTROUTING")) return "nat";
  if (has("FORWARD")) return "filter";
  if (has("PREROUTING")) return has("INPUT") ? "nat" : "raw";
  if (has("INPUT") || has("OUTPUT")) return "filter";
  return undefined;
}
