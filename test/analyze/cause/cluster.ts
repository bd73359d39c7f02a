import { readFileSync } from "node:fs";
import { loadAll } from "js-yaml";
import type { Remedy } from "../../../src/walk/trace.ts";
import { hopscope } from "../../cli/cli.ts";
import type { Plain } from "./kubectl.ts";

/** What a test looks at of `hopscope.trace/v1`. */
export interface Told {
  readonly cause?: string;
  readonly verdict: { readonly disposition: string; readonly reason: string };
  readonly remedies: readonly Remedy[];
  readonly assumptions: readonly string[];
}

/** The three nodes with nginx, tomcat and mysql behind Services, as objects to be changed. */
export function cluster(): Plain[] {
  return ["cluster", "workloads"].flatMap(
    (name) => loadAll(readFileSync(`fixtures/nmt/${name}.yaml`, "utf8")) as Plain[],
  );
}

/** The objects with one of them changed. */
export function changed(kind: string, name: string, change: (object: Plain) => Plain): Plain[] {
  const all = cluster();
  const at = all.findIndex((object) => object.kind === kind && (object.metadata as Plain).name === name);
  if (at < 0) throw new Error(`no ${kind} ${name}`);
  all[at] = change(all[at] as Plain);
  return all;
}

/** `spec` with other fields. */
export function withSpec(object: Plain, more: Plain): Plain {
  return { ...object, spec: { ...(object.spec as Plain), ...more } };
}

export async function ask(
  objects: readonly Plain[],
  from: string,
  to: string,
  ...more: string[]
): Promise<Told> {
  const stdin = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  const { out, err } = await hopscope(["trace", from, to, "-f", "-", "-o", "json", ...more], { stdin });
  if (out === "") throw new Error(err);
  return JSON.parse(out) as Told;
}

interface Line {
  readonly [key: string]: string;
}

/** Asks in one session, after commands on hosts. */
export async function askAfter(
  source: readonly string[],
  commands: readonly (readonly [host: string, command: string])[],
  query: Readonly<Record<string, string>>,
): Promise<Told> {
  const steps = commands.map(([host, command]): Line => ({ session: "s", step: "command", host, command }));
  const lines = [...steps, { session: "s", id: "asked", ...query }].map((line) => JSON.stringify(line));
  const { out } = await hopscope(["trace", "--queries", "-", "-o", "ndjson", ...source], {
    stdin: lines.join("\n"),
  });
  const answers = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Told & { error?: { message: string } });
  const wrong = answers.find(({ error }) => error !== undefined);
  if (wrong !== undefined) throw new Error(wrong.error?.message);
  return answers.at(-1) as Told;
}
