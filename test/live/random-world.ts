import type { RecordedQuery } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { Dice } from "./dice.ts";
import { type DraftHost, snapshotText } from "./draft.ts";
import { randomQueries } from "./random-queries.ts";
import { addRandomRules } from "./random-rules.ts";
import { randomTopology } from "./topology.ts";

/** A world and what is sent in it: all of it follows from the seed. */
export interface LiveWorld {
  readonly seed: number;
  readonly world: World;
  readonly queries: readonly RecordedQuery[];
}

/** @throws Error where the generator wrote something that the project's own readers refuse */
export function randomWorld(seed: number, packets: number): LiveWorld {
  const dice = new Dice(seed);
  const ground = randomTopology(dice);
  for (const name of new Set(ground.ruled))
    addRandomRules(dice, ground, ground.draft.hosts.get(name) as DraftHost);
  const snapshot = readSnapshot(`seed ${seed}`, snapshotText(ground.draft));
  if (snapshot.kind === "invalid") {
    const [first] = snapshot.errors;
    throw new Error(`seed ${seed}: ${first?.field ?? ""}: ${first?.message ?? ""}`);
  }
  return { seed, world: snapshot.world, queries: randomQueries(dice, ground, packets) };
}
