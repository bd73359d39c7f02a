import type { Family } from "../../src/address/ip.ts";
import type { RecordedQuery } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { Dice } from "./dice.ts";
import { type DraftHost, snapshotText } from "./draft.ts";
import { addRandomNft } from "./random-nft.ts";
import { randomQueries } from "./random-queries.ts";
import { addRandomRules } from "./random-rules.ts";
import { type Ground, randomTopology } from "./topology.ts";

/** `plain`: of IPv4; `nft`: of IPv4, with tables of nftables; `v6`: of IPv6 alone or of both. */
export type WorldKind = "plain" | "nft" | "v6";

const FAMILIES: Readonly<Record<WorldKind, (dice: Dice) => readonly Family[]>> = {
  plain: () => [4],
  nft: () => [4],
  v6: (dice) => (dice.chance(0.6) ? [6] : [4, 6]),
};

export const WORLD_KINDS = Object.keys(FAMILIES) as readonly WorldKind[];

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

/** @throws Error where the generator wrote something that the project's own readers refuse */
export function randomWorld(seed: number, packets: number, kind: WorldKind = "plain"): LiveWorld {
  const dice = new Dice(seed);
  const grounds = randomTopology(dice, FAMILIES[kind](dice));
  const [ground] = grounds;
  for (const name of new Set(ground.ruled)) {
    const host = ground.draft.hosts.get(name) as DraftHost;
    for (const each of grounds) addRandomRules(dice, each, host);
    if (kind === "nft") addNft(dice, ground, host);
  }
  const snapshot = readSnapshot(`seed ${seed}`, snapshotText(ground.draft));
  if (snapshot.kind === "invalid") {
    const [first] = snapshot.errors;
    throw new Error(`seed ${seed}: ${first?.field ?? ""}: ${first?.message ?? ""}`);
  }
  return { seed, world: snapshot.world, queries: randomQueries(dice, grounds, packets) };
}
