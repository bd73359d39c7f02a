import { type Command, Option } from "commander";
import { notBuiltYet, OPTIONS_NOT_BUILT_YET } from "./not-built-yet.ts";

export interface SourceOptions {
  readonly filename?: readonly string[];
}

/** `-f`, the same for every command that reads a source; what is not built yet is known, to be named. */
export function addSourceOptions(command: Command): Command {
  command.option(
    "-f, --filename <path>",
    "snapshot of real hosts: a file (.json, .json.gz), a folder of them, or - for stdin; repeatable; default: the bundled example",
    (path: string, before: string[] = []) => [...before, path],
  );
  for (const flags of OPTIONS_NOT_BUILT_YET) command.addOption(new Option(flags).hideHelp());
  return command;
}

/** One line for each option given that is not built yet. */
export function unbuiltOptions(options: Readonly<Record<string, unknown>>): string[] {
  return OPTIONS_NOT_BUILT_YET.filter(
    (flags) => options[new Option(flags).attributeName()] !== undefined,
  ).map((flags) => notBuiltYet(flags.split(" ")[0] ?? flags));
}
