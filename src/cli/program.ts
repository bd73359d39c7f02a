import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { cniCommand } from "./cni-command.ts";
import { collectCommand } from "./collect-command.ts";
import type { Context } from "./context.ts";
import { examples } from "./examples.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { exportCommand } from "./export-command.ts";
import type { Io } from "./io.ts";
import { labCommand, unbuilt } from "./lab-command.ts";
import { COMMANDS_NOT_BUILT_YET } from "./not-built-yet.ts";
import { traceCommand } from "./trace-command.ts";
import { verifyCommand } from "./verify-command.ts";

const EXAMPLES = examples([
  ["trace deploy/nginx svc/tomcat:8080", "how a pod of the bundled example reaches a Service"],
  ["export --node node1 --format iptables-save", "a node's rules"],
  [
    "export --node node1 --format snapshot | hopscope trace -f - host/node1 127.0.0.1:10250",
    "a source of your own: here one node of the example",
  ],
]);

/** Runs one command line and says how it ended. Nothing but the `Io` is touched; only mistakes of the program throw. */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  const context: Context = { io, exitCode: EXIT.ok };
  try {
    await buildProgram(context).parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.ok : EXIT.wrong;
  }
  return context.exitCode;
}

function buildProgram(context: Context): Command {
  const { io } = context;
  const program: Command = new Command("hopscope")
    .description(
      "Follows a packet through a Kubernetes cluster, hop by hop and rule by rule, exactly as Linux would.",
    )
    .version(version(), "-V, --version")
    .helpCommand(false)
    .addHelpText("after", EXAMPLES)
    .addHelpText(
      "after",
      "\nExit code: 0 every outcome arrives and is answered, 1 some outcome does not or a probe differs,\n2 the question or the input was wrong, 3 internal.",
    );
  program.addCommand(traceCommand(context));
  program.addCommand(verifyCommand(context));
  program.addCommand(exportCommand(context));
  program.addCommand(labCommand(context));
  program.addCommand(cniCommand(context));
  program.addCommand(collectCommand(context));
  for (const name of COMMANDS_NOT_BUILT_YET.keys()) {
    program.addCommand(unbuilt(context, name, name), { hidden: true });
  }
  for (const command of withSubcommands(program)) {
    command
      .exitOverride()
      .showSuggestionAfterError()
      .configureOutput({
        writeOut: (text) => io.write(text),
        writeErr: (text) => io.warn(text),
        outputError: (text, write) => write(text.endsWith("\n") ? text : `${text}\n`),
        getOutHelpWidth: () => io.columns ?? 100,
        getErrHelpWidth: () => io.columns ?? 100,
        getOutHasColors: () => false,
        getErrHasColors: () => false,
      });
  }
  return program;
}

function* withSubcommands(command: Command): Iterable<Command> {
  yield command;
  for (const child of command.commands) yield* withSubcommands(child);
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
