import { describe, expect, it } from "vitest";
import type { Family } from "../../src/address/ip.ts";
import { MATCHES } from "../../src/kernel/netfilter/match/registry.ts";
import { TARGETS } from "../../src/kernel/netfilter/target/registry.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { Coverage, keysOfRules } from "./coverage.ts";
import { OF_FAULTS } from "./coverage-elsewhere.ts";
import { Dice } from "./dice.ts";
import { snapshotText } from "./draft.ts";
import { foretold } from "./foretold.ts";
import { NFT_KEYS } from "./nft-coverage.ts";
import { isOfTunnels, rarityOf } from "./random-faults.ts";
import { randomQueries } from "./random-queries.ts";
import { IN_TURN, seldomIn, type WorldKind } from "./random-world.ts";
import { inTurn, putShowcases, type Showcase } from "./showcase.ts";
import { randomTopology } from "./topology.ts";

/** What is seldom met has its turn in every run of so many worlds of all kinds, and what has its turn is all that is demanded. */

const WORLDS = 500;
const ROUNDS = Math.floor(WORLDS / IN_TURN.length);
const SEED = 5;

/** The lists that have their turns: of the kind's worlds, where the last ground is of the family. */
const LISTS: readonly (readonly [kind: WorldKind, family: Family])[] = [
  ["plain", 4],
  ["v6", 6],
  ["nft", 4],
  ["nft6", 6],
];

/** A world with some showcases alone. */
function worldOf(family: Family, shown: readonly Showcase[]) {
  const dice = new Dice(SEED);
  const grounds = randomTopology(dice, [family]);
  const [ground] = grounds;
  const aims = putShowcases(dice, ground, shown, 2);
  const snapshot = readSnapshot("turns", snapshotText(ground.draft));
  if (snapshot.kind === "invalid") throw new Error(JSON.stringify(snapshot.errors[0]));
  const count = aims.reduce((sum, { next }) => sum + (next === undefined ? 1 : 2), 0);
  return { world: snapshot.world, queries: randomQueries(dice, grounds, count, [], aims) };
}

describe("what is seldom met", () => {
  it.each(LISTS)("has its turn among %s's worlds of IPv%i", (kind, family) => {
    const all = seldomIn(kind, family);
    expect(all.length).toBeGreaterThan(50);
    const had = new Set(Array.from({ length: ROUNDS }, (_, round) => inTurn(all, round)).flat());
    expect(all.filter((showcase) => !had.has(showcase))).toEqual([]);
  });

  it("and what goes wrong below IP among those of faults, tunnels' own with tunnels", () => {
    const rounds = Array.from({ length: ROUNDS }, (_, round) => round);
    const names = (family: Family, of: readonly number[]) =>
      new Set(of.map((round) => rarityOf(round, family)[1]));
    const tunnels = names(4, rounds.filter(isOfTunnels));
    const others = names(
      4,
      rounds.filter((round) => !isOfTunnels(round)),
    );
    expect([...tunnels].sort()).toEqual(["congested tunnel", "other VNI", "tunnel into itself"]);
    expect(others.size).toBeGreaterThan(20);
    expect([...others].filter((name) => tunnels.has(name))).toEqual([]);
    // Every third world is of both families.
    const six = names(
      6,
      rounds.filter((round) => round % 3 === 0),
    );
    expect([...six].sort()).toEqual(["fragments", "no IPv6", "own MAC asked for", "scope", "stale sum"]);
  });

  it("is every match, target, statement and expression that is demanded", () => {
    const claimed = new Set(
      LISTS.flatMap(([kind, family]) =>
        seldomIn(kind, family).flatMap((showcase) => [...keysOfRules(worldOf(family, [showcase]).world)]),
      ),
    );
    const demanded = [
      ...[...MATCHES.keys()].map((name) => `match ${name}`),
      ...[...TARGETS.keys()].map((name) => `target ${name}`),
      ...NFT_KEYS,
    ];
    const coverage = new Coverage();
    coverage.merge(1, { "family 4": [1, 1], "family 6": [1, 1], "nft does counter": [1, 1] });
    const excused = new Set([...coverage.impossible.values()].flat());
    const open = demanded.filter((key) => !claimed.has(key) && !excused.has(key));
    expect(open.filter((key) => !OF_FAULTS.has(key))).toEqual([]);
  }, 120_000);

  it("ends as it should, by the model's word", () => {
    const reasons = new Set<string>();
    for (const [kind, family] of LISTS) {
      const all = seldomIn(kind, family);
      const meant = all.filter((showcase) => {
        const { queries } = worldOf(family, [showcase]);
        return queries.some(({ keepState }) => keepState === true);
      });
      for (const showcase of meant) {
        const { world, queries } = worldOf(family, [showcase]);
        for (const { outcome } of foretold(world, queries)) reasons.add(outcome?.verdict.reason ?? "");
      }
    }
    for (const reason of ["conntrack-clash", "nat-exhausted", "masquerade-moved"])
      expect(reasons).toContain(reason);
  }, 60_000);
});
