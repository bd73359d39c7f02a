import type { Rule, Ruleset } from "../../src/kernel/netfilter/rule.ts";
import type { NftRule, NftRuleset } from "../../src/kernel/nft/ruleset.ts";
import type { RecordedProbe, RecordedQuery } from "../../src/lab/recorded.ts";
import type { World } from "../../src/world/world.ts";
import { judged, raising, recording, sideBySide } from "./probing.ts";

/** A world in which the last query disagrees. */
export interface Case {
  readonly world: World;
  readonly queries: readonly RecordedQuery[];
}

/** A case asked for real: its probes, and what the last disagrees in. */
export interface Asked {
  readonly probes: readonly RecordedProbe[];
  /** What each disagrees in, null where the model agrees. */
  readonly differences: readonly (string | null)[];
  /** What the last disagrees in. */
  readonly difference: string | null;
}

/**
 * Builds a case anew, asks, and takes it down. Yields whenever it waits.
 *
 * @param unhurried indexes of queries before which limits of the kernel's own recover
 */
export function* asking({ world, queries }: Case, unhurried?: ReadonlySet<number>): Generator<void, Asked> {
  const standing = yield* raising(world);
  try {
    const probes = yield* recording(standing, queries, unhurried);
    const differences = judged(world, probes).map(({ difference }) => difference);
    return { probes, differences, difference: differences.at(-1) ?? null };
  } finally {
    standing.lab.close();
  }
}

/** What can be left out of a case, each alone. */
type Part =
  | { readonly kind: "query"; readonly index: number }
  | { readonly kind: "host"; readonly host: string }
  | { readonly kind: "rule"; readonly host: string; readonly rule: Rule | NftRule }
  | { readonly kind: "policy-rule" | "policy-rule6"; readonly host: string; readonly index: number }
  | { readonly kind: "route" | "route6"; readonly host: string; readonly index: number }
  | { readonly kind: "setting"; readonly host: string; readonly name: string };

const SIDE_BY_SIDE = 8;

/** What sort of difference it is: the words that name what differs, without whose and how much. */
export function kindOf(difference: string): string {
  return (difference.match(SORTS) ?? [difference.split(":")[0] ?? ""]).join(" ");
}

const SORTS =
  /TTL|MAC|source|destination|flags|counters|conntrack|result|icmp error|server|MF|DF|length|not recorded|not modelled/g;

/**
 * Leaves out of a case whatever it can while it goes on to disagree: halves first, then ever smaller parts, several
 * attempts side by side, until single parts are tried or the time is over.
 *
 * @param difference what the last query disagrees in; another sort of difference is another matter
 */
export function shrink(start: Case, difference: string, limitMs: number): Case {
  const kind = kindOf(difference);
  const disagrees = (asked: Asked | Error | undefined): boolean =>
    asked !== undefined &&
    !(asked instanceof Error) &&
    asked.difference !== null &&
    kindOf(asked.difference) === kind;
  const until = Date.now() + limitMs;
  let parts = partsOf(start);
  let chunk = Math.ceil(parts.length / 2);
  while (chunk >= 1 && Date.now() < until) {
    const chunks = Array.from({ length: Math.ceil(parts.length / chunk) }, (_, i) =>
      parts.slice(i * chunk, (i + 1) * chunk),
    );
    let progress = false;
    for (let i = 0; i < chunks.length && Date.now() < until; i += SIDE_BY_SIDE) {
      const tried = chunks.slice(i, i + SIDE_BY_SIDE);
      const results = sideBySide(tried.map((left) => asking(without(start, parts, left))));
      // Several may go; whether they may together is found out before the next round.
      const gone = tried.filter((_, k) => disagrees(results[k])).flat();
      if (gone.length === 0) continue;
      const first = tried.find((_, k) => disagrees(results[k])) ?? [];
      const together = sideBySide([asking(without(start, parts, gone))])[0];
      const out = new Set(disagrees(together) ? gone : first);
      parts = parts.filter((part) => !out.has(part));
      progress = true;
      break;
    }
    if (!progress || chunk > parts.length) chunk = chunk === 1 ? 0 : Math.ceil(chunk / 2);
  }
  return without(start, parts, []);
}

function partsOf({ world, queries }: Case): Part[] {
  const needed = queries.at(-1)?.from;
  const hosts = [...world.hosts.values()];
  return [
    ...queries.slice(0, -1).map((_, index): Part => ({ kind: "query", index })),
    ...hosts.filter(({ name }) => name !== needed).map(({ name }): Part => ({ kind: "host", host: name })),
    ...hosts.flatMap(({ name, iptables, ip6tables, nft }) =>
      [...rulesOf(iptables), ...rulesOf(ip6tables), ...nftRulesOf(nft)].map(
        (rule): Part => ({ kind: "rule", host: name, rule }),
      ),
    ),
    ...hosts.flatMap(({ name, rules, rules6 }) => [
      ...indexesOf(rules, isOwnRule).map((index): Part => ({ kind: "policy-rule", host: name, index })),
      ...indexesOf(rules6, isOwnRule).map((index): Part => ({ kind: "policy-rule6", host: name, index })),
    ]),
    ...hosts.flatMap(({ name, routes, routes6 }) => [
      ...indexesOf(routes, isOwnRoute).map((index): Part => ({ kind: "route", host: name, index })),
      ...indexesOf(routes6, isOwnRoute).map((index): Part => ({ kind: "route6", host: name, index })),
    ]),
    ...hosts.flatMap(({ name, sysctl }) =>
      [...sysctl.keys()]
        .filter((setting) => setting.includes(".conf."))
        .map((setting): Part => ({ kind: "setting", host: name, name: setting })),
    ),
  ];
}

function indexesOf<T>(list: readonly T[], isMeant: (item: T) => boolean): number[] {
  return list.flatMap((item, index) => (isMeant(item) ? [index] : []));
}

/** Every namespace begins with the others. */
function isOwnRule({ priority }: { readonly priority: number }): boolean {
  return priority !== 0 && priority < 32_766;
}

function isOwnRoute({ protocol }: { readonly protocol: string | null }): boolean {
  return protocol !== "kernel";
}

function rulesOf(iptables: Ruleset | null): Rule[] {
  return [...(iptables?.tables.values() ?? [])].flatMap(({ chains }) =>
    [...chains.values()].flatMap(({ rules }) => rules),
  );
}

function nftRulesOf(nft: NftRuleset | null): NftRule[] {
  return (nft?.tables ?? []).flatMap(({ chains }) => chains.flatMap(({ rules }) => rules));
}

/** What stays of a case when all but `parts` is gone, and `left` too. */
function without(start: Case, parts: readonly Part[], left: readonly Part[]): Case {
  const out = new Set(left);
  const kept = parts.filter((part) => !out.has(part));
  const all = partsOf(start);
  const keys = new Set(kept.map(keyOf));
  const gone = all.filter((part) => !keys.has(keyOf(part)));
  const hosts = new Map(start.world.hosts);
  for (const part of gone) if (part.kind === "host") hosts.delete(part.host);
  for (const [name, host] of hosts) {
    const own = gone.filter((part) => part.kind !== "query" && part.host === name);
    const rules = new Set(own.flatMap((part) => (part.kind === "rule" ? [part.rule] : [])));
    const left = <T>(kind: Part["kind"], list: readonly T[]): T[] => {
      const out = new Set(own.flatMap((part) => (part.kind === kind && "index" in part ? [part.index] : [])));
      return list.filter((_, i) => !out.has(i));
    };
    const settings = new Set(own.flatMap((part) => (part.kind === "setting" ? [part.name] : [])));
    hosts.set(name, {
      ...host,
      iptables: withoutRules(host.iptables, rules),
      ip6tables: withoutRules(host.ip6tables, rules),
      nft: host.nft === null ? null : withoutNftRules(host.nft, rules),
      rules: left("policy-rule", host.rules),
      rules6: left("policy-rule6", host.rules6),
      routes: left("route", host.routes),
      routes6: left("route6", host.routes6),
      sysctl: new Map([...host.sysctl].filter(([setting]) => !settings.has(setting))),
    });
  }
  const wires = start.world.wires.filter(({ a, b }) => hosts.has(a.host) && hosts.has(b.host));
  const indexes = new Set(gone.flatMap((part) => (part.kind === "query" ? [part.index] : [])));
  return {
    world: { ...start.world, hosts, wires },
    queries: start.queries.filter((_, i) => !indexes.has(i)),
  };
}

const numbers = new WeakMap<Rule | NftRule, number>();
let count = 0;

function keyOf(part: Part): string {
  if (part.kind !== "rule") return JSON.stringify(part);
  const number = numbers.get(part.rule) ?? count++;
  numbers.set(part.rule, number);
  return `rule ${number}`;
}

/** Tables without a rule go, unless a policy says something; chains without rules stay: they may be jumped to. */
function withoutRules(ruleset: Ruleset | null, gone: ReadonlySet<Rule | NftRule>): Ruleset | null {
  if (ruleset === null) return null;
  const tables = [...ruleset.tables].flatMap(([name, table]) => {
    const chains = new Map(
      [...table.chains].map(([chain, value]) => [
        chain,
        { ...value, rules: value.rules.filter((rule) => !gone.has(rule)) },
      ]),
    );
    const isNeeded = [...chains.values()].some(({ rules, policy }) => rules.length > 0 || policy === "DROP");
    return isNeeded ? [[name, { ...table, chains }] as const] : [];
  });
  return { ...ruleset, tables: new Map(tables) };
}

/** The same of nftables: its sets go with their table. */
function withoutNftRules({ tables }: NftRuleset, gone: ReadonlySet<Rule | NftRule>): NftRuleset {
  return {
    tables: tables.flatMap((table) => {
      const chains = table.chains.map((chain) => ({
        ...chain,
        rules: chain.rules.filter((rule) => !gone.has(rule)),
      }));
      const isNeeded = chains.some(({ rules, base }) => rules.length > 0 || base?.policy === "drop");
      return isNeeded ? [{ ...table, chains }] : [];
    }),
  };
}
