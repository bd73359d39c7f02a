import type { RecordedQuery } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { Dice } from "./dice.ts";
import { type DraftHost, snapshotText } from "./draft.ts";
import { addRandomNft } from "./random-nft.ts";
import { randomQueries } from "./random-queries.ts";
import { addRandomRules } from "./random-rules.ts";
import { randomTopology } from "./topology.ts";

/** A world and what is sent in it: all of it follows from the seed. */
export interface LiveWorld {
  readonly seed: number;
  readonly world: World;
  readonly queries: readonly RecordedQuery[];
}

const NFT_SALT = 0x6e667400;

/** @throws Error where the generator wrote something that the project's own readers refuse */
export function randomWorld(seed: number, packets: number): LiveWorld {
  const dice = new Dice(seed);
  const ground = randomTopology(dice);
  // nftables' rules are drawn apart: the rest of a world does not depend on them.
  const nftDice = new Dice(seed ^ NFT_SALT);
  for (const name of new Set(ground.ruled)) {
    const host = ground.draft.hosts.get(name) as DraftHost;
    addRandomRules(dice, ground, host);
    if (nftDice.chance(0.4)) addRandomNft(nftDice, ground, host);
    if (host.nftRuleset !== "" && nftDice.chance(0.25)) host.iptablesSave = "";
  }
  const snapshot = readSnapshot(`seed ${seed}`, snapshotText(ground.draft));
  if (snapshot.kind === "invalid") {
    const [first] = snapshot.errors;
    throw new Error(`seed ${seed}: ${first?.field ?? ""}: ${first?.message ?? ""}`);
  }
  return { seed, world: snapshot.world, queries: randomQueries(dice, ground, packets) };
}
