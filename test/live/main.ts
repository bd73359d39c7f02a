import { release } from "node:os";
import { parseArgs } from "node:util";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import { sweep, sweepOwn } from "./probing.ts";
import { type LiveReport, runLive } from "./run.ts";

/** `npm run live -- --minutes N [--seed S] [--packets N] [--worlds N] [--save FOLDER]`. */
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string" },
    packets: { type: "string", default: "40" },
    worlds: { type: "string", default: "1000000" },
    width: { type: "string", default: "16" },
    save: { type: "string" },
  },
});

const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
const numbers = [seed, ...[values.minutes, values.packets, values.worlds, values.width].map(Number)];
const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (numbers.some((number) => !(number >= 0)))
  unfit.push("--minutes, --seed, --packets, --worlds and --width take numbers");
if (unfit.length > 0) {
  for (const message of unfit) process.stderr.write(`error: ${message}\n`);
  process.exitCode = 2;
} else main();

function main(): void {
  const left = sweep();
  if (left > 0) process.stderr.write(`${left} namespaces of a run that ended early taken down\n`);
  const began = Date.now();
  try {
    const report = runLive({
      seed,
      worlds: Number(values.worlds),
      packets: Number(values.packets),
      width: Number(values.width),
      until: began + Number(values.minutes) * 60_000,
      save: values.save ?? null,
      ...(process.stderr.isTTY ? { onProgress: showProgress } : {}),
    });
    tell(report, (Date.now() - began) / 1000);
  } finally {
    sweepOwn();
  }
}

function showProgress({ worlds, coverage, disagreements }: LiveReport): void {
  process.stderr.write(
    `\r${worlds} worlds, ${coverage.packets} packets, ${disagreements.length} disagreements `,
  );
}

function tell(report: LiveReport, seconds: number): void {
  const { coverage, worlds, agreedLater, disagreements, failures } = report;
  const lines = [
    coverage.text(),
    ...failures.map((failure) => `failed: ${failure}`),
    ...disagreements.flatMap(({ seed: own, index, difference, file }) => [
      `seed ${own} packet ${index}: ${difference}`,
      `  again: npm run live -- --seed ${own} --worlds 1 --packets ${values.packets}`,
      ...(file === undefined ? [] : [`  least: ${file}`]),
    ]),
    `zeros: ${coverage.zeros.join(", ") || "none"}`,
    `${agreedLater} agreed when asked again in a world built anew`,
    `seeds ${seed} … ${seed + worlds - 1}, ${worlds} worlds, kernel ${release()}, ${seconds.toFixed(0)} s`,
    `${coverage.packets} packets, ${disagreements.length} disagreements`,
  ];
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  if (disagreements.length + failures.length > 0) process.exitCode = 1;
}
