import { fork } from "node:child_process";
import { constants, release, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import type { CoverageCounts } from "./coverage.ts";
import { searches } from "./mutation-search.ts";
import { MUTATIONS } from "./mutations.ts";
import { sweep, sweepOwn } from "./probing.ts";
import { WORLD_KINDS, type WorldKind } from "./random-world.ts";
import { type LiveReport, newReport, runLive } from "./run.ts";

const USAGE = `Random worlds on this machine's kernel and in the model, every packet compared.

  npm run live -- [--minutes N] [--seed S] [--kind KIND] [--packets N] [--worlds N] [--width N] [--save FOLDER]
  npm run live -- --mutations [--minutes N] [--seed S] [--kind KIND]

  --minutes N    how long (10); with --mutations how long each is looked for at most (1)
  --seed S       of the first world; printed where it is not given
  --kind KIND    ${WORLD_KINDS.join(", ")} (all); with --mutations those of one kind alone
  --packets N    in each world (40)
  --worlds N     no more than so many
  --width N      processes that share the run (6)
  --save FOLDER  where the least recording of each disagreement is written
  --mutations    mistakes put into the model, one after the other, and how soon each is found
  --help         this
`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string" },
    packets: { type: "string", default: "40" },
    worlds: { type: "string", default: "1000000" },
    width: { type: "string", default: "6" },
    save: { type: "string" },
    kind: { type: "string" },
    mutations: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    /** Of one of the processes that share a run: which one it is. */
    share: { type: "string" },
    /** How many worlds of that share are done. */
    done: { type: "string", default: "0" },
  },
});

const began = Date.now();
const kind = (values.kind ?? "all") as WorldKind;
const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
const [minutes = 0, packets = 0, worlds = 0, width = 0] = [
  values.minutes ?? (values.mutations ? "1" : "10"),
  values.packets,
  values.worlds,
  values.width,
].map(Number);
const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (![seed, minutes, packets, worlds].every((number) => number >= 0) || !(width >= 1))
  unfit.push("--minutes, --seed, --packets, --worlds and --width take numbers");
if (!WORLD_KINDS.includes(kind)) unfit.push(`--kind ${kind}: one of ${WORLD_KINDS.join(", ")} is expected`);
if (values.help) process.stdout.write(USAGE);
else if (unfit.length > 0) {
  for (const message of unfit) process.stderr.write(`error: ${message}\n`);
  process.exitCode = 2;
} else if (values.share !== undefined) share(Number(values.share));
else if (values.mutations) mutate();
else await main();

/** What a process says of the worlds it has done so far. */
interface Told extends Omit<LiveReport, "coverage"> {
  readonly packets: number;
  readonly counts: CoverageCounts;
}

/** Before a world is built: should its process end, it is known in which one. */
interface Begun {
  readonly begun: number;
}

/** Every `width`-th world, one after the other: the kernel makes its builders wait, and others work meanwhile. */
function share(number: number): void {
  // Who is late on a busy machine sees a client repeat itself: little work, but at its time.
  setPriority(constants.priority.PRIORITY_ABOVE_NORMAL);
  const tell = ({ coverage, ...rest }: LiveReport) => {
    process.send?.({ ...rest, packets: coverage.packets, counts: coverage.counts } satisfies Told);
  };
  const done = Number(values.done);
  try {
    const report = runLive({
      seed: seed + number + done * width,
      stride: width,
      worlds: Math.ceil((worlds - number) / width) - done,
      packets,
      kind,
      width: 1,
      until: Date.now() + minutes * 60_000,
      save: values.save ?? null,
      onProgress: tell,
      onBegin: (begun) => process.send?.({ begun } satisfies Begun),
    });
    tell(report);
  } finally {
    sweepOwn();
    process.disconnect?.();
  }
}

async function main(): Promise<void> {
  const left = sweep();
  if (left > 0) process.stderr.write(`${left} namespaces of a run that ended early taken down\n`);
  const told: Told[][] = [];
  const ended: string[] = [];
  const showing = () => {
    if (process.stderr.isTTY) showProgress(merged(told.flat()));
  };
  await Promise.all(
    Array.from({ length: Math.min(width, worlds) }, (_, number) => overseen(number, told, ended, showing)),
  );
  sweep();
  const report = merged(told.flat());
  report.failures.push(...ended);
  tell(report, (Date.now() - began) / 1000);
}

/** A share's process; where one ends over a world, that is told and another goes on with the next. */
async function overseen(number: number, told: Told[][], ended: string[], showing: () => void): Promise<void> {
  const reports: Told[] = [];
  told[number] = reports;
  for (let done = 0; ; ) {
    const left = minutes - (Date.now() - began) / 60_000;
    if (left <= 0) return;
    const child = fork(fileURLToPath(import.meta.url), [
      ...process.argv.slice(2),
      `--seed=${seed}`,
      `--minutes=${left}`,
      `--share=${number}`,
      `--done=${done}`,
    ]);
    const at = reports.length;
    let world: number | null = null;
    child.on("message", (message: Told | Begun) => {
      if ("begun" in message) world = message.begun;
      else {
        reports[at] = message;
        showing();
      }
    });
    const how = await new Promise<string>((resolve) => {
      child.on("exit", (code, signal) => resolve(code === 0 ? "" : (signal ?? `code ${code}`)));
    });
    if (how === "") return;
    ended.push(
      world === null
        ? `a process ended before any world (${how})`
        : `seed ${world}: its process ended (${how})`,
    );
    if (world === null) return;
    done = (world - seed - number) / width + 1;
    if (number + done * width >= worlds) return;
  }
}

/** Mistakes put into the model, each until it is found. */
function mutate(): void {
  const left = sweep();
  if (left > 0) process.stderr.write(`${left} namespaces of a run that ended early taken down\n`);
  const meant = MUTATIONS.filter((each) => values.kind === undefined || each.kind === kind);
  const missed: string[] = [];
  try {
    for (const { name, kind: of, found, worlds: built, packets: sent, seconds } of searches(
      meant,
      seed,
      minutes * 60,
    )) {
      // A batch of worlds is recorded to its end: it may have taken longer than there was time.
      const inTime = found && seconds <= minutes * 60;
      if (!inTime) missed.push(name);
      const took = `${seconds.toFixed(1).padStart(6)} s ${String(sent).padStart(5)} packets ${String(built).padStart(3)} worlds`;
      process.stdout.write(
        `${inTime ? "found " : found ? "late  " : "missed"} ${took}  ${of.padEnd(6)}  ${name}\n`,
      );
    }
  } finally {
    sweepOwn();
  }
  const within = minutes === 1 ? "a minute" : `${minutes} minutes`;
  process.stdout.write(
    `seeds from ${seed}, kernel ${release()}\n${meant.length} mutations, ${meant.length - missed.length} found within ${within}\n`,
  );
  if (missed.length > 0) process.exitCode = 1;
}

function merged(told: readonly Told[]): LiveReport {
  const all = newReport(kind);
  for (const each of told) {
    all.coverage.merge(each.packets, each.counts);
    all.worlds += each.worlds;
    all.agreedLater += each.agreedLater;
    all.tooSlow += each.tooSlow;
    all.disagreements.push(...each.disagreements);
    all.failures.push(...each.failures);
  }
  all.disagreements.sort((a, b) => a.seed - b.seed || a.index - b.index);
  return all;
}

function showProgress({ worlds, coverage, disagreements }: LiveReport): void {
  process.stderr.write(
    `\r${worlds} worlds, ${coverage.packets} packets, ${disagreements.length} disagreements `,
  );
}

function tell(report: LiveReport, seconds: number): void {
  const { coverage, worlds, agreedLater, tooSlow, disagreements, failures } = report;
  const lines = [
    coverage.text(),
    ...failures.map((failure) => `failed: ${failure}`),
    ...disagreements.flatMap(({ seed: own, index, difference, file }) => [
      `seed ${own} packet ${index}: ${difference}`,
      `  again: npm run live -- --seed ${own} --kind ${kind} --worlds 1 --packets ${values.packets}`,
      ...(file === undefined ? [] : [`  least: ${file}`]),
    ]),
    "left out here, and why:",
    ...[...coverage.impossible].map(([why, keys]) => `  ${why}: ${keys.join(", ")}`),
    `met, but nothing looked into hung on it: ${coverage.undecided.join(", ") || "none"}`,
    `zeros: ${coverage.zeros.join(", ") || "none"}`,
    `${tooSlow} worlds were built again because the machine had been too busy`,
    `${agreedLater} agreed when asked again in a world built anew`,
    `seeds from ${seed}, ${worlds} worlds, kernel ${release()}, ${seconds.toFixed(0)} s`,
    `${coverage.packets} packets, ${disagreements.length} disagreements`,
  ];
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  if (disagreements.length + failures.length > 0) process.exitCode = 1;
}
