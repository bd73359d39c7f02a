import type { Rule } from "../../src/kernel/netfilter/rule.ts";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import type { World } from "../../src/world/world.ts";
import { rules } from "./misreading.ts";
import type { Mutation } from "./mutations.ts";
import { abreast, judged, judging, TooSlow } from "./probing.ts";
import { type LiveWorld, randomWorld, type WorldKind } from "./random-world.ts";
import { asking } from "./shrink.ts";

/** A world as the kernel treated it. */
interface Recorded {
  readonly world: World;
  readonly probes: readonly RecordedProbe[];
}

/** A recorded world, and in which of its packets the model agrees as it is. */
interface Held extends Recorded {
  readonly agrees: readonly boolean[];
}

function held({ world, probes }: Recorded): Held {
  return { world, probes, agrees: judged(world, probes).map(({ difference }) => difference === null) };
}

/** The first packet that tells the mistaken model from the kernel, from 0; null where none does. */
function firstMissed({ misread, broken }: Mutation, { world, probes, agrees }: Held): number | null {
  const mend = broken?.();
  try {
    // A part that hides behind another world's compiled form would not be seen: each gets hosts of its own.
    const taken = (misread ?? copied)(world);
    let index = 0;
    for (const { difference } of judging(taken, probes)) {
      if (difference !== null && agrees[index] === true) return index;
      index++;
    }
    return null;
  } finally {
    mend?.();
  }
}

/** The same, of rules that nobody has compiled. */
function copied(world: World): World {
  const copy = (rule: Rule): Rule => ({ ...rule });
  return rules(copy, "ip6tables")(rules(copy)(world));
}

/** What looking for a mutation came to. */
export interface Search {
  readonly name: string;
  readonly kind: WorldKind;
  readonly found: boolean;
  readonly worlds: number;
  /** Sent until one told the mistaken model from the kernel. */
  readonly packets: number;
  /** Building and recording those worlds, and walking them with the mistake. */
  readonly seconds: number;
}

const WIDTH = 2;
const PACKETS = 40;
const ATTEMPTS = 4;

/** Worlds recorded side by side, and how long it took. */
interface Batch {
  readonly worlds: readonly Held[];
  readonly seconds: number;
}

/**
 * Looks for each mutation on its own, in worlds of its kind one after the other, until a packet tells or the time is over. Worlds
 * that several look through are built once; to each the time is charged as if it had been alone.
 *
 * @param limitS seconds for each
 */
export function* searches(
  mutations: readonly Mutation[],
  seed: number,
  limitS: number,
): Generator<Search, void> {
  const batches = new Map<string, Batch[]>();
  for (const mutation of mutations) {
    const { name, kind, favour = null } = mutation;
    const own = batches.get(`${kind} ${favour}`) ?? [];
    batches.set(`${kind} ${favour}`, own);
    let [seconds, worlds, packets, isFound] = [0, 0, 0, false];
    for (let i = 0; !isFound && seconds < limitS; i++) {
      const batch = own[i] ?? recordBatch(seed + i * WIDTH, kind, favour);
      own[i] = batch;
      seconds += batch.seconds;
      const began = Date.now();
      for (const each of batch.worlds) {
        const at = firstMissed(mutation, each);
        worlds++;
        packets += at === null ? each.probes.length : at + 1;
        isFound = at !== null;
        if (isFound) break;
      }
      seconds += (Date.now() - began) / 1000;
    }
    yield { name, kind, found: isFound, worlds, packets, seconds };
  }
}

function recordBatch(seed: number, kind: WorldKind, favour: string | null): Batch {
  const began = Date.now();
  const worlds: Held[] = [];
  let next = 0;
  abreast(WIDTH, () => {
    if (next === WIDTH) return null;
    return recording(randomWorld(seed + next++, PACKETS, kind, { favour }), worlds);
  });
  return { worlds, seconds: (Date.now() - began) / 1000 };
}

/** A world that a busy machine gives no time is left out. */
function* recording({ world, queries }: LiveWorld, into: Held[]): Generator<void, void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const { probes } = yield* asking({ world, queries });
      into.push(held({ world, probes }));
      return;
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
    }
  }
}
