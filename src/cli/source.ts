import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { Inventory } from "../inventory/inventory.ts";
import type { SourceFile } from "../source/read-source.ts";
import { formatInputError } from "../world/input-error.ts";
import type { Recording } from "../world/probe.ts";
import { readSnapshot } from "../world/snapshot-in.ts";
import type { World } from "../world/world.ts";
import { clusterFrom, type ObjectFlags } from "./cluster-source.ts";
import type { Io } from "./io.ts";
import { mergeWorlds, type NamedWorld } from "./merge-worlds.ts";
import { Progress } from "./progress.ts";
import { invalid, ok, type Result } from "./result.ts";

/** What `-f` gave: the World, the names of the objects in it, and the recordings among the files. */
export interface LoadedSource {
  readonly world: World;
  /** null where the source holds no Kubernetes objects. */
  readonly inventory: Inventory | null;
  /** What had to be assumed to make a World of the objects. */
  readonly assumptions: readonly string[];
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
  const files = await filesOf(isExample ? [EXAMPLE] : paths);
  if (files.kind === "invalid") return files;
  const worlds: NamedWorld[] = [];
  const recordings: Recording[] = [];
  const messages: string[] = [];
  const objectFiles: SourceFile[] = [];
  for (const file of files.value) {
    const name = isExample ? relative(dirname(EXAMPLE), file) : file;
    const text = await readText(file, name, io);
    if (text.kind === "invalid") {
      messages.push(...text.messages);
      continue;
    }
    if (!looksLikeSnapshot(text.value, name)) {
      objectFiles.push({ name, text: text.value });
      continue;
    }
    const progress = new Progress(io, name, text.value.length);
    const snapshot = readSnapshot(name, text.value, (fraction) => progress.show(fraction));
    progress.clear();
    if (snapshot.kind === "invalid") {
      messages.push(...snapshot.errors.map(formatInputError));
      continue;
    }
    worlds.push({ file: name, world: snapshot.world });
    if (snapshot.recording !== null) recordings.push(snapshot.recording);
  }
  let inventory: Inventory | null = null;
  let assumptions: readonly string[] = [];
  if (objectFiles.length > 0) {
    const built = clusterFrom(objectFiles, flags, io);
    if (built.kind === "invalid") messages.push(...built.messages);
    else {
      worlds.push(...built.value.worlds);
      recordings.push(...built.value.recordings);
      inventory = built.value.inventory;
      assumptions = built.value.assumptions;
    }
  }
  if (messages.length > 0) return invalid(...messages);
  const world = mergeWorlds(worlds);
  if (world.kind === "invalid") return world;
  return ok({ world: world.value, inventory, assumptions, recordings, isExample });
}

/** How much of a file tells what it is. */
const BEGINNING = 4000;

/** JSON that is no API object and no agent's configuration is taken for a snapshot. */
function looksLikeSnapshot(text: string, name: string): boolean {
  const beginning = text.slice(0, BEGINNING);
  if (!/^\s*[{[]/.test(beginning)) return /^\s*$/.test(beginning) && !/\.ya?ml(\.gz)?$/.test(name);
  if (/"(hosts|links|iptablesSave)"\s*:/.test(beginning)) return true;
  return !/"(apiVersion|cniVersion|Network|kind|items)"\s*:/.test(beginning);
}

async function filesOf(paths: readonly string[]): Promise<Result<string[]>> {
  const files: string[] = [];
  const messages: string[] = [];
  for (const path of paths) {
    const found = path === "-" ? ok(["-"]) : await filesAt(path);
    if (found.kind === "ok") files.push(...found.value);
    else messages.push(...found.messages);
  }
  if (files.filter((file) => file === "-").length > 1) messages.push("-: stdin can be read only once");
  const twice = files.find((file, i) => files.indexOf(file) !== i && file !== "-");
  if (twice !== undefined) messages.push(`${twice}: is given twice`);
  return messages.length === 0 ? ok(files) : invalid(...messages);
}

/** A file itself, or the snapshots of a folder in the order of their names. */
export async function filesAt(path: string): Promise<Result<string[]>> {
  try {
    if (!(await stat(path)).isDirectory()) return ok([path]);
    const names = (await readdir(path)).filter((name) => /\.(json|ya?ml)(\.gz)?$/.test(name)).sort();
    if (names.length > 0) return ok(names.map((name) => join(path, name)));
    return invalid(
      `${path}: the folder holds no snapshot and no manifest (*.json, *.yaml, or either with .gz)`,
    );
  } catch (error) {
    return invalid(`${path}: ${explainSystemError(error)}`);
  }
}

/** The text of a file or of stdin, unpacked where it is gzip. `name` is what messages call it. */
export async function readText(path: string, name: string, io: Io): Promise<Result<string>> {
  let bytes: Buffer;
  try {
    if (path === "-" && io.stdinIsTerminal) {
      return invalid("-: stdin is a terminal: pipe a snapshot into it, or name a file");
    }
    bytes = path === "-" ? await io.readStdin() : await readFile(path);
  } catch (error) {
    return invalid(`${name}: ${explainSystemError(error)}`);
  }
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!isGzip && name.endsWith(".gz") && bytes.length > 0) {
    return invalid(`${name}: is called .gz but is no gzip file`);
  }
  try {
    return ok(decodeText(isGzip ? gunzipSync(bytes) : bytes));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "Z_BUF_ERROR") return invalid(`${name}: the gzip file was cut off: fetch it again`);
    if (code === "ERR_STRING_TOO_LONG" || code === "ERR_BUFFER_TOO_LARGE") {
      return invalid(`${name}: is too large to be read as one text (512 MB at most)`);
    }
    return invalid(`${name}: the gzip file is damaged (${(error as Error).message})`);
  }
}

/** UTF-8, or UTF-16 by its byte order mark: what PowerShell's `>` writes, and kubectl reads. */
function decodeText(bytes: Buffer): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  return bytes.toString("utf8");
}

/** A system error in words, without the call and the path that Node puts around it. */
function explainSystemError(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file or folder",
    EACCES: "may not be read (permission denied)",
    EPERM: "may not be read (operation not permitted)",
    EISDIR: "is a folder, a file is expected",
    ENOTDIR: "a part of the path is no folder",
    ELOOP: "is a symbolic link that leads in a circle",
    ENAMETOOLONG: "is too long for a path",
    ERR_FS_FILE_TOO_LARGE: "is too large to be read at once",
  };
  const words = code === undefined ? undefined : known[code];
  if (words !== undefined) return words;
  if (code === undefined) throw error;
  return `cannot be read (${code})`;
}
