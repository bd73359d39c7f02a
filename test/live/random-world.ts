import type { Family } from "../../src/address/ip.ts";
import type { RecordedQuery } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { Dice } from "./dice.ts";
import { type DraftHost, snapshotText } from "./draft.ts";
import { randomCluster } from "./random-cluster.ts";
import { addFaults } from "./random-faults.ts";
import { addRandomNft } from "./random-nft.ts";
import { randomQueries } from "./random-queries.ts";
import { addRandomRules } from "./random-rules.ts";
import { putShowcases, SHOWCASES } from "./showcases.ts";
import { type Ground, randomTopology } from "./topology.ts";

/**
 * `plain`: of IPv4; `faults`: with what goes wrong below IP, and with rarer devices and packets besides; `nft`: with tables of nftables besides; `v6`: of IPv6 alone or of both; `cluster`: what our agents write;
 * `all`: each in turn.
 */
export const WORLD_KINDS = ["plain", "faults", "nft", "v6", "cluster", "all"] as const;
export type WorldKind = (typeof WORLD_KINDS)[number];

/** What `all` takes in turn. */
const IN_TURN = ["plain", "v6", "cluster", "nft", "faults"] as const;

/** A world and what is sent in it: all of it follows from the seed. */
export interface LiveWorld {
  readonly seed: number;
  readonly world: World;
  readonly queries: readonly RecordedQuery[];
}

/** Tables of nftables for most hosts, beside iptables or alone. */
function addNft(dice: Dice, ground: Ground, host: DraftHost): void {
  if (dice.chance(0.7)) addRandomNft(dice, ground, host);
  if (host.nftRuleset !== "" && dice.chance(0.5)) host.iptablesSave[4] = "";
}

/**
 * @param favour a group of showcases, or a rarity, which the world shall have
 * @throws Error where the generator wrote something that the project's own readers refuse
 */
export function randomWorld(
  seed: number,
  packets: number,
  kind: WorldKind = "plain",
  favour: string | null = null,
): LiveWorld {
  switch (kind) {
    case "all": {
      const turn = seed % IN_TURN.length;
      // Counted on their own, clusters have their networks of pods in turn too.
      const own = IN_TURN[turn] === "cluster" ? Math.floor(seed / IN_TURN.length) : seed;
      return { ...randomWorld(own, packets, IN_TURN[turn]), seed };
    }
    case "cluster":
      return { seed, ...randomCluster(seed, packets) };
    case "v6": {
      const dice = new Dice(seed, favour);
      return ruledWorld(seed, packets, dice, dice.chance(0.6) ? [6] : [4, 6], "plain", favour);
    }
    case "faults": {
      const dice = new Dice(seed, favour);
      return ruledWorld(seed, packets, dice, dice.chance(0.75) || favour !== null ? [4] : [4, 6], kind);
    }
    default:
      return ruledWorld(seed, packets, new Dice(seed, favour), [4], kind, favour);
  }
}

/** Hosts with random rule sets. */
function ruledWorld(
  seed: number,
  packets: number,
  dice: Dice,
  families: readonly Family[],
  kind: WorldKind = "plain",
  favour: string | null = null,
): LiveWorld {
  const grounds = randomTopology(dice, families);
  const [ground] = grounds;
  for (const name of new Set(ground.ruled)) {
    const host = ground.draft.hosts.get(name) as DraftHost;
    for (const each of grounds) addRandomRules(dice, each, host);
    if (kind === "nft") addNft(dice, ground, host);
  }
  const aims = kind === "faults" ? addFaults(dice, grounds) : [];
  const meant = favour === null ? [] : (SHOWCASES[favour] ?? []);
  const shown = putShowcases(dice, grounds.at(-1) ?? ground, meant);
  const snapshot = readSnapshot(`seed ${seed}`, snapshotText(ground.draft));
  if (snapshot.kind === "invalid") {
    const [first] = snapshot.errors;
    throw new Error(`seed ${seed}: ${first?.field ?? ""}: ${first?.message ?? ""}`);
  }
  return { seed, world: snapshot.world, queries: randomQueries(dice, grounds, packets, aims, shown) };
}
