/**
 * Where host-local remembers which addresses are taken: all that the allocator knows of the world. Real ones are files
 * of `/var/lib/cni/networks/NETWORK`: one a taken address, named by it, and `last_reserved_ip.N` for each range set.
 */
export interface Store {
  /** Takes the address and remembers it as the range set's last; false when somebody has it already. */
  reserve(holder: Holder, address: string, rangeSet: number): boolean;
  /** The address of the range set that was taken last, though it may be free again. */
  lastReserved(rangeSet: number): string | null;
  addressesOf(holder: Holder): readonly string[];
  release(address: string): void;
  releaseAll(holder: Holder): void;
  /** Everybody who has an address. */
  holders(): readonly Holder[];
}

export interface Holder {
  readonly containerId: string;
  readonly ifName: string;
}

/** A store that lives in memory, and can be had as files and made of them. */
export class MemoryStore implements Store {
  readonly #taken = new Map<string, Holder>();
  readonly #byHolder = new Map<string, Set<string>>();
  readonly #last = new Map<number, string>();

  reserve(holder: Holder, address: string, rangeSet: number): boolean {
    if (this.#taken.has(address)) return false;
    this.#take(holder, address);
    this.#last.set(rangeSet, address);
    return true;
  }

  lastReserved(rangeSet: number): string | null {
    return this.#last.get(rangeSet) ?? null;
  }

  addressesOf(holder: Holder): readonly string[] {
    return [...(this.#byHolder.get(keyOf(holder)) ?? [])];
  }

  release(address: string): void {
    const holder = this.#taken.get(address);
    if (holder === undefined) return;
    this.#taken.delete(address);
    const own = this.#byHolder.get(keyOf(holder));
    own?.delete(address);
    if (own?.size === 0) this.#byHolder.delete(keyOf(holder));
  }

  releaseAll(holder: Holder): void {
    for (const address of this.addressesOf(holder)) this.release(address);
  }

  holders(): readonly Holder[] {
    return [...new Map([...this.#taken.values()].map((holder) => [keyOf(holder), holder])).values()];
  }

  #take(holder: Holder, address: string): void {
    this.#taken.set(address, holder);
    const own = this.#byHolder.get(keyOf(holder));
    if (own === undefined) this.#byHolder.set(keyOf(holder), new Set([address]));
    else own.add(address);
  }

  /** File names and contents, as the plugin writes them. */
  toFiles(): ReadonlyMap<string, string> {
    const files = new Map<string, string>();
    for (const [address, { containerId, ifName }] of this.#taken) {
      files.set(address, `${containerId}\r\n${ifName}`);
    }
    for (const [rangeSet, address] of this.#last) files.set(`${LAST}${rangeSet}`, address);
    return files.set("lock", "");
  }

  static fromFiles(files: Iterable<readonly [string, string]>): MemoryStore {
    const store = new MemoryStore();
    for (const [name, content] of files) {
      if (name === "lock") continue;
      if (name.startsWith(LAST)) {
        store.#last.set(Number(name.slice(LAST.length)), content.trim());
        continue;
      }
      const [containerId = "", ifName = ""] = content.trim().split(/\r?\n/);
      store.#take({ containerId, ifName }, name);
    }
    return store;
  }
}

const LAST = "last_reserved_ip.";

function keyOf({ containerId, ifName }: Holder): string {
  return `${containerId}\n${ifName}`;
}
