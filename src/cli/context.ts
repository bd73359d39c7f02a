import type { ExitCode } from "./exit-code.ts";
import { EXIT } from "./exit-code.ts";
import type { Io } from "./io.ts";

/** What a command is given: the outside, and a place for how it ended. */
export interface Context {
  readonly io: Io;
  exitCode: ExitCode;
}

/** One line each on stderr, exit code 2. */
export function fail(context: Context, messages: readonly string[]): void {
  for (const message of messages) context.io.warn(`error: ${message}\n`);
  context.exitCode = EXIT.wrong;
}
