/**
 * A list being changed by a run of operations: copied once, indexed by key on first need, so that a run of n changes
 * costs O(n). An untouched list is handed back as it was.
 */
export class DraftList<T> {
  readonly #original: readonly T[];
  readonly #keyOf: (item: T) => string;
  /** The items with holes where some were removed; null while nothing has changed. */
  #items: (T | undefined)[] | null = null;
  /** Positions in the list by key, in order; null until asked for. */
  #positions: Map<string, number[]> | null = null;

  constructor(original: readonly T[], keyOf: (item: T) => string) {
    this.#original = original;
    this.#keyOf = keyOf;
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

  append(item: T): void {
    const items = this.#own();
    items.push(item);
    if (this.#positions !== null) addPosition(this.#positions, this.#keyOf(item), items.length - 1);
  }

  /** Puts `next`, of the same key, in the place of `item`. */
  replace(item: T, next: T): void {
    this.#own()[this.#positionOf(item)] = next;
  }

  remove(item: T): void {
    this.#own()[this.#positionOf(item)] = undefined;
  }

  /** Removes all for which `gone` says so: a walk over the whole list. */
  removeWhere(gone: (item: T) => boolean): void {
    const current = this.#current();
    for (let i = 0; i < current.length; i++) {
      const item = current[i];
      if (item !== undefined && gone(item)) this.#own()[i] = undefined;
    }
  }

  finish(): readonly T[] {
    return this.#items === null ? this.#original : this.#items.filter((item) => item !== undefined);
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
    const position = this.#index()
      .get(this.#keyOf(item))
      ?.find((at) => this.#current()[at] === item);
    if (position === undefined) throw new Error("not an item of this list");
    return position;
  }
}

function addPosition(positions: Map<string, number[]>, key: string, position: number): void {
  const known = positions.get(key);
  if (known === undefined) positions.set(key, [position]);
  else known.push(position);
}
