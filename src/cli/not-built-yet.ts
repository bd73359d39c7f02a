/**
 * What the command line's documentation promises and this version does not have yet. Each is answered by one line that
 * names it, and no help lists it.
 */
export const COMMANDS_NOT_BUILT_YET: ReadonlyMap<string, string> = new Map([
  ["check", "assertions over a source"],
  ["diff", "what changes between two sources"],
  ["matrix", "who reaches whom"],
  ["address", "what an address is and who owns it"],
  ["serve", "API server, DNS server and web page"],
  ["generate", "a cluster as manifests"],
  ["replay", "a load of flows through a world"],
]);

/** Options of `trace` and of every command that reads a source; those with a value are written with it. */
export const OPTIONS_NOT_BUILT_YET: readonly string[] = ["--context <name>", "--kubeconfig <path>"];

export function notBuiltYet(what: string): string {
  return `${what} is not built yet`;
}
