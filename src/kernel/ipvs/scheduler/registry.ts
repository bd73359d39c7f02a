import { destinationHash } from "./destination-hash.ts";
import { leastConnection, weightedLeastConnection } from "./least-connection.ts";
import { localityLeastConnection, localityReplicated } from "./locality.ts";
import { maglevHash } from "./maglev.ts";
import { failover, overflow } from "./overflow.ts";
import { powerOfTwoChoices } from "./power-of-two.ts";
import { roundRobin } from "./round-robin.ts";
import type { Scheduler } from "./scheduler.ts";
import { neverQueue, shortestExpectedDelay } from "./shortest-delay.ts";
import { sourceHash } from "./source-hash.ts";
import { weightedRoundRobin } from "./weighted-round-robin.ts";

const SCHEDULERS: ReadonlyMap<string, Scheduler> = new Map(
  [
    ...[
      roundRobin,
      weightedRoundRobin,
      leastConnection,
      weightedLeastConnection,
      shortestExpectedDelay,
      neverQueue,
    ],
    ...[
      sourceHash,
      destinationHash,
      maglevHash,
      localityLeastConnection,
      localityReplicated,
      overflow,
      failover,
      powerOfTwoChoices,
    ],
  ].map((scheduler) => [scheduler.name, scheduler]),
);

/** null: a scheduler that is not modelled. */
export function schedulerNamed(name: string): Scheduler | null {
  return SCHEDULERS.get(name) ?? null;
}
