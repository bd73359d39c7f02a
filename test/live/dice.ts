import { Random } from "../../bench/random.ts";

const FAVOURED = 0.4;
const OFTENER = 8;

/** Choices that follow from a seed. */
export class Dice extends Random {
  readonly #favour: string | null;

  /** @param favour what lists of words are oftener left with, and entries that begin with `-j` and it */
  constructor(seed: number, favour: string | null = null) {
    super(seed);
    this.#favour = favour;
  }

  favours(word: string): boolean {
    return this.#favour === word;
  }

  /** Whole, both ends included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** @throws RangeError where there is nothing to pick from */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError("nothing to pick from");
    const favour = this.#favour as T;
    if (favour !== null && list.includes(favour) && this.chance(FAVOURED)) return favour;
    return list[this.below(list.length)] as T;
  }

  /** One of several, each as often as its weight says. */
  weighted<T>(entries: readonly (readonly [weight: number, value: T])[]): T {
    const start = this.#favour === null ? null : `-j ${this.#favour} `;
    const weightOf = ([weight, value]: readonly [number, T]): number =>
      start !== null && typeof value === "string" && value.startsWith(start) ? weight * OFTENER : weight;
    let point = this.unit() * entries.reduce((sum, entry) => sum + weightOf(entry), 0);
    for (const entry of entries) {
      const [, value] = entry;
      point -= weightOf(entry);
      if (point < 0) return value;
    }
    return (entries.at(-1) as readonly [number, T])[1];
  }

  /** `count` different ones, or all where there are fewer. */
  some<T>(list: readonly T[], count: number): T[] {
    const left = [...list];
    const taken: T[] = [];
    while (taken.length < count && left.length > 0) taken.push(...left.splice(this.below(left.length), 1));
    return taken;
  }
}
