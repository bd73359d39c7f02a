import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { WORLD_FILE } from "./cni-directory.ts";
import type { Io } from "./io.ts";
import { invalid, ok, type Result } from "./result.ts";

/** A file that a source consists of. */
export interface FoundFile {
  readonly path: string;
  /** The folder of those given that it was found in, itself or below; null: it was named itself. */
  readonly folder: string | null;
}

/** The files that paths name: files themselves, and everything in folders and below, in the order of their names. */
export async function findFiles(paths: readonly string[]): Promise<Result<FoundFile[]>> {
  const files: FoundFile[] = [];
  const messages: string[] = [];
  for (const path of paths) {
    const found = path === "-" ? ok([{ path, folder: null }]) : await findAt(path);
    if (found.kind === "ok") files.push(...found.value);
    else messages.push(...found.messages);
  }
  const names = files.map(({ path }) => path);
  if (names.filter((name) => name === "-").length > 1) messages.push("-: stdin can be read only once");
  const twice = names.find((name, i) => names.indexOf(name) !== i && name !== "-");
  if (twice !== undefined) messages.push(`${twice}: is given twice`);
  return messages.length === 0 ? ok(files) : invalid(...messages);
}

async function findAt(path: string): Promise<Result<FoundFile[]>> {
  try {
    if (!(await stat(path)).isDirectory()) return ok([{ path, folder: null }]);
    const names = await readdir(path);
    // What `cni` keeps of a node: its plugins' files beside the snapshot are none of the source.
    if (names.includes(WORLD_FILE)) return ok([{ path: join(path, WORLD_FILE), folder: path }]);
    const files = await filesBelow(path, new Set());
    if (files.length > 0) return ok(files);
    return invalid(
      `${path}: the folder is empty: manifests, dumps, snapshots or outputs of a node's tools are expected`,
    );
  } catch (error) {
    return invalid(`${path}: ${explainSystemError(error)}`);
  }
}

/** Names that begin with a dot are left out, and a folder is entered once, whatever links lead to it. */
async function filesBelow(folder: string, entered: Set<string>): Promise<FoundFile[]> {
  const real = await realpath(folder);
  if (entered.has(real)) return [];
  entered.add(real);
  const files: FoundFile[] = [];
  for (const name of (await readdir(folder)).filter((each) => !each.startsWith(".")).sort()) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found === null) continue;
    if (found.isDirectory()) files.push(...(await filesBelow(path, entered)));
    else if (found.isFile()) files.push({ path, folder });
  }
  return files;
}

/** A folder by its own name, also where it was given as `.`. */
export function folderName(folder: string): string {
  return /(?:^|[\\/])\.{1,2}[\\/]?$/.test(folder) ? resolve(folder) : folder;
}

/** A file itself, or the recordings of a folder in the order of their names. */
export async function recordingsAt(path: string): Promise<Result<string[]>> {
  const found = await findAt(path);
  if (found.kind === "invalid") return found;
  const files = found.value.filter(
    (file) => file.folder === null || (dirname(file.path) === join(path) && /\.json(\.gz)?$/.test(file.path)),
  );
  if (files.length > 0) return ok(files.map((file) => file.path));
  return invalid(`${path}: the folder holds no recording (*.json or *.json.gz)`);
}

/** What a file holds: a text, unpacked where it is gzip, or bytes that are none. */
export type Content = { readonly kind: "text"; readonly text: string } | { readonly kind: "binary" };

/** The text of a file or of stdin. `name` is what messages call it. */
export async function readText(path: string, name: string, io: Io): Promise<Result<string>> {
  const content = await readContent(path, name, io);
  if (content.kind === "invalid") return content;
  return content.value.kind === "text" ? ok(content.value.text) : invalid(`${name}: holds no text`);
}

export async function readContent(path: string, name: string, io: Io): Promise<Result<Content>> {
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
    const plain = isGzip ? gunzipSync(bytes) : bytes;
    const text = decoded(plain);
    return ok(text === null ? { kind: "binary" } : { kind: "text", text });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "Z_BUF_ERROR") return invalid(`${name}: the gzip file was cut off: fetch it again`);
    if (code === "ERR_STRING_TOO_LONG" || code === "ERR_BUFFER_TOO_LARGE") {
      return invalid(`${name}: is too large to be read as one text (512 MB at most)`);
    }
    return invalid(`${name}: the gzip file is damaged (${(error as Error).message})`);
  }
}

/** UTF-8, or UTF-16 by its byte order mark: what PowerShell's `>` writes, and kubectl reads. Null for what is no text. */
function decoded(bytes: Buffer): string | null {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  return isBinary(bytes) ? null : bytes.toString("utf8");
}

/** A zero byte early on: no text has one. */
function isBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, 8000).includes(0);
}

/** Why a file cannot be written, in words. */
export function explainUnwritten(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    ENOENT: "there is no such folder to write it into",
    EACCES: "may not be written (permission denied)",
    EPERM: "may not be written (operation not permitted)",
    EISDIR: "is a folder, a file is expected",
    ENOTDIR: "a part of the path is no folder",
    ENOSPC: "there is no room left to write it",
    EROFS: "may not be written (the file system is read-only)",
  };
  if (code === undefined) throw error;
  return known[code] ?? `cannot be written (${code})`;
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
