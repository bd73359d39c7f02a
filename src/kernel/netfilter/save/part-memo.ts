import type { Word } from "./words.ts";

/** Parts of more words are read anew each time. */
const MOST_WORDS = 8;
const PLACES = 1024;

/**
 * Parts of rules that were read before: a match or target with its options says the same wherever the same words stand, and
 * an agent's rules repeat few of them. Each value has one place, from which a later one with that hash drives it out.
 */
export class PartMemo<T> {
  private readonly words = new Array<Word | null>(PLACES * MOST_WORDS).fill(null);
  private readonly counts = new Uint8Array(PLACES);
  private readonly values = new Array<T | null>(PLACES).fill(null);

  /** What the words from one place up to another were found to say; null: not known. */
  get(list: readonly Word[], from: number, to: number): T | null {
    const count = to - from;
    const place = placeOf(list, from, to);
    if (this.counts[place] !== count) return null;
    const { words } = this;
    for (let i = 0; i < count; i++) if (words[place * MOST_WORDS + i] !== list[from + i]) return null;
    return this.values[place] as T | null;
  }

  set(list: readonly Word[], from: number, to: number, value: T): void {
    const count = to - from;
    if (count > MOST_WORDS) return;
    const place = placeOf(list, from, to);
    this.counts[place] = count;
    this.values[place] = value;
    for (let i = 0; i < count; i++) this.words[place * MOST_WORDS + i] = list[from + i] as Word;
  }
}

/** Where the part that begins here ends: before the next one. */
export function endOfPart(list: readonly Word[], from: number): number {
  let end = from + 1;
  while (end < list.length && !(list[end] as Word).opensPart) end++;
  return end;
}

function placeOf(list: readonly Word[], from: number, to: number): number {
  let hash = 0;
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 0x9e3779b1) + (list[i] as Word).hash) | 0;
  return (hash ^ (hash >>> 17)) & (PLACES - 1);
}
