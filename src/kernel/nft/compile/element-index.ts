import { hashKey } from "../../ipset/element-table.ts";
import { InterfaceNamePattern } from "../../netfilter/match/interface-name-pattern.ts";
import type { NftExpression, SetElement, SetElements } from "../expression.ts";
import type { NftStatement } from "../statement.ts";
import { comparedTo, compareWords, FLIP, lastAtMost } from "./ordered-words.ts";
import { type Memory, memoryOf, remembersAll } from "./stateful.ts";
import { verdictCode, verdictTarget } from "./verdict.ts";
import { boundsOf, foldWords, wildcardPrefix, wordsOfType } from "./words.ts";

/**
 * A set's elements compiled: found by hash where keys are single values, by halving where a key of one part has ranges, by
 * the segments of its most telling part where a concatenation has them (what pipapo computes with bitmaps, net/netfilter/
 * nft_set_pipapo.c; elements that overlap are asked in the order they were made). Derived, shared, never changed.
 */
export class ElementIndex {
  readonly elements: SetElements;
  readonly keyWords: number;
  readonly dataWords: number;
  /** By element. */
  readonly verdicts: Int8Array;
  /** Symbol of the chain that a verdict goes to. */
  readonly targets: Int32Array;
  readonly data: Int32Array;
  /** When elements run out, milliseconds from when the set was first met; 0 never. null: none does. */
  readonly expires: Int32Array | null;
  /** By element, its own limit or quota (an array without holes); null: none has any. */
  readonly memories: readonly (Memory | null)[] | null;
  /** What an element that a packet puts in remembers by, if its rule says nothing. */
  readonly memory: Memory | null;
  /** Do elements hold statements that the walk does not do? Then a look-up that finds one is not sure. */
  readonly forgetful: boolean;
  /** Elements that the walk cannot read: a look-up that finds nothing else is not sure. */
  readonly unreadable: number;

  /** The element `*`, asked last, or -1. */
  private catchAll = -1;
  private readonly form: "hash" | "interval" | "concat" | "names";
  // hash
  private slots: Int32Array = new Int32Array(0);
  private readonly keys: Int32Array;
  // interval: bounds with the sign flipped, so that signed comparison orders them as the kernel does
  private lows: Int32Array = new Int32Array(0);
  private highs: Int32Array = new Int32Array(0);
  private order: Int32Array = new Int32Array(0);
  // concat: where in a key each part ends, and segments of one word
  private readonly partEnds: Uint8Array;
  private segmentWord = 0;
  private segmentStarts: Int32Array = new Int32Array(0);
  private segmentLists: readonly Int32Array[] = [];
  // names with wildcards
  private readonly patterns: { readonly pattern: InterfaceNamePattern; readonly element: number }[] = [];

  /** @param statements what elements hold that have none of their own */
  constructor(
    elements: SetElements,
    types: readonly string[],
    dataTypes: readonly string[] | null,
    statements: readonly NftStatement[] = [],
  ) {
    this.elements = elements;
    let end = 0;
    this.partEnds = Uint8Array.from(types, (type) => {
      end += wordsOfType(type);
      return end;
    });
    this.keyWords = end;
    this.dataWords = dataTypes === null ? 0 : dataTypes.reduce((sum, type) => sum + wordsOfType(type), 0);
    const count = elements.length;
    this.verdicts = new Int8Array(count);
    this.targets = new Int32Array(count);
    // A range of values (a translation's) takes both of its ends.
    this.data = new Int32Array(count * this.dataWords * 2);
    this.keys = new Int32Array(count * this.keyWords);
    let expires: Int32Array | null = null;
    const single: number[] = [];
    const wide: number[] = [];
    let unreadable = 0;
    for (const [i, element] of elements.entries()) {
      this.fillData(i, element);
      if (element.expiresMs !== null || element.timeoutMs !== null) {
        expires ??= new Int32Array(count);
        expires[i] = Math.min(element.expiresMs ?? element.timeoutMs ?? 0, 0x7fffffff);
      }
      if (element.key.kind === "any") {
        this.catchAll = i;
        continue;
      }
      const prefix = wildcardPrefix(element.key);
      if (prefix !== null) {
        this.patterns.push({ pattern: new InterfaceNamePattern(`${prefix}+`), element: i });
        continue;
      }
      const words = foldWords(element.key);
      if (words !== null && words.length === this.keyWords) {
        this.keys.set(words, i * this.keyWords);
        single.push(i);
      } else if (boundsOfKey(element.key, types) !== null) wide.push(i);
      else unreadable++;
    }
    this.expires = expires;
    this.forgetful =
      !remembersAll(statements) || elements.some((element) => !remembersAll(element.statements));
    const common = memoryOf(statements);
    this.memory = common;
    const memories = elements.map((each) =>
      each.statements.length > 0 ? memoryOf(each.statements) : common,
    );
    this.memories = memories.some((memory) => memory !== null) ? memories : null;
    this.unreadable = unreadable;
    if (wide.length === 0) {
      this.form = this.patterns.length > 0 ? "names" : "hash";
      this.hash(single);
    } else {
      const all = [...single, ...wide].sort((a, b) => a - b);
      this.lows = new Int32Array(all.length * this.keyWords);
      this.highs = new Int32Array(all.length * this.keyWords);
      this.form = types.length === 1 && this.patterns.length === 0 ? "interval" : "concat";
      if (this.form === "interval") this.sortIntervals(all, types);
      else this.cutSegments(all, types);
    }
  }

  /** The element of a key in registers, or -1. Runs per packet. */
  find(regs: Int32Array, at: number): number {
    const found = this.findListed(regs, at);
    return found >= 0 ? found : this.catchAll;
  }

  private findListed(regs: Int32Array, at: number): number {
    switch (this.form) {
      case "hash":
        return this.findHashed(regs, at);
      case "interval":
        return this.findInterval(regs, at);
      case "concat":
        return this.findConcat(regs, at);
      default:
        return this.findName(regs, at);
    }
  }

  private fillData(i: number, { data }: SetElement): void {
    if (data === null || data.kind === "object") return;
    if (data.kind === "verdict") {
      this.verdicts[i] = verdictCode(data.verdict);
      this.targets[i] = verdictTarget(data.verdict);
      return;
    }
    const bounds = boundsOfValue(data.value);
    if (bounds === null) return;
    const at = i * this.dataWords * 2;
    this.data.set(bounds.from.slice(0, this.dataWords), at);
    this.data.set(bounds.to.slice(0, this.dataWords), at + this.dataWords);
  }

  private hash(elements: readonly number[]): void {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(4, elements.length * 2)));
    this.slots = new Int32Array(capacity).fill(-1);
    for (const element of elements) {
      let slot = hashKey(this.keys, element * this.keyWords, this.keyWords) & (capacity - 1);
      // Of two elements of one key, which nft refuses, the first counts.
      while (this.slots[slot] !== -1) slot = (slot + 1) & (capacity - 1);
      this.slots[slot] = element;
    }
  }

  private findHashed(regs: Int32Array, at: number): number {
    const { slots, keys, keyWords } = this;
    const mask = slots.length - 1;
    let slot = hashKey(regs, at, keyWords) & mask;
    for (;;) {
      const element = slots[slot] as number;
      if (element < 0) return -1;
      const key = element * keyWords;
      let word = 0;
      while (word < keyWords && keys[key + word] === regs[at + word]) word++;
      if (word === keyWords) return element;
      slot = (slot + 1) & mask;
    }
  }

  private sortIntervals(elements: readonly number[], types: readonly string[]): void {
    const { keyWords } = this;
    const bounds = elements.map((element) => ({
      element,
      ...(boundsOfKey(this.elements[element]?.key as NftExpression, types) as Bounds),
    }));
    const flipped = bounds.map(({ element, from, to }) => ({
      element,
      from: from.slice(0, keyWords).map((word) => word ^ FLIP),
      to: to.slice(0, keyWords).map((word) => word ^ FLIP),
    }));
    flipped.sort((a, b) => compareWords(a.from, b.from));
    // Those that overlap nft makes one of (auto-merge).
    const merged: typeof flipped = [];
    for (const each of flipped) {
      const last = merged.at(-1);
      if (last === undefined || compareWords(each.from, last.to) > 0) merged.push(each);
      else if (compareWords(each.to, last.to) > 0) last.to = each.to;
    }
    this.order = Int32Array.from(merged, ({ element }) => element);
    for (const [i, { from, to }] of merged.entries()) {
      this.lows.set(from, i * keyWords);
      this.highs.set(to, i * keyWords);
    }
  }

  private findInterval(regs: Int32Array, at: number): number {
    const { keyWords, lows, highs } = this;
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparedTo(regs, at, lows, middle * keyWords, keyWords) < 0) high = middle;
      else low = middle + 1;
    }
    const last = low - 1;
    if (last < 0 || comparedTo(regs, at, highs, last * keyWords, keyWords) > 0) return -1;
    return this.order[last] as number;
  }

  private cutSegments(elements: readonly number[], types: readonly string[]): void {
    const { keyWords } = this;
    this.order = Int32Array.from(elements);
    for (const [i, element] of elements.entries()) {
      const { from, to } = boundsOfKey(this.elements[element]?.key as NftExpression, types) as Bounds;
      for (let word = 0; word < keyWords; word++) {
        this.lows[i * keyWords + word] = (from[word] as number) ^ FLIP;
        this.highs[i * keyWords + word] = (to[word] as number) ^ FLIP;
      }
    }
    let best = Number.POSITIVE_INFINITY;
    for (let word = 0; word < keyWords; word++) {
      const cut = this.segmentsOf(word, elements.length, best);
      if (cut === null || cut.longest >= best) continue;
      best = cut.longest;
      this.segmentWord = word;
      this.segmentStarts = cut.starts;
      this.segmentLists = cut.lists;
    }
  }

  /** The values of one word cut where an element begins or ends, each piece with its elements in order. */
  private segmentsOf(
    word: number,
    count: number,
    atMost: number,
  ): { readonly starts: Int32Array; readonly lists: Int32Array[]; readonly longest: number } | null {
    const cuts = new Set<number>([-0x80000000]);
    for (let i = 0; i < count; i++) {
      const { low, high } = this.boundsOfWord(i, word);
      cuts.add(low);
      if (high < 0x7fffffff) cuts.add(high + 1);
    }
    const starts = Int32Array.from(cuts).sort();
    const lists: number[][] = Array.from(starts, () => []);
    let longest = 0;
    for (let i = 0; i < count; i++) {
      const { low, high } = this.boundsOfWord(i, word);
      for (let s = lastAtMost(starts, low); s < starts.length && (starts[s] as number) <= high; s++) {
        const list = lists[s] as number[];
        list.push(i);
        longest = Math.max(longest, list.length);
        if (longest >= atMost) return null;
      }
    }
    return { starts, lists: lists.map((list) => Int32Array.from(list)), longest };
  }

  /** What a word of an element's key can be: anything, where an earlier word of the same part leaves a choice. */
  private boundsOfWord(i: number, word: number): { readonly low: number; readonly high: number } {
    const { keyWords, lows, highs, partEnds } = this;
    const start = partEnds.findLast((end) => end <= word) ?? 0;
    for (let before = i * keyWords + start; before < i * keyWords + word; before++) {
      if (lows[before] !== highs[before]) return { low: -0x80000000, high: 0x7fffffff };
    }
    return { low: lows[i * keyWords + word] as number, high: highs[i * keyWords + word] as number };
  }

  private findConcat(regs: Int32Array, at: number): number {
    const { keyWords, lows, highs, partEnds } = this;
    const segment = lastAtMost(this.segmentStarts, (regs[at + this.segmentWord] as number) ^ FLIP);
    const list = this.segmentLists[segment];
    if (list === undefined) return -1;
    for (let n = 0; n < list.length; n++) {
      const i = list[n] as number;
      let word = 0;
      for (let part = 0; part < partEnds.length; part++) {
        const place = i * keyWords + word;
        const words = (partEnds[part] as number) - word;
        if (comparedTo(regs, at + word, lows, place, words) < 0) break;
        if (comparedTo(regs, at + word, highs, place, words) > 0) break;
        word += words;
      }
      if (word === keyWords) return this.order[i] as number;
    }
    return -1;
  }

  private findName(regs: Int32Array, at: number): number {
    const exact = this.findHashed(regs, at);
    if (exact >= 0) return exact;
    for (let i = 0; i < this.patterns.length; i++) {
      const each = this.patterns[i] as { readonly pattern: InterfaceNamePattern; readonly element: number };
      if (each.pattern.matches(regs[at] as number)) return each.element;
    }
    return -1;
  }
}

interface Bounds {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

function boundsOfKey(key: NftExpression, types: readonly string[]): Bounds | null {
  const parts = key.kind === "concat" ? key.parts : [key];
  return joinedBounds(parts, types);
}

function boundsOfValue(value: NftExpression): Bounds | null {
  return joinedBounds(value.kind === "concat" ? value.parts : [value], null);
}

function joinedBounds(parts: readonly NftExpression[], types: readonly string[] | null): Bounds | null {
  const from: number[] = [];
  const to: number[] = [];
  for (const [i, part] of parts.entries()) {
    const bounds = boundsOf(part);
    if (bounds === null) return null;
    const words = part.kind === "any" ? wordsOfType(types?.[i] ?? "integer") : bounds.from.length;
    from.push(...bounds.from.slice(0, words));
    to.push(...bounds.to.slice(0, words));
  }
  return { from, to };
}
