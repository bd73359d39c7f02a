import { replay } from "../../src/lab/compare.ts";
import { sleep } from "../../src/lab/live/carrier.ts";
import { Lab } from "../../src/lab/live/lab.ts";
import { deleteNetns, listNetns } from "../../src/lab/live/real-netns.ts";
import { recordProbe } from "../../src/lab/live/record-probe.ts";
import type { RecordedProbe, RecordedQuery } from "../../src/lab/recorded.ts";
import type { Outcome } from "../../src/walk/trace.ts";
import type { World } from "../../src/world/world.ts";

/** Of the namespaces of this process; those of one that crashed are known by the first half. */
const FAMILY = "hslive-";
const PREFIX = `${FAMILY}${process.pid}-`;

/** Memberships of groups are told twice within a second or two; they would be counted by the rules. */
const SETTLED_MS = 2300;

/** Takes away what runs that crashed have left behind: namespaces whose process is gone. */
export function sweep(): number {
  const left = listNetns().filter((name) => {
    const pid = new RegExp(`^${FAMILY}(\\d+)-`).exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  });
  deleteNetns(left);
  return left.length;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
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

let built = 0;

export interface ProbingOptions {
  /** Waited before each packet, so that limits of the kernel's own have recovered. */
  readonly pauseMs?: number;
}

/** Builds a world for real, sends each query and records it. Yields whenever it waits. */
export function* recordAll(
  world: World,
  queries: readonly RecordedQuery[],
  { pauseMs = 0 }: ProbingOptions = {},
): Generator<void, RecordedProbe[]> {
  const prefix = `${PREFIX}${built++}-`;
  const names = [...world.hosts.keys()];
  const lab = Lab.build(world, (host) => `${prefix}${names.indexOf(host)}`);
  try {
    yield* waiting(SETTLED_MS);
    const probes: RecordedProbe[] = [];
    for (const query of queries) {
      yield* waiting(pauseMs);
      lab.flush();
      probes.push(yield* recordProbe(lab, query));
    }
    return probes;
  } finally {
    lab.close();
  }
}

function* waiting(ms: number): Generator<void> {
  for (const until = Date.now() + ms; Date.now() < until; ) yield;
}

/** Holds recorded probes against the model. */
export function judged(world: World, probes: readonly RecordedProbe[]): Probed[] {
  const recording = {
    file: "live",
    name: "live",
    description: "",
    probes: probes.map((recorded) => ({ query: { ...recorded.query }, recorded: { ...recorded } })),
  };
  return [...replay(world, recording)].map(({ recorded, outcomes, nearest, judge }) => ({
    recorded,
    difference: judge(recorded),
    outcome: nearest ?? outcomes[0],
  }));
}

/** Runs generators side by side, at most `width` at once, until there are no more. */
export function sideBySide(width: number, next: () => Generator<void> | null): void {
  const running = new Set<Generator<void>>();
  for (let more = true; more || running.size > 0; ) {
    while (more && running.size < width) {
      const fresh = next();
      if (fresh === null) more = false;
      else running.add(fresh);
    }
    for (const each of running) if (each.next().done === true) running.delete(each);
    sleep(1);
  }
}

/** Runs one to its end. */
export function alone<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    sleep(1);
  }
}
