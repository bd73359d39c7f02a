import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { CLONE_NEWNET, errorName, libc, O_CLOEXEC, O_RDONLY } from "./libc.ts";

/** Where `ip netns` keeps its names (ip-netns(8)). */
const DIRECTORY = "/run/netns";

/** A real network namespace with a name that `ip netns` knows too. */
export class RealNetns {
  readonly name: string;
  readonly #fd: number;

  /** @throws Error where there is no namespace of that name */
  constructor(name: string) {
    this.name = name;
    this.#fd = open(`${DIRECTORY}/${name}`);
  }

  /** Runs `work` with the main thread inside: sockets it opens and files of /proc/sys/net it writes are the namespace's. */
  inside<T>(work: () => T): T {
    enter(this.#fd, this.name);
    try {
      return work();
    } finally {
      enter(home(), "the first namespace");
    }
  }

  close(): void {
    libc().close(this.#fd);
  }
}

let homeFd: number | null = null;

function home(): number {
  homeFd ??= open("/proc/thread-self/ns/net");
  return homeFd;
}

function open(path: string): number {
  const fd = libc().open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw new Error(`${path}: cannot be opened (${errorName(libc().errno())})`);
  return fd;
}

function enter(fd: number, what: string): void {
  if (libc().setns(fd, CLONE_NEWNET) !== 0) {
    throw new Error(`cannot enter ${what} (${errorName(libc().errno())})`);
  }
}

/** Makes namespaces of these names, all in one call of `ip`. */
export function addNetns(names: readonly string[]): void {
  home();
  ipBatch(names.map((name) => `netns add ${name}`));
}

/** Deletes namespaces and all that is in them; those that are not there are left out. */
export function deleteNetns(names: readonly string[]): void {
  const there = new Set(listNetns());
  ipBatch(names.filter((name) => there.has(name)).map((name) => `netns del ${name}`));
}

export function listNetns(): string[] {
  try {
    return readdirSync(DIRECTORY);
  } catch {
    return [];
  }
}

/** @throws Error with what `ip` complained of */
function ipBatch(lines: readonly string[]): void {
  if (lines.length === 0) return;
  const run = spawnSync("ip", ["-batch", "-"], { input: `${lines.join("\n")}\n`, encoding: "utf8" });
  if (run.status !== 0) throw new Error(`ip -batch: ${run.error?.message ?? run.stderr.trim()}`);
}
