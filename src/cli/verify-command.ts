import { Command, Option } from "commander";
import { clusterMembers } from "../analyze/cluster-members.ts";
import { PRINCIPLES, type Verified, verify } from "../analyze/verify.ts";
import { verifyJson } from "../present/verify-json.ts";
import { verifyJunit } from "../present/verify-junit.ts";
import { verifyText } from "../present/verify-text.ts";
import { type Context, fail } from "./context.ts";
import { examples } from "./examples.ts";
import { EXIT } from "./exit-code.ts";
import { ProgressLine } from "./progress-line.ts";
import { type LoadedSource, loadSource } from "./source.ts";
import {
  addSourceOptions,
  objectFlags,
  type SourceOptions,
  sourceWords,
  unbuiltOptions,
} from "./source-options.ts";
import { paintOf, widthOf } from "./terminal.ts";

interface VerifyOptions extends SourceOptions {
  readonly output?: "text" | "json" | "junit";
  readonly all?: true;
}

const EXAMPLES = examples([
  ["verify", "the bundled example"],
  ["verify -f fixtures/nmt", "a cluster of manifests, in the project's repository"],
  ["verify --all -o json", "every pair of pods, as data"],
]);

/** Walks between two words on the terminal: a few tenths of a second. */
const SAID_EVERY = 100;

/** `verify`: the nine principles of the network model, each passed or shown broken by a smallest counterexample. */
export function verifyCommand(context: Context): Command {
  const command = new Command("verify").description(
    "check the nine principles of the network model by walking packets; a broken one with its smallest counterexample",
  );
  return addSourceOptions(command)
    .option("--all", "every pair of pods, however many there are")
    .addOption(new Option("-o, --output <form>", "form of the report").choices(["text", "json", "junit"]))
    .addHelpText("after", EXAMPLES)
    .addHelpText("after", "\nExit code: 0 no principle is broken, 1 one is, 2 the input was wrong.")
    .action((options: VerifyOptions) => run(context, options));
}

async function run(context: Context, options: VerifyOptions): Promise<void> {
  const { io } = context;
  const unbuilt = unbuiltOptions(options as Readonly<Record<string, unknown>>);
  if (unbuilt.length > 0) return fail(context, unbuilt);
  const flags = objectFlags(options);
  if (flags.kind === "invalid") return fail(context, flags.messages);
  const source = await loadSource(options.filename ?? [], io, flags.value);
  if (source.kind === "invalid") return fail(context, source.messages);
  const verified = verifySource(source.value, context, options.all === true);
  const words = sourceWords(options);
  const { assumptions } = source.value;
  io.write(reportOf(verified, words, assumptions, context, options.output ?? "text"));
  if (verified.some(({ finding }) => finding.kind === "broken")) context.exitCode = EXIT.negative;
}

function verifySource({ world, inventory }: LoadedSource, { io }: Context, all: boolean): Verified[] {
  const progress = new ProgressLine(io);
  const verified = verify(clusterMembers(world, inventory), {
    all,
    onWalk(principle, walks) {
      if (walks % SAID_EVERY !== 0) return;
      progress.say(`verifying: principle ${principle} of ${PRINCIPLES.length}, ${walks} packets walked`);
    },
  });
  progress.clear();
  return verified;
}

function reportOf(
  verified: readonly Verified[],
  source: readonly string[],
  assumptions: readonly string[],
  { io }: Context,
  form: "text" | "json" | "junit",
): string {
  switch (form) {
    case "text":
      return verifyText(verified, { width: widthOf(io), paint: paintOf(io), source, assumptions });
    case "json":
      return `${JSON.stringify(verifyJson(verified, { source, assumptions }), null, 2)}\n`;
    case "junit":
      return verifyJunit(verified, { source });
    default:
      return form satisfies never;
  }
}
