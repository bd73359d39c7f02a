import { readFileSync } from "node:fs";
import { replay } from "../../src/lab/compare.ts";
import { sleep } from "../../src/lab/live/carrier.ts";
import { Lab } from "../../src/lab/live/lab.ts";
import { deleteNetns, listNetns } from "../../src/lab/live/real-netns.ts";
import { type Patience, recordProbe } from "../../src/lab/live/record-probe.ts";
import type { RecordedProbe, RecordedQuery } from "../../src/lab/recorded.ts";
import type { Outcome } from "../../src/walk/trace.ts";
import type { World } from "../../src/world/world.ts";
import { sweepNetns } from "../own-netns.ts";

/** Of the namespaces of this process; those of one that crashed are known by the first half. */
const FAMILY = "hslive-";
const PREFIX = `${FAMILY}${process.pid}-`;

/** Errors that the kernel sends to one peer at most once a second (`ip_error`) have their second. */
const PAUSE_MS = 1100;

/** Unanswered questions of these worlds end after three times forty milliseconds; an error may wait for another's end. */
const PATIENCE: Patience = { answerMs: 60, hiddenMs: 190, arpMs: 900, questionMs: 110, ageless: true };

/** Takes away what runs that crashed have left behind: namespaces whose process is gone. */
export function sweep(): number {
  return sweepNetns(FAMILY);
}

/** Takes away all that this process has built and not yet taken down. */
export function sweepOwn(): void {
  deleteNetns(listNetns().filter((name) => name.startsWith(PREFIX)));
}

/** What became of a packet. */
export interface Probed {
  readonly recorded: RecordedProbe;
  /** null where the model agrees. */
  readonly difference: string | null;
  /** What the model says, nearest to what was recorded. */
  readonly outcome: Outcome | undefined;
}

/** A world standing for real. */
export interface Standing {
  readonly lab: Lab;
  readonly world: World;
}

let built = 0;

/** Builds a world for real. Yields whenever it waits. */
export function* raising(world: World): Generator<void, Standing> {
  const prefix = `${PREFIX}${built++}-`;
  const names = [...world.hosts.keys()];
  const lab = yield* Lab.building(world, (host) => `${prefix}${names.indexOf(host)}`);
  return { lab, world };
}

/**
 * Sends each query and records it, one after the other. Yields whenever it waits.
 *
 * @param unhurried indexes of queries before which limits of the kernel's own recover
 */
export function* recording(
  { lab }: Standing,
  queries: readonly RecordedQuery[],
  unhurried: ReadonlySet<number> = new Set(),
): Generator<void, RecordedProbe[]> {
  const probes: RecordedProbe[] = [];
  const overflows = neighbourOverflows();
  for (const [i, query] of queries.entries()) {
    if (unhurried.has(i)) yield* waiting(PAUSE_MS);
    if (query.keepState !== true) lab.flush();
    const probe = yield* recordProbe(lab, query, PATIENCE);
    if (probe.settled !== true || saysTwice(probe))
      throw new TooSlow("the machine was too busy: a segment was sent again before it was looked at");
    if (neighbourOverflows() !== overflows) throw new TooSlow("the kernel's table of neighbours was full");
    probes.push(probe);
    // How far rules that count have come is chance from here on.
    if (probe.endless === true) break;
  }
  return probes;
}

/**
 * How often a neighbour found no place, whichever namespace's it was: all share one table (`gc_thresh3`, 1024 entries), and
 * with many worlds at once, or other labs on the machine, it fills.
 */
function neighbourOverflows(): string {
  const [head = "", ...rows] = readFileSync("/proc/net/stat/arp_cache", "utf8").trim().split("\n");
  const column = head.trim().split(/\s+/).indexOf("table_fulls");
  return rows.map((row) => row.trim().split(/\s+/)[column]).join(" ");
}

/** A probe took so long that TCP repeated itself; its rules counted the segment twice. */
export class TooSlow extends Error {}

/**
 * The kernel repeats a SYN after a second, and data after a fifth of one; a packet's number tells them apart, which follows
 * from its identification or flow label.
 */
function saysTwice({ frames = [] }: RecordedProbe): boolean {
  const said = new Map<string, number>();
  return frames.some(({ ns, if: dev, dir, ip, ip6, tcp, pkt }) => {
    const header = ip ?? ip6;
    if (dir !== "out" || header === undefined || tcp === undefined) return false;
    if (tcp.flags?.includes("S") !== true && (tcp.len ?? 0) === 0) return false;
    const segment = [ns, dev, header.src, header.dst, tcp.sport, tcp.dport, tcp.flags, tcp.seq].join(" ");
    const before = said.get(segment);
    said.set(segment, pkt);
    return before !== undefined && before !== pkt;
  });
}

function* waiting(ms: number): Generator<void> {
  for (const until = Date.now() + ms; Date.now() < until; ) yield;
}

/** Holds recorded probes against the model. */
export function judged(world: World, probes: readonly RecordedProbe[]): Probed[] {
  return [...judging(world, probes)];
}

/** The same, one after the other. */
export function* judging(world: World, probes: readonly RecordedProbe[]): Generator<Probed, void> {
  const recording = {
    file: "live",
    name: "live",
    description: "",
    setup: [],
    probes: probes.map((recorded) => ({ query: { ...recorded.query }, recorded: { ...recorded } })),
  };
  for (const { recorded, outcomes, nearest, judge } of replay(world, recording))
    yield { recorded, difference: judge(recorded), outcome: nearest ?? outcomes[0] };
}

/** Runs all to their ends, each having its turn while the others wait; what one throws is told instead of its result. */
export function sideBySide<T>(works: readonly Generator<void, T>[]): (T | Error)[] {
  const results: (T | Error | undefined)[] = works.map(() => undefined);
  for (let left = works.length; left > 0; ) {
    for (const [i, work] of works.entries()) {
      if (results[i] !== undefined) continue;
      try {
        const step = work.next();
        if (step.done !== true) continue;
        results[i] = step.value;
      } catch (error) {
        results[i] = error as Error;
      }
      left--;
    }
    sleep(1);
  }
  return results as (T | Error)[];
}

/** Keeps so many works going, each having its turn while the others wait, until there is no next one and all have ended. */
export function abreast(width: number, next: () => Generator<void, void> | null): void {
  let works: Generator<void, void>[] = [];
  for (let isMore = true; isMore || works.length > 0; ) {
    if (isMore && works.length < width) {
      const fresh = next();
      if (fresh === null) isMore = false;
      else works.push(fresh);
    }
    works = works.filter((work) => work.next().done !== true);
    sleep(1);
  }
}
