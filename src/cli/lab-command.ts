import { Command, Option } from "commander";
import { type CompareReport, compareRecording } from "../lab/compare.ts";
import { type Context, fail } from "./context.ts";
import { examples } from "./examples.ts";
import { EXIT } from "./exit-code.ts";
import { notBuiltYet } from "./not-built-yet.ts";
import { loadSource } from "./source.ts";
import { recordingsAt } from "./source-files.ts";
import { standingLabCommands } from "./standing-lab-command.ts";
import { STEP_COMMANDS } from "./step/step-commands.ts";
import { paintOf } from "./terminal.ts";

interface CompareOptions {
  readonly output?: "text" | "json";
  readonly quiet?: true;
}

/** `lab compare RECORDING…`: what real kernels did, replayed through the model. */
export function labCommand(context: Context): Command {
  const lab = new Command("lab").description("hold the model against real kernels");
  const compare = new Command("compare")
    .description("replay recordings probe by probe, and name the first difference of each that disagrees")
    .argument("<recordings...>", "recordings (.json, .json.gz), or folders of them")
    .addOption(new Option("-o, --output <form>", "form of the report").choices(["text", "json"]))
    .option("-q, --quiet", "only what disagrees, and the sum")
    .addHelpText(
      "after",
      examples([
        [
          "lab compare fixtures/truth/a-bridge-brnf-plain.json.gz",
          "one of the recordings in the project's repository",
        ],
      ]),
    )
    .action((paths: string[], options: CompareOptions) => run(context, paths, options));
  lab.addCommand(compare);
  for (const command of standingLabCommands(context)) {
    lab.addCommand(command, { hidden: command.name() === "serve-lab" });
  }
  return lab;
}

/** A command of the documentation that this version does not have: whatever is asked of it, one line says so. */
export function unbuilt(context: Context, title: string, name: string): Command {
  return new Command(name)
    .helpOption(false)
    .helpCommand(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => fail(context, [notBuiltYet(title)]));
}

async function run(context: Context, paths: readonly string[], options: CompareOptions): Promise<void> {
  const { io } = context;
  const reports: CompareReport[] = [];
  const isJson = options.output === "json";
  for (const path of paths) {
    const files = await recordingsAt(path);
    if (files.kind === "invalid") {
      fail(context, files.messages);
      continue;
    }
    for (const file of files.value) {
      const report = await compareFile(context, file);
      if (report === null) continue;
      reports.push(report);
      if (!isJson) io.write(reportText(context, report, options.quiet === true));
    }
  }
  const probes = reports.flatMap((report) => report.probes);
  const agree = probes.filter((probe) => probe.agrees).length;
  if (isJson) io.write(`${JSON.stringify({ recordings: reports, probes: probes.length, agree }, null, 2)}\n`);
  else if (reports.length > 0) io.write(`${probes.length} probes, ${agree} agree\n`);
  if (context.exitCode === EXIT.ok && agree < probes.length) context.exitCode = EXIT.negative;
}

async function compareFile(context: Context, file: string): Promise<CompareReport | null> {
  const source = await loadSource([file], context.io);
  if (source.kind === "invalid") {
    fail(context, source.messages);
    return null;
  }
  const [recording] = source.value.recordings;
  if (recording === undefined) {
    fail(context, [`${file}: is a snapshot without probes: there is nothing to compare`]);
    return null;
  }
  return compareRecording(source.value.world, recording, { commands: STEP_COMMANDS });
}

function reportText(context: Context, report: CompareReport, quiet: boolean): string {
  const paint = paintOf(context.io);
  const { name, unsupported, probes } = report;
  if (unsupported !== null) return `${paint.doubtful("not yet")}  ${name}: ${unsupported}\n`;
  const agree = probes.filter((probe) => probe.agrees).length;
  const all = agree === probes.length;
  const lines = [
    `${(all ? paint.good : paint.bad)(`${agree}/${probes.length}`.padStart(7))}  ${paint.strong(name)}`,
  ];
  if (quiet && all) return "";
  for (const { index, agrees, query, difference } of probes) {
    if (agrees && quiet) continue;
    lines.push(
      `  ${agrees ? paint.good("agrees ") : paint.bad("differs")}  ${String(index).padStart(2)}  ${query}`,
    );
    if (difference !== null) lines.push(`               ${difference}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}
