import type { Json } from "../../kernel/json-fields.ts";
import type { HostPlaces } from "../../world/host-in/reading.ts";
import type { InputError } from "../../world/input-error.ts";
import { NO_ORIGINS } from "../../world/origins.ts";
import { readHosts } from "../../world/snapshot-in.ts";
import type { World } from "../../world/world.ts";
import { assumeMissing } from "./assume.ts";
import type { DumpDraft } from "./dump-draft.ts";
import { assumeFlannelDaemons } from "./flannel-daemons.ts";
import { type FileOutput, hostOfOutputs } from "./host-of-outputs.ts";
import { isIpv6Output, type Output, tableOfCommand } from "./output.ts";
import type { TakenApart } from "./take-apart.ts";
import { noteUnwalked } from "./unwalked.ts";

/** A file of tools' outputs, taken apart. */
export interface DumpFile {
  readonly name: string;
  /** The folder it was found in, which is one node's unless its files contradict; null: the file was given itself. */
  readonly folder: string | null;
  readonly taken: TakenApart;
}

export interface NodeDump {
  readonly world: World;
  /** What a host's dump lacks and was taken, by the host's name. */
  readonly assumptions: ReadonlyMap<string, readonly string[]>;
  readonly warnings: readonly InputError[];
  readonly errors: readonly InputError[];
}

/** Plain outputs of nodes' own tools as hosts: every folder of them is a node, unless two of its files say the same thing. */
export function readNodeDump(files: readonly DumpFile[]): NodeDump {
  const hosts: Record<string, Json> = {};
  const drafts = new Map<string, DumpDraft>();
  const warnings: InputError[] = [];
  const errors: InputError[] = [];
  const assumptions = new Map<string, readonly string[]>();
  const say = (file: string, message: string) => warnings.push({ file, line: null, field: null, message });
  for (const { name, outputs, kernel } of groupsOf(files, say)) {
    const draft = hostOfOutputs(outputs);
    assumeMissing(draft);
    noteUnwalked(draft);
    if (kernel !== null) draft.set("kernel", kernel);
    drafts.set(name, draft);
  }
  assumeFlannelDaemons(drafts);
  for (const [name, draft] of drafts) {
    hosts[name] = draft.json;
    warnings.push(...draft.warnings);
    errors.push(...draft.errors);
    assumptions.set(name, draft.assumptions);
  }
  for (const file of files) noteOthers(file, warnings, errors);
  if (drafts.size === 0)
    return { world: { hosts: new Map(), wires: [], origins: NO_ORIGINS }, assumptions, warnings, errors };
  const places: ReadonlyMap<string, HostPlaces> = drafts;
  const { world, faults } = readHosts("", hosts, places);
  for (const { field, message } of faults.kept) errors.push(errorAt(drafts, field, message));
  return { world, assumptions, warnings, errors };
}

/** Lines of a file that are no output: told once a file, unless they are prose; a file that is nothing else is a mistake. */
function noteOthers({ name, folder, taken }: DumpFile, warnings: InputError[], errors: InputError[]): void {
  const { outputs, others, hostname, kernel, isProse } = taken;
  const holds = outputs.length > 0 || hostname !== null || kernel !== null;
  const [first] = others;
  if (!holds && folder === null) {
    errors.push({ file: name, line: null, field: null, message: "no output of a tool in it could be read" });
  } else if (first !== undefined && !isProse) {
    const count = others.length === 1 ? "a line is" : `${others.length} lines are`;
    const message = `${count} no output of a tool known here, beginning with ${JSON.stringify(shortened(first.text.trim()))}: left out`;
    warnings.push({ file: name, line: first.number, field: null, message });
  }
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** `hosts.node1.addrs[0]…` is told where the files have it. */
function errorAt(drafts: ReadonlyMap<string, DumpDraft>, field: string, message: string): InputError {
  for (const [name, draft] of drafts) {
    for (const prefix of [`hosts.${name}.`, `hosts[${JSON.stringify(name)}].`]) {
      if (!field.startsWith(prefix)) continue;
      const error = draft.errorAt(field.slice(prefix.length), message);
      return error.file === "" ? { ...error, file: name } : error;
    }
  }
  return { file: "dump", line: null, field, message };
}

interface Group {
  readonly name: string;
  readonly outputs: readonly FileOutput[];
  readonly kernel: string | null;
}

function groupsOf(files: readonly DumpFile[], say: (file: string, message: string) => void): Group[] {
  const groups = new Map<string, { outputs: FileOutput[]; kernel: string | null }>();
  const put = (name: string, output: FileOutput, kernel: string | null) => {
    const group = groups.get(name) ?? { outputs: [], kernel };
    group.outputs.push(output);
    groups.set(name, { ...group, kernel: group.kernel ?? kernel });
  };
  for (const [folder, inFolder] of byFolder(files)) {
    const clash = folder === null ? undefined : clashOf(inFolder);
    if (folder !== null && clash !== undefined) {
      say(folder, `${clash}: each file is taken for a host of its own`);
    }
    const hostname = inFolder.map(({ taken }) => taken.hostname).find((name) => name !== null);
    for (const file of inFolder) {
      const own = folder === null || clash !== undefined ? stemOf(file.name) : (hostname ?? baseOf(folder));
      for (const output of file.taken.outputs) {
        put(output.host ?? file.taken.hostname ?? own, { file: file.name, output }, file.taken.kernel);
      }
    }
  }
  return [...groups].map(([name, group]) => ({ name, ...group }));
}

/** Files given one by one stand apart; those of a folder together. */
function byFolder(files: readonly DumpFile[]): (readonly [string | null, readonly DumpFile[]])[] {
  const folders = new Map<string, DumpFile[]>();
  const alone: (readonly [null, readonly DumpFile[]])[] = [];
  for (const file of files) {
    if (file.folder === null) alone.push([null, [file]]);
    else folders.set(file.folder, [...(folders.get(file.folder) ?? []), file]);
  }
  return [...alone, ...folders];
}

/** Two files that cannot be of one node: both say what a node has once. */
function clashOf(files: readonly DumpFile[]): string | undefined {
  const seen = new Map<string, string>();
  for (const { name, taken } of files) {
    const own = new Set(taken.outputs.flatMap((output) => claimsOf(output)));
    for (const claim of own) {
      const before = seen.get(claim);
      if (before !== undefined)
        return `${baseOf(before)} and ${baseOf(name)} both hold ${claim.replace(/^.*\|/, "")}`;
      seen.set(claim, name);
    }
  }
  return undefined;
}

/** What an output says that only one output of a node can: a table of a save, a chain of a list, a device. */
function claimsOf(output: Output): string[] {
  const { tool, lines, command, host } = output;
  const of = `${host ?? ""} ${tool} ${isIpv6Output(output) ? 6 : 4}`;
  const texts = (pattern: RegExp) => lines.flatMap(({ text }) => pattern.exec(text)?.[1] ?? []);
  switch (tool) {
    case "iptables-save":
      return texts(/^\*(\w+)/).map((table) => `${of}|table ${table}`);
    case "iptables-commands": {
      const where = tableOfCommand(command) ?? texts(/^\* ?(\w+)/)[0] ?? "";
      const chains = texts(/^-[NP] (\S+)/);
      return chains.length === 0 ? [] : [`${of} ${where} ${chains.join(" ")}|chain ${chains[0]}`];
    }
    case "iptables-list": {
      const form = lines.some(({ text }) => /\bopt\s+in\s+out\b/.test(text)) ? "-v" : "";
      const chains = texts(/^Chain (\S+) \(/);
      const table = tableOfCommand(command) ?? (chains.includes("FORWARD") ? "filter" : "");
      return chains.map((chain) => `${of} ${form} ${table}|chain ${chain}`);
    }
    case "ip-link": {
      // `ip addr` and `ip -d link` may stand side by side; two of one kind may not.
      const form = lines.some(({ text }) => /^\s+inet6? /.test(text)) ? "addr" : "link";
      return texts(/^\d+: ([^\s:@]+)/).map((dev) => `${of} ${form}|device ${dev}`);
    }
    case "ipvsadm-list":
    case "ipvsadm-save":
      return [`${of}|virtual servers`];
    case "nft":
      return texts(/^table (\w+ \S+) \{/).map((table) => `${of}|table ${table}`);
    default:
      return [];
  }
}

function baseOf(path: string): string {
  const parts = path.split(/[\\/]/).filter((part) => part !== "" && part !== ".");
  return parts.at(-1) ?? "node";
}

/** `dumps/node-7.txt.gz` is called node-7. */
function stemOf(path: string): string {
  const base = baseOf(path)
    .replace(/\.gz$/, "")
    .replace(/\.(?:txt|log|out|json|md|golden|dump|save|rules)$/, "");
  return base === "" || base === "-" ? "node" : base;
}
