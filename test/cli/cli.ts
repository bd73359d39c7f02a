import type { Io } from "../../src/cli/io.ts";
import { run } from "../../src/cli/program.ts";

/** What a command line wrote and how it ended. */
export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

export interface Outside {
  readonly stdin?: string | Buffer;
  /** stdout is a terminal of so many columns. */
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** stderr is a terminal. */
  readonly warnsOnTerminal?: boolean;
}

/** Runs a command line in this process, everything outside given. */
export async function hopscope(args: readonly string[], outside: Outside = {}): Promise<Ran> {
  let out = "";
  let err = "";
  const io: Io = {
    write: (text) => {
      out += text;
    },
    warn: (text) => {
      err += text;
    },
    readStdin: async () => Buffer.from(outside.stdin ?? ""),
    env: outside.env ?? {},
    columns: outside.columns ?? null,
    warnsOnTerminal: outside.warnsOnTerminal ?? false,
    stdinIsTerminal: outside.stdin === undefined,
  };
  const code = await run(args, io);
  return { out, err, code };
}

/** The dump of two real nodes, as `-f` takes it. */
export const RECORDED = "fixtures/example/cluster.json.gz";

/** Runs a command line on the recorded nodes, where it names no source of its own. */
export function onRecorded(args: readonly string[], outside: Outside = {}): Promise<Ran> {
  const takes = args[0] === "trace" || args[0] === "export";
  const own = args.some((arg) => arg === "-f" || arg === "--reasons");
  return hopscope(takes && !own ? [...args, "-f", RECORDED] : args, outside);
}

/** A line as typed, without pipes: words at blanks, single quotes around what holds blanks. */
export function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}
