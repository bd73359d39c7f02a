import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { ALLOC_FLAGS, alloc } from "./alloc.ts";
import { ipvs } from "./ipvs.ts";
import { INTERRUPTED } from "./kernel/namespaces.ts";
import type { Options } from "./options.ts";
import { prefixMap } from "./prefix-map.ts";
import { machine, print } from "./report.ts";
import { s1 } from "./s1.ts";
import { s2 } from "./s2.ts";
import { s3 } from "./s3.ts";
import { s4 } from "./s4.ts";
import { s5 } from "./s5.ts";
import { s6 } from "./s6.ts";
import { s7 } from "./s7.ts";
import { s8 } from "./s8.ts";
import { HEAP_FLAGS, s9 } from "./s9.ts";
import { s11 } from "./s11.ts";
import { WrongAnswer } from "./wrong-answer.ts";

interface Benchmark {
  readonly run: (options: Options) => Promise<void>;
  readonly text: string;
  /** Flags of the process it runs in. */
  readonly flags?: readonly string[];
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  s1: { run: s1, text: "first packets a second, ours and the real kernel's iptables-legacy" },
  s2: { run: s2, text: "the same beside the real kernel's nft verdict maps" },
  s3: { run: s3, text: "the worst of all sizes and kinds of traffic, net of plain forwarding" },
  s4: { run: s4, text: "our cost with the most services over that with the fewest" },
  s5: { run: s5, text: "the literal walk: a rule's cost, ours and the real kernel's" },
  s6: { run: s6, text: "traces from pod to pod: tape kept, discarded, none; beside typed writing" },
  s7: { run: s7, text: "loading a rule set, beside iptables-legacy-restore and nft" },
  ipvs: {
    run: ipvs,
    text: "first packets a second: the same services as IPVS and as iptables rules",
    flags: ALLOC_FLAGS,
  },
  s8: { run: s8, text: "one Service changes, beside iptables-legacy-restore --noflush and nft" },
  s9: { run: s9, text: "memory of a thousand nodes' rule sets over one node's", flags: HEAP_FLAGS },
  s11: { run: s11, text: "a thousand nodes and ten thousand pods, from manifests to programmed state" },
  alloc: { run: alloc, text: "bytes allocated for a packet", flags: ALLOC_FLAGS },
  "prefix-map": { run: prefixMap, text: "longest-prefix match: scan and trie" },
};

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const NAMES = Object.keys(BENCHMARKS);

const HELP = `
Benchmarks (all of them when none is named):
${NAMES.map((name) => `  ${name.padEnd(12)}${BENCHMARKS[name]?.text}`).join("\n")}

Each prints the machine, its figures and a line RATIO. Answers are checked in the same run; a wrong one ends it with exit
code 1. Rule sets and packets follow from the seed. What is compared with the real kernel needs Linux, root, ip, cc and
iptables-legacy or nft; it runs in network namespaces called hop-bench-*, which are removed afterwards.

  npm run bench -- s1 s5 --services 1000,10000
  npm run bench -- s3 --seed 42`;

const program: Command = new Command("bench")
  .usage("[NAME...] [options]")
  .argument("[name...]", "benchmarks", (name: string, before: string[] = []) => [...before, checkName(name)])
  .option("--seed <n>", "seed of rule sets and packets", parseSeed, 1)
  .option("--services <list>", "numbers of services", parseSizes, [100, 1000, 10_000])
  .addHelpText("after", HELP)
  .action(async (names: string[] | undefined, { seed, services }: { seed: number; services: number[] }) => {
    const [only, ...others] = names === undefined || names.length === 0 ? NAMES : names;
    const options: Options = { seed, sizes: services };
    if (only === undefined) return;
    if (others.length > 0 || !hasFlags(only)) process.exitCode = await runApart([only, ...others], options);
    else await run(only, options);
  });

function checkName(name: string): string {
  if (name in BENCHMARKS) return name;
  throw new InvalidArgumentError(`There are ${NAMES.join(", ")}.`);
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(seed)) return seed;
  throw new InvalidArgumentError("A number from 0 on is expected.");
}

function parseSizes(text: string): number[] {
  const sizes = text.split(",").map(Number);
  if (sizes.every((size) => Number.isInteger(size) && size >= 5 && size <= 100_000)) {
    return [...new Set(sizes)].sort((a, b) => a - b);
  }
  throw new InvalidArgumentError("Numbers from 5 to 100000 with commas between are expected.");
}

function hasFlags(name: string): boolean {
  return (BENCHMARKS[name]?.flags ?? []).every((flag) => process.execArgv.includes(flag));
}

/** Each in a process of its own, so that none meets what another left in the compiler and on the heap. */
async function runApart(names: readonly string[], { seed, sizes }: Options): Promise<number> {
  const main = fileURLToPath(import.meta.url);
  let code = 0;
  let child: ChildProcess | null = null;
  let interrupted = false;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      interrupted = true;
      child?.kill(signal);
    });
  }
  for (const name of names) {
    const flags = BENCHMARKS[name]?.flags ?? [];
    const args = [
      ...process.execArgv,
      ...flags,
      main,
      name,
      "--seed",
      `${seed}`,
      "--services",
      sizes.join(","),
    ];
    child = spawn(process.execPath, args, { stdio: "inherit" });
    const [status] = (await once(child, "exit")) as [number | null];
    if (interrupted || status === null || status === INTERRUPTED) return INTERRUPTED;
    if (status !== 0) code = 1;
  }
  return code;
}

async function run(name: string, options: Options): Promise<void> {
  // Namespaces and files are removed when the process exits.
  for (const signal of SIGNALS) {
    process.once(signal, () => process.exit(INTERRUPTED));
  }
  print(machine());
  print(`seed ${options.seed}, services ${options.sizes.join(", ")}`);
  try {
    await BENCHMARKS[name]?.run(options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    print(error instanceof WrongAnswer ? `WRONG ${name}: ${message}` : `FAILED ${name}: ${message}`);
    process.exitCode = 1;
  }
  print();
}

await program.parseAsync();
