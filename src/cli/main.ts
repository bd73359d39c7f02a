#!/usr/bin/env node
import process from "node:process";
import { EXIT } from "./exit-code.ts";
import { PROCESS_IO } from "./io.ts";
import { run } from "./program.ts";

/** The executables `hopscope` and `kubectl-hopscope`. */

// A reader that has seen enough (`| head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  throw error;
});

try {
  process.exitCode = await run(process.argv.slice(2), PROCESS_IO);
} catch (error) {
  const { HOPSCOPE_DEBUG } = process.env;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`internal error: ${message}\n`);
  if (HOPSCOPE_DEBUG === "1" && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exitCode = EXIT.internal;
}
