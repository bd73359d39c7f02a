import { execFileSync } from "node:child_process";
import process from "node:process";
import type { NftRuleset } from "../../../src/kernel/nft/ruleset.ts";
import { parseNftRuleset } from "../../../src/kernel/nft/text/parse.ts";
import { OP_NFT_RULE, type Tape } from "../../../src/kernel/tape.ts";
import { ownNetns } from "../../own-netns.ts";

/** The machine's own nft in namespaces of the tests' own, and what it counted. */

export function run(program: string, args: readonly string[], input?: string): string {
  return execFileSync(program, args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
}

export function inside(namespace: string, line: string, input?: string): string {
  return run("ip", ["netns", "exec", namespace, ...line.split(" ")], input);
}

/** Why nothing real can be asked here; null: it can. */
export function whyNot(): string | null {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  for (const [program, arg] of [
    ["ip", "-V"],
    ["nft", "--version"],
    ["python3", "--version"],
  ] as const) {
    try {
      run(program, [arg]);
    } catch {
      return `no ${program}`;
    }
  }
  try {
    const probe = ownNetns("probe");
    run("ip", ["netns", "add", probe]);
    run("ip", ["netns", "del", probe]);
  } catch (error) {
    return `no namespaces (${String(error).split("\n")[0]})`;
  }
  return null;
}

export function removeNamespaces(namespaces: readonly string[]): void {
  for (const namespace of namespaces) {
    try {
      run("ip", ["netns", "del", namespace]);
    } catch {
      // It was not made.
    }
  }
}

/** What nft lists, read. */
export function read(text: string): NftRuleset {
  const parsed = parseNftRuleset(text);
  if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.errors));
  return parsed.ruleset;
}

/** `family table chain N` of each rule with a counter, to what it counted. */
export function counters(ruleset: NftRuleset): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { family, name: table, chains } of ruleset.tables) {
    for (const { name, rules } of chains) {
      for (const [i, { statements }] of rules.entries()) {
        const counter = statements.findLast(({ kind }) => kind === "counter");
        if (counter?.kind !== "counter") continue;
        // A rule that stops behind its counter counts more than it matches.
        const last = statements.at(-1);
        const stops = last?.kind === "set-change" || last?.kind === "mangle";
        if (!stops) counts.set(`${family} ${table} ${name} ${i + 1}`, counter.packets);
      }
    }
  }
  return counts;
}

/** Count the rules that a tape says matched, by the same names. */
export function countRules({ data, length }: Tape, { tables }: NftRuleset, hits: Map<string, number>): void {
  for (let at = 0; at < length; at += data[at + 1] as number) {
    if (data[at] !== OP_NFT_RULE) continue;
    const place = data[at + 5] as number;
    const table = tables[place >>> 24];
    const chain = table?.chains[place & 0xffffff];
    const key = `${table?.family} ${table?.name} ${chain?.name} ${(data[at + 6] as number) + 1}`;
    hits.set(key, (hits.get(key) ?? 0) + 1);
  }
}
