/** So many times a key is looked for by going through the list; an index is made for who asks more often. */
const LOOKS_WITHOUT_INDEX = 8;

/**
 * A list being changed by a run of operations: copied once, indexed by key on first need, so that a run of n changes
 * costs O(n). An untouched list is handed back as it was.
 */
export class DraftList<T> {
  readonly #original: readonly T[];
  readonly #keyOf: (item: T) => string;
  readonly #sameKey: (a: T, b: T) => boolean;
  /** The items with holes where some were removed; null while nothing has changed. */
  #items: (T | undefined)[] | null = null;
  /** Positions in the list by key, in order; null until asked for. */
  #positions: Map<string, number[]> | null = null;
  #looks = 0;
  #holes = false;

  /** `sameKey` says of two items whether `keyOf` gives the same for both, in less time. */
  constructor(
    original: readonly T[],
    keyOf: (item: T) => string,
    sameKey: (a: T, b: T) => boolean = (a, b) => keyOf(a) === keyOf(b),
  ) {
    this.#original = original;
    this.#keyOf = keyOf;
    this.#sameKey = sameKey;
  }

  /** The items with this key, in order. */
  withKey(key: string): readonly T[] {
    const found: T[] = [];
    for (const position of this.#index().get(key) ?? []) {
      const item = this.#current()[position];
      if (item !== undefined) found.push(item);
    }
    return found;
  }

  /** The items with this item's key, in order. */
  like(wanted: T): readonly T[] {
    if (this.#positions !== null || this.#looks++ >= LOOKS_WITHOUT_INDEX) {
      return this.withKey(this.#keyOf(wanted));
    }
    const found: T[] = [];
    for (const item of this.#current()) {
      if (item !== undefined && this.#sameKey(item, wanted)) found.push(item);
    }
    return found;
  }

  append(item: T): void {
    const items = this.#own();
    items.push(item);
    if (this.#positions !== null) addPosition(this.#positions, this.#keyOf(item), items.length - 1);
  }

  /** Puts an item before the first one of which `isBehind` is true; at the end where there is none. */
  insertBefore(item: T, isBehind: (other: T) => boolean): void {
    const items = this.#own();
    const at = items.findIndex((other) => other !== undefined && isBehind(other));
    if (at < 0) {
      this.append(item);
      return;
    }
    items.splice(at, 0, item);
    this.#positions = null;
    this.#looks = 0;
  }

  /** Items that are known to have keys of their own. */
  appendAll(items: readonly T[]): void {
    if (this.#items === null && this.#original.length === 0) this.#items = [...items];
    else this.#items = (this.#items ?? this.#original).concat(items);
    this.#positions = null;
    this.#looks = 0;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const item of this.#current()) if (item !== undefined) yield item;
  }

  /** Puts `next`, of the same key, in the place of `item`. */
  replace(item: T, next: T): void {
    this.#own()[this.#positionOf(item)] = next;
  }

  remove(item: T): void {
    this.#own()[this.#positionOf(item)] = undefined;
    this.#holes = true;
  }

  /** Removes all for which `gone` says so: a walk over the whole list. */
  removeWhere(gone: (item: T) => boolean): void {
    const current = this.#current();
    for (let i = 0; i < current.length; i++) {
      const item = current[i];
      if (item === undefined || !gone(item)) continue;
      this.#own()[i] = undefined;
      this.#holes = true;
    }
  }

  finish(): readonly T[] {
    if (this.#items === null) return this.#original;
    return this.#holes ? this.#items.filter((item) => item !== undefined) : (this.#items as T[]);
  }

  #current(): readonly (T | undefined)[] {
    return this.#items ?? this.#original;
  }

  #own(): (T | undefined)[] {
    this.#items ??= [...this.#original];
    return this.#items;
  }

  #index(): Map<string, number[]> {
    if (this.#positions === null) {
      const positions = new Map<string, number[]>();
      for (const [i, item] of this.#current().entries()) {
        if (item !== undefined) addPosition(positions, this.#keyOf(item), i);
      }
      this.#positions = positions;
    }
    return this.#positions;
  }

  #positionOf(item: T): number {
    const position =
      this.#positions === null
        ? this.#current().indexOf(item)
        : (this.#positions.get(this.#keyOf(item))?.find((at) => this.#current()[at] === item) ?? -1);
    if (position < 0) throw new Error("not an item of this list");
    return position;
  }
}

function addPosition(positions: Map<string, number[]>, key: string, position: number): void {
  const known = positions.get(key);
  if (known === undefined) positions.set(key, [position]);
  else known.push(position);
}
