import { Random } from "../../bench/random.ts";

/** Choices that follow from a seed. */
export class Dice extends Random {
  readonly #favour: string | null;

  /** @param favour what is meant to be in a world besides what chance puts there */
  constructor(seed: number, favour: string | null | undefined = null) {
    super(seed);
    this.#favour = favour ?? null;
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
    return list[this.below(list.length)] as T;
  }

  /** One of several, each as often as its weight says. */
  weighted<T>(entries: readonly (readonly [weight: number, value: T])[]): T {
    let point = this.unit() * entries.reduce((sum, [weight]) => sum + weight, 0);
    for (const entry of entries) {
      const [weight, value] = entry;
      point -= weight;
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
