import type { Family } from "../../src/address/ip.ts";
import type { DraftHost } from "./draft.ts";

/** The chains that each table of iptables begins with. */
export const TABLE_HOOKS: Readonly<Record<string, readonly string[]>> = {
  raw: ["PREROUTING", "OUTPUT"],
  mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
  nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
};

/**
 * Puts rules before all others of a table, which is made where the host has none of the kind.
 *
 * @param rules as `iptables-save` prints them; chains that they name and the table does not begin with are declared
 */
export function putFirst(host: DraftHost, family: Family, table: string, rules: readonly string[]): void {
  const hooks = TABLE_HOOKS[table] as readonly string[];
  const named = rules.flatMap((rule) => /^-A (\S+)/.exec(rule)?.[1] ?? []);
  const users = [...new Set(named)].filter((chain) => !hooks.includes(chain));
  const added = [...users.map((chain) => `:${chain} - [0:0]`), ...rules].map((line) => `${line}\n`).join("");
  const loaded = host.iptablesSave[family];
  host.iptablesSave[family] = loaded.includes(`*${table}\n`)
    ? loaded.replace(new RegExp(`(\\*${table}\\n(?::.*\\n)+)`), (head) => head + added)
    : `${loaded}*${table}\n${hooks.map((chain) => `:${chain} ACCEPT [0:0]\n`).join("")}${added}COMMIT\n`;
}
