import { basename, dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Inventory } from "../inventory/inventory.ts";
import { firstOf } from "../kernel/first-of.ts";
import type { Lister } from "../object/object-map.ts";
import { readDocuments } from "../object/text-documents.ts";
import { proxyModel } from "../proxy/model.ts";
import { portalsOf } from "../proxy/userspace/portals.ts";
import { withProxySockets } from "../proxy/userspace/relay-sockets.ts";
import { takenOfNetworkStates } from "../source/node-dump/nmstate.ts";
import { type DumpFile, type NodeDump, readNodeDump } from "../source/node-dump/node-dump.ts";
import { type TakenApart, takeApart } from "../source/node-dump/take-apart.ts";
import type { SourceFile } from "../source/read-source.ts";
import { kindOfText } from "../source/text-kind.ts";
import { configuredByDhcp } from "../walk/dhcp-hosts.ts";
import { formatInputError } from "../world/input-error.ts";
import type { Recording } from "../world/probe.ts";
import { readSnapshot } from "../world/snapshot-in.ts";
import type { World } from "../world/world.ts";
import { clusterFrom, type ObjectFlags } from "./cluster-source.ts";
import type { Io } from "./io.ts";
import { mergeWorlds, type NamedWorld } from "./merge-worlds.ts";
import { Progress } from "./progress.ts";
import { invalid, ok, type Result } from "./result.ts";
import { type FoundFile, findFiles, folderName, readContent } from "./source-files.ts";

/** What `-f` gave: the World, the names of the objects in it, and the recordings among the files. */
export interface LoadedSource {
  readonly world: World;
  /** null where the source holds no Kubernetes objects. */
  readonly inventory: Inventory | null;
  /** What had to be assumed to make a World of the objects. */
  readonly assumptions: readonly string[];
  /** What the objects tell of how the cluster is set up, and where. */
  readonly detected: readonly string[];
  /** What a host's dump lacked and was taken, by the host's name. */
  readonly hostAssumptions: ReadonlyMap<string, readonly string[]>;
  readonly recordings: readonly Recording[];
  /** The bundled example was taken because nothing was given. */
  readonly isExample: boolean;
}

/** Lies beside `src` as well as beside `dist`. */
const EXAMPLE = fileURLToPath(new URL("../../fixtures/nmt", import.meta.url));

/** Reads every path given, or the bundled example. All files or none: every mistake of every file is told. */
export async function loadSource(
  paths: readonly string[],
  io: Io,
  flags: ObjectFlags = {},
): Promise<Result<LoadedSource>> {
  const isExample = paths.length === 0;
  const files = await findFiles(isExample ? [EXAMPLE] : paths);
  if (files.kind === "invalid") return files;
  const sorter = new Sorter(io, isExample);
  for (const file of files.value) await sorter.read(file);
  const { worlds, recordings, messages, objectFiles } = sorter;
  sorter.warnOfOthers(paths);
  const dump = sorter.dump();
  if (dump !== null && dump.world.hosts.size > 0)
    worlds.push({ file: sorter.dumpNames(), world: dump.world });
  let inventory: Inventory | null = null;
  let assumptions: readonly string[] = [];
  let detected: readonly string[] = [];
  if (objectFiles.length > 0) {
    const built = clusterFrom(objectFiles, flags, io, worlds);
    if (built.kind === "invalid") messages.push(...built.messages);
    else {
      worlds.splice(0, worlds.length, ...built.value.worlds);
      recordings.push(...built.value.recordings);
      inventory = built.value.inventory;
      assumptions = built.value.assumptions;
      detected = built.value.detected;
    }
  }
  if (messages.length > 0) return invalid(...messages);
  const world = mergeWorlds(worlds);
  if (world.kind === "invalid") return world;
  const { world: configured, configured: notes } = configuredByDhcp(
    withUserspaceProxies(world.value, inventory?.objects ?? null),
  );
  const hostAssumptions = new Map<string, readonly string[]>(dump?.assumptions ?? []);
  for (const { host, text } of notes) hostAssumptions.set(host, [...(hostAssumptions.get(host) ?? []), text]);
  return ok({ world: configured, inventory, assumptions, detected, hostAssumptions, recordings, isExample });
}

/** Nodes whose rules are those of kube-proxy's userspace mode have kube-proxy behind its ports. */
function withUserspaceProxies(world: World, objects: Lister | null): World {
  if (![...world.hosts.values()].some(({ iptables }) => portalsOf(iptables).length > 0)) return world;
  const model = objects === null ? null : proxyModel(objects.list("Service"), objects.list("EndpointSlice"));
  const hosts = new Map([...world.hosts].map(([name, host]) => [name, withProxySockets(host, model)]));
  return { ...world, hosts };
}

/** Files told apart by what they hold. */
class Sorter {
  readonly #io: Io;
  readonly #isExample: boolean;
  readonly worlds: NamedWorld[] = [];
  readonly recordings: Recording[] = [];
  readonly messages: string[] = [];
  readonly objectFiles: SourceFile[] = [];
  readonly #dumpFiles: DumpFile[] = [];
  readonly #others: string[] = [];
  #logs = 0;
  #binaries = 0;

  constructor(io: Io, isExample: boolean) {
    this.#io = io;
    this.#isExample = isExample;
  }

  async read({ path, folder }: FoundFile): Promise<void> {
    const name = this.#isExample ? relative(dirname(EXAMPLE), path) : path;
    const content = await readContent(path, name, this.#io);
    if (content.kind === "invalid") this.messages.push(...content.messages);
    else if (content.value.kind === "text") this.#readText(name, content.value.text, folder);
    else if (folder === null)
      this.messages.push(`${name}: holds no text: a snapshot, manifest or dump is expected`);
    else this.#binaries++;
  }

  #readText(name: string, text: string, folder: string | null): void {
    const kind = kindOfText(text);
    switch (kind) {
      case "snapshot":
        this.#readSnapshot(name, text);
        return;
      case "tools":
        this.#readTools(name, folder, takeApart(text));
        return;
      case "node-network-state":
        this.#readTools(name, folder, this.#networkStates(name, text));
        return;
      case "objects":
        this.objectFiles.push({ name, text });
        return;
      case "nothing":
        if (folder === null && /\.ya?ml(\.gz)?$/.test(name)) this.objectFiles.push({ name, text });
        else if (folder === null) this.#readSnapshot(name, text);
        return;
      case "queries":
        if (folder === null) this.messages.push(`${name}: holds questions: give it with --queries`);
        return;
      case "log":
        if (folder === null) this.messages.push(`${name}: is a log: nothing of the network's state is in it`);
        else this.#logs++;
        return;
      case "other":
        // Named by its user, it is read as what it claims to be, for the mistake to be told precisely.
        if (folder === null || /\.ya?ml(\.gz)?$/.test(name)) this.objectFiles.push({ name, text });
        else this.#others.push(name);
        return;
      default:
        kind satisfies never;
    }
  }

  #readSnapshot(name: string, text: string): void {
    const progress = new Progress(this.#io, name, text.length);
    const snapshot = readSnapshot(name, text, (fraction) => progress.show(fraction));
    progress.clear();
    if (snapshot.kind === "invalid") {
      this.messages.push(...snapshot.errors.map(formatInputError));
      return;
    }
    this.worlds.push({ file: name, world: snapshot.world });
    if (snapshot.recording !== null) this.recordings.push(snapshot.recording);
  }

  #networkStates(name: string, text: string): TakenApart {
    const { documents, errors } = readDocuments(name, text);
    this.messages.push(...errors.map(formatInputError));
    return takenOfNetworkStates(documents);
  }

  #readTools(name: string, folder: string | null, taken: TakenApart): void {
    this.#dumpFiles.push({ name, folder: folder === null ? null : folderName(folder), taken });
  }

  dumpNames(): string {
    return this.#dumpFiles.map(({ name }) => name).join(", ");
  }

  dump(): NodeDump | null {
    if (this.#dumpFiles.length === 0) return null;
    const dump = readNodeDump(this.#dumpFiles);
    for (const warning of dump.warnings) this.#io.warn(`warning: ${formatInputError(warning)}\n`);
    this.messages.push(...dump.errors.map(formatInputError));
    return dump;
  }

  /** One line of all files that nothing here knows, and of those that cannot hold anything. */
  warnOfOthers(paths: readonly string[]): void {
    const parts: string[] = [];
    const others = this.#others;
    const names = firstOf(
      others.map((name) => basename(name)),
      LISTED_OTHERS,
    );
    if (others.length > 0)
      parts.push(`${countOf(others.length, "file")} of a kind not known here (${names})`);
    if (this.#logs > 0) parts.push(countOf(this.#logs, "log"));
    if (this.#binaries > 0) parts.push(countOf(this.#binaries, "binary file"));
    if (parts.length === 0) return;
    const known = this.worlds.length + this.objectFiles.length + this.#dumpFiles.length;
    const where = paths.join(", ");
    if (known > 0 || this.messages.length > 0) {
      this.#io.warn(`warning: ${where}: left out: ${parts.join(", ")}\n`);
    } else
      this.messages.push(
        `${where}: nothing in it is a manifest, snapshot or output of a node's tools: ${parts.join(", ")}`,
      );
  }
}

const LISTED_OTHERS = 8;

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
