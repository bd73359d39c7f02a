import { Command } from "commander";
import { COLLECT_SCRIPT } from "./collect-script.ts";
import type { Context } from "./context.ts";
import { examples } from "./examples.ts";

const EXAMPLES = examples([["collect > collect.sh", "then, on the node: sh collect.sh > node1.txt"]]);

/** `collect`: prints the script that dumps a real node into what `-f` reads. */
export function collectCommand(context: Context): Command {
  return new Command("collect")
    .description(
      "print a POSIX script that dumps a real node (read only; on the node: sh collect.sh > node1.txt), for -f node1.txt",
    )
    .addHelpText("after", EXAMPLES)
    .action(() => context.io.write(COLLECT_SCRIPT));
}
