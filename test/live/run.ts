import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordedProbe } from "../../src/lab/recorded.ts";
import { writeSnapshot } from "../../src/world/snapshot-out.ts";
import type { World } from "../../src/world/world.ts";
import { Coverage } from "./coverage.ts";
import { judged, type Probed, raising, recording, type Standing, sideBySide } from "./probing.ts";
import { type LiveWorld, randomWorld } from "./random-world.ts";
import { type Asked, asking, type Case, shrink } from "./shrink.ts";

/** What a run came to. */
export interface LiveReport {
  readonly coverage: Coverage;
  worlds: number;
  /** Disagreements that were none when the packet was asked again, in a world built anew. */
  agreedLater: number;
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
  readonly worlds: number;
  /** Packets a world. */
  readonly packets: number;
  /** Worlds side by side. */
  readonly width: number;
  /** Give up when this moment has come, milliseconds of `Date.now`. */
  readonly until: number;
  /** Folder for minimal recordings of what disagrees. */
  readonly save: string | null;
  readonly onProgress?: (report: LiveReport) => void;
  /** Told of every world's recorded probes. */
  readonly onRecorded?: (live: LiveWorld, probes: readonly RecordedProbe[]) => void;
}

export function newReport(): LiveReport {
  return { coverage: new Coverage(), worlds: 0, agreedLater: 0, disagreements: [], failures: [] };
}

/** Builds world after world, `width` side by side, and holds every packet against the model. */
export function runLive(options: LiveOptions): LiveReport {
  const { seed, worlds, packets, width, until } = options;
  const report = newReport();
  for (let done = 0; done < worlds && Date.now() < until; done += width) {
    const batch = Array.from({ length: Math.min(width, worlds - done) }, (_, i) =>
      randomWorld(seed + done + i, packets),
    );
    runBatch(batch, report, options);
    options.onProgress?.(report);
  }
  return report;
}

function runBatch(batch: readonly LiveWorld[], report: LiveReport, options: LiveOptions): void {
  const raised = sideBySide(batch.map(({ world }) => raising(world)));
  const standing: { readonly live: LiveWorld; readonly real: Standing }[] = [];
  for (const [i, real] of raised.entries()) {
    const live = batch[i] as LiveWorld;
    if (real instanceof Error) report.failures.push(`seed ${live.seed}: ${real.message}`);
    else standing.push({ live, real });
  }
  const recorded = sideBySide(standing.map(({ live, real }) => recording(real, live.queries)));
  for (const { real } of standing) real.lab.close();
  const doubtful: Doubt[] = [];
  for (const [i, probes] of recorded.entries()) {
    const { live } = standing[i] as { readonly live: LiveWorld };
    try {
      if (probes instanceof Error) throw probes;
      const all = judged(live.world, probes);
      report.worlds++;
      options.onRecorded?.(live, probes);
      for (const [index, probed] of all.entries()) {
        report.coverage.add(live.world, probed);
        if (probed.difference !== null) doubtful.push({ live, index, probed });
      }
    } catch (error) {
      report.failures.push(`seed ${live.seed}: ${(error as Error).message}`);
    }
  }
  askAgain(doubtful, report, options);
}

interface Doubt {
  readonly live: LiveWorld;
  readonly index: number;
  readonly probed: Probed;
}

/** Errors that the kernel sends to one peer at most once a second have their second. */
const PAUSE_MS = 1100;
const SHRINKING_MS = 25_000;

function askAgain(doubtful: readonly Doubt[], report: LiveReport, options: LiveOptions): void {
  for (let i = 0; i < doubtful.length; i += options.width) {
    const part = doubtful.slice(i, i + options.width);
    const cases = part.map(caseOf);
    const again = sideBySide(cases.map((each) => asking(each, PAUSE_MS)));
    for (const [k, asked] of again.entries()) {
      const { live, index, probed } = part[k] as Doubt;
      if (!(asked instanceof Error) && asked.difference === null) {
        report.agreedLater++;
        continue;
      }
      const difference =
        asked instanceof Error ? (probed.difference as string) : (asked.difference as string);
      const found: Disagreement = { seed: live.seed, index, difference };
      report.disagreements.push(found);
      if (options.save !== null && Date.now() < options.until && isNew(report, found)) {
        found.file = saveMinimal(options.save, found, cases[k] as Case);
      }
    }
  }
}

/** One recording of a kind is enough: kinds are told by their first words. */
function isNew({ disagreements }: LiveReport, { difference }: Disagreement): boolean {
  const kind = (text: string) => text.replaceAll(/[\d.]+/g, "").slice(0, 24);
  return disagreements.filter((other) => kind(other.difference) === kind(difference)).length <= 1;
}

/** A world that remembers its packets is asked all that went before. */
function caseOf({ live, index }: Doubt): Case {
  const { world, queries } = live;
  return { world, queries: remembers(world) ? queries.slice(0, index + 1) : queries.slice(index, index + 1) };
}

const REMEMBERING = new Set(["limit", "hashlimit", "recent", "quota", "SET"]);

function remembers({ hosts }: World): boolean {
  return [...hosts.values()].some(({ iptables }) =>
    [...(iptables?.tables.values() ?? [])].some(({ chains }) =>
      [...chains.values()].some(({ rules }) =>
        rules.some(
          ({ matches, target }) =>
            REMEMBERING.has(target?.kind ?? "") ||
            matches.some(
              (match) =>
                REMEMBERING.has(match.kind) ||
                (match.kind === "statistic" && JSON.stringify(match).includes("nth")),
            ),
        ),
      ),
    ),
  );
}

function saveMinimal(folder: string, { seed, index, difference }: Disagreement, start: Case): string {
  const minimal = shrink(start, SHRINKING_MS);
  const [asked] = sideBySide<Asked>([asking(minimal, 0)]);
  const probes = asked === undefined || asked instanceof Error ? [] : asked.probes;
  mkdirSync(folder, { recursive: true });
  const name = `seed-${seed}-${index}`;
  const file = join(folder, `${name}.json`);
  const snapshot = JSON.parse(writeSnapshot(minimal.world)) as object;
  writeFileSync(file, `${JSON.stringify({ name, description: difference, ...snapshot, probes })}\n`);
  return file;
}
