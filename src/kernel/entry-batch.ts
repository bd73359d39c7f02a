import type { FdbEntry, Neighbour, Neighbour6 } from "./device/device.ts";
import type { Route, Route6 } from "./route/route.ts";

/** Entries of three tables that come about together, such as all that lead to one other host. */
export interface EntryGroup {
  readonly neighbours: readonly Neighbour[];
  readonly fdb: readonly FdbEntry[];
  readonly routes: readonly Route[];
  /** Absent: none. */
  readonly neighbours6?: readonly Neighbour6[];
  readonly routes6?: readonly Route6[];
}

/**
 * Groups of entries as one value: every host of a mesh has those of all the others, so they are made once, and a host adds
 * them all but its own (operation `batch-add`). Their keys are known beforehand, so that adding n entries to a host that
 * has few costs a copy of n references and not n look-ups.
 */
export class EntryBatch {
  readonly groups: readonly EntryGroup[];
  readonly neighbours: GroupedList<Neighbour>;
  readonly fdb: GroupedList<FdbEntry>;
  readonly routes: GroupedList<Route>;
  readonly neighbours6: GroupedList<Neighbour6>;
  readonly routes6: GroupedList<Route6>;
  /** Names of the devices that entries name. */
  readonly devices: ReadonlySet<string>;

  constructor(groups: readonly EntryGroup[]) {
    this.groups = groups;
    this.neighbours = new GroupedList(groups.map(({ neighbours }) => neighbours));
    this.fdb = new GroupedList(groups.map(({ fdb }) => fdb));
    this.routes = new GroupedList(groups.map(({ routes }) => routes));
    this.neighbours6 = new GroupedList(groups.map(({ neighbours6 = [] }) => neighbours6));
    this.routes6 = new GroupedList(groups.map(({ routes6 = [] }) => routes6));
    const devices = new Set<string>();
    for (const { dev } of this.neighbours.items) devices.add(dev);
    for (const { dev } of this.neighbours6.items) devices.add(dev);
    for (const { dev, master } of this.fdb.items) devices.add(dev).add(master ?? dev);
    for (const { nextHops } of [...this.routes.items, ...this.routes6.items]) {
      for (const { dev } of nextHops) if (dev !== null) devices.add(dev);
    }
    this.devices = devices;
  }
}

/** The entries of one table, group behind group. */
export class GroupedList<T> {
  readonly items: readonly T[];
  /** Where each group begins; one more for the end. */
  readonly #starts: readonly number[];
  #groupsByKey: ReadonlyMap<string, readonly number[]> | null = null;

  constructor(groups: readonly (readonly T[])[]) {
    const starts = [0];
    const items: T[] = [];
    for (const group of groups) starts.push(items.push(...group));
    this.items = items;
    this.#starts = starts;
  }

  /** All but those of one group. */
  without(group: number | null): readonly T[] {
    if (group === null) return this.items;
    const [from = 0, to = 0] = this.#starts.slice(group, group + 2);
    return from === to ? this.items : this.items.slice(0, from).concat(this.items.slice(to));
  }

  /** Whether an entry of another group than this one has the key. `keyOf` is always the same function. */
  has(key: string, without: number | null, keyOf: (item: T) => string): boolean {
    this.#groupsByKey ??= this.#index(keyOf);
    return this.#groupsByKey.get(key)?.some((group) => group !== without) ?? false;
  }

  /** A key that two entries of the batch share, undefined when all differ. */
  twice(without: number | null, keyOf: (item: T) => string): string | undefined {
    this.#groupsByKey ??= this.#index(keyOf);
    if (this.#groupsByKey.size === this.items.length) return undefined;
    for (const [key, groups] of this.#groupsByKey) {
      if (groups.filter((group) => group !== without).length > 1) return key;
    }
    return undefined;
  }

  #index(keyOf: (item: T) => string): ReadonlyMap<string, readonly number[]> {
    const index = new Map<string, number[]>();
    for (let group = 0; group + 1 < this.#starts.length; group++) {
      for (const item of this.items.slice(this.#starts[group], this.#starts[group + 1])) {
        const key = keyOf(item);
        const known = index.get(key);
        if (known === undefined) index.set(key, [group]);
        else known.push(group);
      }
    }
    return index;
  }
}
