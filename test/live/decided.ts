import type { Rule, Ruleset } from "../../src/kernel/netfilter/rule.ts";
import type { NftRuleset } from "../../src/kernel/nft/ruleset.ts";
import type { Outcome } from "../../src/walk/trace.ts";
import type { World } from "../../src/world/world.ts";
import { judging, type Probed } from "./probing.ts";

/** Which packets' fate hung on a rule: those that fare otherwise where it does nothing but count. */

/** A rule's place; of nftables with the family before the table's name. */
export interface RuleName {
  readonly host: string;
  readonly family: 4 | 6;
  readonly table: string;
  readonly chain: string;
  /** From 1. */
  readonly index: number;
}

export interface DecidedPacket {
  /** At which hooks it met the rule. */
  readonly hooks: readonly string[];
}

/**
 * The packets, among those that the rule took, which end elsewhere or are other frames on their way without it. Those alone
 * are walked, once with the rule and once without.
 *
 * @param all the world's packets, in their order
 * @param most that many of those that the rule took are looked into
 */
export function packetsDecided(
  world: World,
  all: readonly Probed[],
  rule: RuleName,
  most = Number.POSITIVE_INFINITY,
): DecidedPacket[] {
  const taken = all.map(({ recorded }) =>
    (recorded.rulesHit ?? []).some(
      (hit) =>
        hit.ns === rule.host &&
        (hit.family === 6 ? 6 : 4) === rule.family &&
        hit.table === rule.table &&
        hit.chain === rule.chain &&
        hit.rule === rule.index,
    ),
  );
  const own = all.filter((_, i) => taken[i] === true).slice(0, most);
  const probes = own.map(({ recorded }) => recorded);
  const found: DecidedPacket[] = [];
  const [alone, others] = [[...judging(world, probes)], [...judging(without(world, rule), probes)]];
  for (const [i, { outcome: honest }] of own.entries()) {
    if (honest === undefined) continue;
    const walked = alone[i]?.outcome;
    // What the packets between them left behind must not be what their end hung on.
    if (endOf(walked) === endOf(honest) && fateOf(walked) !== fateOf(others[i]?.outcome))
      found.push({ hooks: hooksOf(honest, rule) });
  }
  return found;
}

function endOf(outcome: Outcome | undefined): string {
  if (outcome === undefined) return "";
  const { disposition, reason, host } = outcome.verdict;
  return JSON.stringify([disposition, reason, host]);
}

/** How it ended, and its frames, whenever they were. */
function fateOf(outcome: Outcome | undefined): string {
  if (outcome === undefined) return "";
  const frames = outcome.frames.map((frame) => ({ ...frame, at: 0, mark: 0 }));
  return JSON.stringify([endOf(outcome), frames]);
}

function hooksOf({ rules }: Outcome, { host, table, chain, index }: RuleName): string[] {
  const own = rules.filter(
    (hit) => hit.host === host && hit.table === table && hit.chain === chain && hit.index === index,
  );
  return [...new Set(own.map(({ hook }) => hook.toUpperCase()))];
}

/** The world in which a rule of iptables has no target, or one of nftables says nothing. */
function without(world: World, { host, family, table, chain, index }: RuleName): World {
  const found = world.hosts.get(host);
  if (found === undefined) return world;
  const hosts = new Map(world.hosts);
  const own = family === 6 ? "ip6tables" : "iptables";
  hosts.set(host, {
    ...found,
    [own]: withoutTarget(found[own], table, chain, index),
    nft: found.nft === null ? null : silenced(found.nft, table, chain, index),
  });
  return { ...world, hosts };
}

function withoutTarget(ruleset: Ruleset | null, table: string, chain: string, index: number): Ruleset | null {
  const own = ruleset?.tables.get(table);
  const rules = own?.chains.get(chain)?.rules;
  const found = own?.chains.get(chain);
  if (ruleset === null || own === undefined || rules === undefined || found === undefined) return ruleset;
  const changed = rules.map((rule, i): Rule => (i === index - 1 ? { ...rule, target: null } : rule));
  const chains = new Map(own.chains).set(chain, { ...found, rules: changed });
  return { ...ruleset, tables: new Map(ruleset.tables).set(table, { ...own, chains }) };
}

function silenced({ tables }: NftRuleset, table: string, chain: string, index: number): NftRuleset {
  return {
    tables: tables.map((each) =>
      `${each.family} ${each.name}` !== table
        ? each
        : {
            ...each,
            chains: each.chains.map((one) =>
              one.name !== chain
                ? one
                : {
                    ...one,
                    rules: one.rules.map((rule, i) => (i === index - 1 ? { ...rule, statements: [] } : rule)),
                  },
            ),
          },
    ),
  };
}
