import { PerformanceObserver } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { allocationSites } from "./allocation-sites.ts";
import { Answers } from "./answers.ts";
import { iptablesSave } from "./kube-proxy-iptables.ts";
import { Ends, Model } from "./model.ts";
import { largest, type Options } from "./options.ts";
import { Random } from "./random.ts";
import { grouped, print, Table } from "./report.ts";
import { makeServices } from "./services.ts";
import { fateOf, packetsTo, TRAFFIC_KINDS, TRAFFIC_TEXT, targetsOf } from "./traffic.ts";
import { WrongAnswer } from "./wrong-answer.ts";

/**
 * Flags of the process: collections on demand, and a young generation so large that none happens in between. What the heap
 * grew by is then all that was allocated, garbage included.
 */
export const ALLOC_FLAGS = ["--expose-gc", "--max-semi-space-size=256", "--min-semi-space-size=256"];

const PACKETS = 200_000;
/** Until code is compiled and tables have their size. */
const WARM_ROUNDS = 3;
const BYTES_AT_MOST = 1;

/** Bytes allocated for a packet, in throughput mode. */
export async function alloc(options: Options): Promise<void> {
  const { seed } = options;
  const size = largest(options);
  const collect = (globalThis as { gc?: () => void }).gc;
  if (collect === undefined) throw new Error(`needs node ${ALLOC_FLAGS.join(" ")}`);
  print(
    `ALLOC  bytes allocated for a first packet: ${grouped(PACKETS)} packets, ${grouped(size)} mixed services`,
  );
  const services = makeServices(size, seed, "mixed");
  const model = Model.of(iptablesSave(services), seed);
  const ends = new Ends(PACKETS);
  const table = new Table(
    "traffic",
    "heap bytes a packet",
    "buffers",
    "collections",
    "packets ever made",
    "ended",
  );
  const all: Answers[] = [];
  const blame: string[] = [];
  let worst = 0;
  for (const kind of TRAFFIC_KINDS) {
    const targets = targetsOf(services, kind, "uniform");
    if (targets.length === 0) continue;
    const packets = packetsTo(services, kind, targets, PACKETS, new Random(seed));
    const answers = new Answers(services, kind, model.server);
    for (let round = 0; round < WARM_ROUNDS; round++) {
      model.send(packets, ends);
      answers.check(packets, ends);
    }
    const { pool } = model.throughput.session;
    const made = pool.made;
    const used = await allocated(collect, () => model.send(packets, ends));
    answers.check(packets, ends);
    all.push(answers);
    if (pool.made !== made)
      throw new WrongAnswer(`${TRAFFIC_TEXT[kind]}: ${pool.made - made} packets were not released`);
    worst = Math.max(worst, used.heap / PACKETS);
    if (used.heap / PACKETS >= BYTES_AT_MOST) {
      const sites = await allocationSites(() => model.send(packets, ends));
      for (const { name, bytes } of sites.filter((site) => site.bytes / PACKETS >= BYTES_AT_MOST)) {
        blame.push(`${TRAFFIC_TEXT[kind]}: ${(bytes / PACKETS).toFixed(1)} bytes a packet by ${name}`);
      }
    }
    table.row(
      TRAFFIC_TEXT[kind],
      (used.heap / PACKETS).toFixed(3),
      grouped(used.buffers),
      grouped(used.collections),
      grouped(pool.made),
      fateOf(kind),
    );
  }
  const control = await allocated(collect, () => {
    for (let i = 0; i < PACKETS; i++) CONTROL.last = { i };
  });
  table.row(
    "control: {i} a packet",
    (control.heap / PACKETS).toFixed(3),
    "",
    grouped(control.collections),
    "",
    "",
  );
  table.print();
  for (const line of blame) print(`  ${line}`);
  print(`  ${Answers.summary(all)}`);
  print(
    `RATIO ALLOC  ${worst.toFixed(3)} bytes a packet  (must ~0: < ${BYTES_AT_MOST})  the worst kind of traffic`,
  );
  if (worst >= BYTES_AT_MOST) throw new WrongAnswer(`${worst.toFixed(1)} bytes were allocated for a packet`);
  if (control.heap / PACKETS < 8) throw new Error("the measurement does not see allocations");
}

/** Keeps the optimiser from leaving the control's objects out. */
const CONTROL: { last: { readonly i: number } | null } = { last: null };

async function allocated(collect: () => void, work: () => void) {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  collect();
  await setTimeout(10);
  observer.observe({ entryTypes: ["gc"] });
  const before = getHeapStatistics();
  work();
  const after = getHeapStatistics();
  await setTimeout(10);
  observer.disconnect();
  return {
    heap: after.used_heap_size - before.used_heap_size,
    buffers: after.external_memory - before.external_memory,
    collections,
  };
}
