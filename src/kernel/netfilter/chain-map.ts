import type { Chain } from "./rule.ts";

/** The chains of a table by name, in the order they are printed in. */
export type Chains = ReadonlyMap<string, Chain>;

/** A table of fewer chains is copied as soon as it is changed. */
const WORTH_SHARING = 32;
/** Chains that differ from the base; with more of them the table becomes a base of its own. */
const MOST_OWN = 512;

/**
 * The chains of a table that differs little from another: a base that many tables share, and the few chains that were
 * changed or added. In order, a changed chain stands where it stood and a new one behind all others. A change of one chain
 * among forty thousand costs one entry, and a thousand nodes hold what they have in common once.
 */
export class ChainOverlay implements Chains {
  /** Never an overlay itself. */
  readonly base: Chains;
  /** The changed and the added ones; not written any more. */
  readonly own: Chains;
  readonly size: number;

  constructor(base: Chains, own: Chains) {
    this.base = base;
    this.own = own;
    let size = base.size;
    for (const name of own.keys()) if (!base.has(name)) size++;
    this.size = size;
  }

  get(name: string): Chain | undefined {
    return this.own.get(name) ?? this.base.get(name);
  }

  has(name: string): boolean {
    return this.own.has(name) || this.base.has(name);
  }

  *entries(): MapIterator<[string, Chain]> {
    for (const [name, chain] of this.base) yield [name, this.own.get(name) ?? chain];
    for (const entry of this.own) if (!this.base.has(entry[0])) yield entry;
  }

  *keys(): MapIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): MapIterator<Chain> {
    for (const [, chain] of this.entries()) yield chain;
  }

  forEach(visit: (chain: Chain, name: string, chains: Chains) => void): void {
    for (const [name, chain] of this.entries()) visit(chain, name, this);
  }

  [Symbol.iterator](): MapIterator<[string, Chain]> {
    return this.entries();
  }
}

/** Chains being changed, one owner at a time. */
export class ChainsDraft {
  readonly #base: Chains;
  readonly #own: Map<string, Chain>;

  constructor(before: Chains) {
    const layered = before instanceof ChainOverlay && before.own.size <= MOST_OWN ? before : null;
    this.#base =
      layered?.base ?? (before.size < WORTH_SHARING || before instanceof ChainOverlay ? NONE : before);
    this.#own = new Map(layered?.own ?? (this.#base === NONE ? before : []));
  }

  get(name: string): Chain | undefined {
    return this.#own.get(name) ?? this.#base.get(name);
  }

  has(name: string): boolean {
    return this.#own.has(name) || this.#base.has(name);
  }

  set(name: string, chain: Chain): void {
    this.#own.set(name, chain);
  }

  finish(): Chains {
    return this.#base.size === 0 ? this.#own : new ChainOverlay(this.#base, this.#own);
  }
}

const NONE: Chains = new Map();
