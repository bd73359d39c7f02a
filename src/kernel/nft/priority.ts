import type { NftFamily } from "./ruleset.ts";

/** Priorities by name (nft(8), "Standard priority names"; `std_prios` in nftables' src/rule.c). */

interface NamedPriority {
  readonly name: string;
  readonly priority: number;
  /** null: every hook. */
  readonly hook: string | null;
}

const IP: readonly NamedPriority[] = [
  { name: "raw", priority: -300, hook: null },
  { name: "mangle", priority: -150, hook: null },
  { name: "dstnat", priority: -100, hook: "prerouting" },
  { name: "filter", priority: 0, hook: null },
  { name: "security", priority: 50, hook: null },
  { name: "srcnat", priority: 100, hook: "postrouting" },
];

const BRIDGE: readonly NamedPriority[] = [
  { name: "dstnat", priority: -300, hook: "prerouting" },
  { name: "filter", priority: -200, hook: null },
  { name: "out", priority: 100, hook: "output" },
  { name: "srcnat", priority: 300, hook: "postrouting" },
];

const FILTER_ONLY: readonly NamedPriority[] = [{ name: "filter", priority: 0, hook: null }];

/** How far from a name a number may be to be printed by it. */
const REACH = 10;

function namesOf(family: NftFamily): readonly NamedPriority[] {
  if (family === "bridge") return BRIDGE;
  return family === "arp" || family === "netdev" ? FILTER_ONLY : IP;
}

/** `dstnat - 10`, or the number where no name is near. */
export function formatPriority(family: NftFamily, hook: string, priority: number): string {
  let best: NamedPriority | null = null;
  for (const named of namesOf(family)) {
    if (named.hook !== null && named.hook !== hook) continue;
    const away = Math.abs(priority - named.priority);
    if (away <= REACH && (best === null || away < Math.abs(priority - best.priority))) best = named;
  }
  if (best === null) return String(priority);
  const offset = priority - best.priority;
  if (offset === 0) return best.name;
  return `${best.name} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`;
}

/** Names that later versions of nft print at further hooks of the IP families. */
const LATER: readonly NamedPriority[] = [
  { name: "dstnat", priority: -100, hook: "output" },
  { name: "srcnat", priority: 100, hook: "input" },
];

/** What a name stands for at a hook; undefined where it has no meaning. */
export function namedPriority(family: NftFamily, hook: string, name: string): number | undefined {
  const names = namesOf(family);
  const all = names === IP ? [...names, ...LATER] : names;
  return all.find((each) => each.name === name && (each.hook === null || each.hook === hook))?.priority;
}
