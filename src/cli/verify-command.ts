import { Command, Option } from "commander";
import { type ClusterMembers, leftOut, membersByFamily } from "../analyze/cluster-members.ts";
import { PRINCIPLES, type Verified, verify } from "../analyze/verify.ts";
import { verifyJson } from "../present/verify-json.ts";
import { verifyJunit } from "../present/verify-junit.ts";
import { type VerifyTextOptions, verifyText } from "../present/verify-text.ts";
import { type Context, fail } from "./context.ts";
import { examples } from "./examples.ts";
import { EXIT } from "./exit-code.ts";
import { ProgressLine } from "./progress-line.ts";
import { loadSource } from "./source.ts";
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
  readonly routed?: true;
}

const EXAMPLES = examples([
  ["verify", "the bundled example"],
  ["verify --cni bridge", "what breaks where the plugin knows one node only"],
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
    .option("--routed", "routes from outside to pods and cluster IPs are meant: noted, no fault")
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
  const loaded = await loadSource(options.filename ?? [], io, flags.value);
  if (loaded.kind === "invalid") return fail(context, loaded.messages);
  const { world, inventory, assumptions } = loaded.value;
  const families = membersByFamily(world, inventory);
  const each = families.map((members) => verifyMembers(members, context, options));
  // Principle by principle, each in every family.
  const verified = PRINCIPLES.flatMap((_, i) => each.flatMap((list) => list[i] ?? []));
  const passedOver = [...new Set(families.flatMap(leftOut))];
  const notes = { source: sourceWords(options), assumptions, leftOut: passedOver };
  io.write(reportOf(verified, notes, context, options.output ?? "text"));
  if (verified.some(({ finding }) => finding.kind === "broken")) context.exitCode = EXIT.negative;
}

function verifyMembers(members: ClusterMembers, { io }: Context, options: VerifyOptions): Verified[] {
  const progress = new ProgressLine(io);
  const verified = verify(members, {
    all: options.all === true,
    routed: options.routed === true,
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
  notes: Omit<VerifyTextOptions, "width" | "paint">,
  { io }: Context,
  form: "text" | "json" | "junit",
): string {
  switch (form) {
    case "text":
      return verifyText(verified, { ...notes, width: widthOf(io), paint: paintOf(io) });
    case "json":
      return `${JSON.stringify(verifyJson(verified, notes), null, 2)}\n`;
    case "junit":
      return verifyJunit(verified, notes);
    default:
      return form satisfies never;
  }
}
