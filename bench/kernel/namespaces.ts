import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";

/** Throw-away network namespaces, and the commands run in them. */
const PREFIX = "hop-bench-";
const DIRECTORY = "/run/netns";

/** Exit code of a run that was stopped by a signal. */
export const INTERRUPTED = 130;

let made: string[] = [];
let series = 0;

/** A command that failed, in one line. */
export class CommandFailed extends Error {}

export function command(program: string, args: readonly string[], input = ""): string {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status === 0) return stdout;
  // The signal was for all of us; this process hears of it only when nothing runs.
  if (signal === "SIGINT" || signal === "SIGTERM" || signal === "SIGHUP") process.exit(INTERRUPTED);
  const why = error?.message ?? (stderr.trim().split("\n")[0] || `ended with ${signal ?? status}`);
  throw new CommandFailed(`${program} ${args.slice(0, 6).join(" ")}: ${why}`);
}

/** Names for one more set of namespaces; the process is in them, so that a dead one's can be told. */
export function makeNamespaces(names: readonly string[]): string[] {
  if (made.length === 0) process.once("exit", removeNamespaces);
  series++;
  return names.map((name) => {
    const namespace = `${PREFIX}${process.pid}-${series}-${name}`;
    command("ip", ["netns", "add", namespace]);
    made.push(namespace);
    return namespace;
  });
}

export function removeNamespaces(namespaces: readonly string[] | number = made): void {
  const list = typeof namespaces === "number" ? made : namespaces;
  for (const namespace of list) spawnSync("ip", ["netns", "del", namespace], { stdio: "ignore" });
  made = made.filter((namespace) => !list.includes(namespace));
}

/** Remove what a benchmark that was killed left behind. */
export function removeStaleNamespaces(): void {
  if (!existsSync(DIRECTORY)) return;
  for (const name of readdirSync(DIRECTORY)) {
    if (!name.startsWith(PREFIX)) continue;
    const pid = /^\d+/.exec(name.slice(PREFIX.length))?.[0];
    if (pid === undefined || !existsSync(`/proc/${pid}`)) {
      spawnSync("ip", ["netns", "del", name], { stdio: "ignore" });
    }
  }
}

export function inNamespace(namespace: string, program: string, args: readonly string[], input = ""): string {
  return command("ip", ["netns", "exec", namespace, program, ...args], input);
}
