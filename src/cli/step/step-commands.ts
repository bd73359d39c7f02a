import type { CommandRunner } from "../../lab/replay-step.ts";
import { runToolCommand, toolOutput } from "./tool-command.ts";

/** The commands of a recording's steps, read as those of a session's lines are. */
export const STEP_COMMANDS: CommandRunner = {
  change(world, name, line) {
    const host = world.hosts.get(name);
    if (host === undefined) return { fault: `there is no host ${JSON.stringify(name)}` };
    const changed = runToolCommand(world, host, line);
    return changed.kind === "ok" ? changed.value : { fault: changed.messages.join("; ") };
  },
  print: toolOutput,
};
