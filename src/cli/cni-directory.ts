import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { MemoryStore, type Store } from "../cni/ipam/store.ts";
import type { NodeFiles } from "../cni/machine.ts";

/** The snapshot of the node, its containers and their cables: what makes the directory a source. */
export const WORLD_FILE = "world.json";

/** The instant of the last call, in seconds of the virtual clock. */
export const CLOCK_FILE = "clock";

/**
 * The directory that `cni` keeps a node in between two calls. Besides the snapshot, what the plugins leave on a disk:
 * `networks/NETWORK/ADDRESS` (host-local), `results/` (the runtime), `tuning/` and others under their own paths.
 */
export class CniDirectory implements NodeFiles {
  readonly #root: string;
  readonly #stores = new Map<string, MemoryStore>();

  constructor(root: string) {
    this.#root = resolve(root);
  }

  /** The snapshot, null before the first call. */
  readWorld(): string | null {
    const path = join(this.#root, WORLD_FILE);
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  }

  /** Writes the snapshot and what host-local remembers; other files are written as the plugins write them. */
  save(world: string): void {
    for (const [folder, store] of this.#stores) this.#saveStore(folder, store);
    this.write(WORLD_FILE, world);
  }

  store(network: string, dataDir: string): Store {
    const folder = join(dataDir === "" ? "networks" : dataDir, network);
    const known = this.#stores.get(folder);
    if (known !== undefined) return known;
    const files = this.#namesIn(folder).map((name): [string, string] => [
      name,
      this.read(join(folder, name)) ?? "",
    ]);
    const made = MemoryStore.fromFiles(files);
    this.#stores.set(folder, made);
    return made;
  }

  read(path: string): string | undefined {
    const own = this.#inside(path);
    return own !== null && existsSync(own) ? readFileSync(own, "utf8") : undefined;
  }

  write(path: string, content: string): void {
    const own = this.#inside(path);
    if (own === null) return;
    mkdirSync(dirname(own), { recursive: true });
    writeFileSync(own, content);
  }

  remove(path: string): void {
    const own = this.#inside(path);
    if (own !== null) rmSync(own, { force: true });
  }

  list(prefix: string): readonly string[] {
    return this.#namesIn(prefix)
      .sort()
      .map((name) => prefix + name);
  }

  #saveStore(folder: string, store: MemoryStore): void {
    const files = store.toFiles();
    for (const name of this.#namesIn(folder)) if (!files.has(name)) this.remove(join(folder, name));
    for (const [name, content] of files) this.write(join(folder, name), content);
  }

  #namesIn(folder: string): string[] {
    const own = this.#inside(folder);
    return own !== null && existsSync(own) ? readdirSync(own) : [];
  }

  /** An absolute path is one of the modelled node's; none leads out of the directory. */
  #inside(path: string): string | null {
    const own = resolve(this.#root, path.replace(/^\/+/, ""));
    return own === this.#root || own.startsWith(this.#root + sep) ? own : null;
  }
}
