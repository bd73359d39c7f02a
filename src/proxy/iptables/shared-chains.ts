import type { Chain, Rule } from "../../kernel/netfilter/rule.ts";
import { isSameRule } from "../../kernel/netfilter/same-rule.ts";
import type { Splice } from "../splice.ts";

/**
 * The rules of many Services in chains that all share, such as KUBE-SERVICES: in the order of Services, with the place where
 * each one's end, so that those of a few can be exchanged without a look at the others.
 */
export class SharedChains {
  readonly #rules: ReadonlyMap<string, readonly Rule[]>;
  /** By chain and Service: where its rules end. */
  readonly #ends: ReadonlyMap<string, Int32Array>;
  readonly #count: number;

  private constructor(
    rules: ReadonlyMap<string, readonly Rule[]>,
    ends: ReadonlyMap<string, Int32Array>,
    count: number,
  ) {
    this.#rules = rules;
    this.#ends = ends;
    this.#count = count;
  }

  /** `parts`: what each Service has in the shared chains. */
  static of(parts: readonly (readonly Chain[])[]): SharedChains {
    const rules = new Map<string, Rule[]>();
    const ends = new Map<string, Int32Array>();
    for (const [i, part] of parts.entries()) {
      for (const chain of part) {
        let list = rules.get(chain.name);
        if (list === undefined) {
          list = [];
          rules.set(chain.name, list);
          ends.set(chain.name, new Int32Array(parts.length));
        }
        for (const rule of chain.rules) list.push(rule);
        (ends.get(chain.name) as Int32Array)[i] = list.length;
      }
    }
    // A Service without rules in a chain ends where the one before it does.
    for (const own of ends.values()) {
      for (let i = 1; i < own.length; i++) if (own[i] === 0) own[i] = own[i - 1] as number;
    }
    return new SharedChains(rules, ends, parts.length);
  }

  /** The same with other Services between the ends. */
  after(splice: Splice, parts: readonly (readonly Chain[])[]): SharedChains {
    const middle = SharedChains.of(parts);
    const names = new Set([...this.#rules.keys(), ...middle.#rules.keys()]);
    const count = splice.head + parts.length + splice.tail;
    const rules = new Map<string, readonly Rule[]>();
    const ends = new Map<string, Int32Array>();
    for (const name of names) {
      const old = this.#rules.get(name) ?? [];
      const oldEnds = this.#ends.get(name) ?? new Int32Array(this.#count);
      const made = middle.#rules.get(name) ?? [];
      const endOf = (services: number): number => (services === 0 ? 0 : (oldEnds[services - 1] as number));
      const from = endOf(splice.head);
      const to = endOf(this.#count - splice.tail);
      const isSame =
        to - from === made.length && made.every((rule, i) => isSameRule(old[from + i] as Rule, rule));
      // What says the same stays the same, so that nobody need look at it again.
      rules.set(name, isSame ? old : old.slice(0, from).concat(made, old.slice(to)));
      const all = new Int32Array(count);
      all.set(oldEnds.subarray(0, splice.head));
      const madeEnds = middle.#ends.get(name);
      for (let i = 0; i < parts.length; i++) all[splice.head + i] = from + (madeEnds?.[i] ?? 0);
      const shift = from + made.length - to;
      for (let i = 0; i < splice.tail; i++) {
        all[count - splice.tail + i] = (oldEnds[this.#count - splice.tail + i] as number) + shift;
      }
      ends.set(name, all);
    }
    return new SharedChains(rules, ends, count);
  }

  rulesOf(chain: string): readonly Rule[] {
    return this.#rules.get(chain) ?? [];
  }
}
