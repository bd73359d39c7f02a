import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import { writeSnapshot } from "../../src/world/snapshot-out.ts";
import { Coverage } from "./coverage.ts";
import { abreast, judged, sideBySide, TooSlow } from "./probing.ts";
import { type LiveWorld, randomWorld, type WorldKind } from "./random-world.ts";
import { type Asked, asking, type Case, kindOf, shrink } from "./shrink.ts";

/** What a run came to. */
export interface LiveReport {
  readonly coverage: Coverage;
  worlds: number;
  /** Disagreements that were none when the packet was asked again, in a world built anew. */
  agreedLater: number;
  /** Worlds built anew because a busy machine let TCP repeat itself. */
  tooSlow: number;
  readonly disagreements: Disagreement[];
  /** Worlds that could not be built or walked at all. */
  readonly failures: string[];
}

export interface Disagreement {
  readonly seed: number;
  readonly index: number;
  readonly difference: string;
  /** Where its minimal recording was written. */
  file?: string;
}

export interface LiveOptions {
  readonly seed: number;
  /** From one world's seed to the next one's; others run those between. */
  readonly stride?: number;
  readonly worlds: number;
  /** What sort of worlds. */
  readonly kind?: WorldKind;
  /** Packets a world. */
  readonly packets: number;
  /** Worlds side by side. */
  readonly width: number;
  /** Give up when this moment has come, milliseconds of `Date.now`. */
  readonly until: number;
  /** Folder for minimal recordings of what disagrees. */
  readonly save: string | null;
  readonly onProgress?: (report: LiveReport) => void;
  /** Told of every world before it is built. */
  readonly onBegin?: (seed: number) => void;
  /** Told of every world's recorded probes. */
  readonly onRecorded?: (live: LiveWorld, probes: readonly RecordedProbe[]) => void;
}

export function newReport(kind?: WorldKind): LiveReport {
  return {
    coverage: new Coverage(kind),
    worlds: 0,
    agreedLater: 0,
    tooSlow: 0,
    disagreements: [],
    failures: [],
  };
}

/** Builds world after world, `width` at a time, and holds every packet against the model. */
export function runLive(options: LiveOptions): LiveReport {
  const { seed, stride = 1, worlds, width, until } = options;
  const report = newReport(options.kind);
  let next = 0;
  abreast(width, () => {
    if (next === worlds || Date.now() >= until) return null;
    const own = seed + stride * next++;
    options.onBegin?.(own);
    return living(own, report, options);
  });
  return report;
}

/** A world's life: built, probed, taken down, judged; what disagrees is asked again. What fails is told. */
function* living(seed: number, report: LiveReport, options: LiveOptions): Generator<void, void> {
  try {
    const live = randomWorld(seed, options.packets, options.kind);
    const { probes } = yield* inTime(live, NOWHERE, report);
    const all = judged(live.world, probes);
    report.worlds++;
    options.onRecorded?.(live, probes);
    const doubtful = all.flatMap(({ difference }, index) => (difference === null ? [] : [index]));
    report.coverage.add(live.world, all);
    if (doubtful.length > 0) yield* askingAgain(live, doubtful, report, options);
  } catch (error) {
    report.failures.push(`seed ${seed}: ${(error as Error).message}`);
  }
  options.onProgress?.(report);
}

const ATTEMPTS = 8;
/** Neighbours that nobody uses are thrown out after five seconds where the table is full. */
const PAUSE_MS = 700;

/** Asks until the machine has had time for all of it. */
function* inTime(start: Case, unhurried: ReadonlySet<number>, report: LiveReport): Generator<void, Asked> {
  for (let attempt = 1; ; attempt++) {
    try {
      return yield* asking(start, unhurried);
    } catch (error) {
      if (!(error instanceof TooSlow) || attempt === ATTEMPTS) throw error;
      report.tooSlow++;
      for (const until = Date.now() + PAUSE_MS * attempt; Date.now() < until; ) yield;
    }
  }
}

const NOWHERE: ReadonlySet<number> = new Set();
const SHRINKING_MS = 25_000;

/** A world built anew is sent the same again up to the last packet in doubt: what earlier packets left behind counts. */
function* askingAgain(
  live: LiveWorld,
  doubtful: readonly number[],
  report: LiveReport,
  options: LiveOptions,
): Generator<void, void> {
  const queries = live.queries.slice(0, (doubtful.at(-1) as number) + 1);
  const { differences } = yield* inTime({ world: live.world, queries }, new Set(doubtful), report);
  for (const index of doubtful) {
    const difference = differences[index] ?? null;
    if (difference === null) {
      report.agreedLater++;
      continue;
    }
    const found: Disagreement = { seed: live.seed, index, difference };
    report.disagreements.push(found);
    if (options.save !== null && isNew(report, found)) {
      found.file = saveMinimal(options.save, found, { ...live, queries: queries.slice(0, index + 1) });
    }
  }
}

/** One recording of a kind is enough. */
function isNew({ disagreements }: LiveReport, { difference }: Disagreement): boolean {
  const kind = kindOf(difference);
  return disagreements.filter((other) => kindOf(other.difference) === kind).length <= 1;
}

/** Shrinks a case that disagrees and writes it down as a recording; says where. */
export function saveMinimal(
  folder: string,
  { seed, index, difference }: Disagreement,
  start: Case,
  limitMs: number = SHRINKING_MS,
): string {
  const minimal = shrink(start, difference, limitMs);
  const [asked] = sideBySide<Asked>([asking(minimal)]);
  const probes = asked === undefined || asked instanceof Error ? [] : asked.probes;
  mkdirSync(folder, { recursive: true });
  const name = `seed-${seed}-${index}`;
  const file = join(folder, `${name}.json`);
  const snapshot = JSON.parse(writeSnapshot(minimal.world)) as object;
  writeFileSync(file, `${JSON.stringify({ name, description: difference, ...snapshot, probes })}\n`);
  return file;
}
