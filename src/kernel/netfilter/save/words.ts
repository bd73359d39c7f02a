/**
 * A line of rules as words: the grammar of iptables-restore's `add_param_to_argv`. Nothing here knows what a word means.
 */

export interface Argument {
  readonly text: string;
  /** As it stands in the line: with its quotes and escapes, and with all blanks before it but one. */
  readonly raw: string;
}

export type SplitResult =
  | { readonly kind: "ok"; readonly arguments: readonly Argument[] }
  | { readonly kind: "invalid"; readonly message: string };

/** Split a line at blanks. Inside double quotes blanks stand for themselves and a backslash takes the next character as it is. */
export function splitArguments(line: string): SplitResult {
  const words = new Words(line, 1);
  const message = words.split(0, line.length);
  return message === null ? { kind: "ok", arguments: words.list } : { kind: "invalid", message };
}

/** Options that begin a new part of a rule: a match or a target with what belongs to it. */
export const NEW_PART: ReadonlySet<string> = new Set(["-m", "--match", "-j", "--jump", "-g", "--goto"]);

/** A word met before is found again as the same value, as long as no other took its place. */
export class Word implements Argument {
  readonly text: string;
  readonly raw: string;
  readonly hash: number;
  readonly opensPart: boolean;

  constructor(text: string, raw: string, hash: number) {
    this.text = text;
    this.raw = raw;
    this.hash = hash;
    this.opensPart = NEW_PART.has(text);
  }
}

const TAB = 9;
const BLANK = 32;
const QUOTE = 34;
const BACKSLASH = 92;

const QUOTED = /"([^"\\]*(?:\\.[^"\\]*)*)"/gs;

/** The words of one line after another, all of them out of one text, so that a dump of a hundred thousand rules is cut only where it says something new. */
export class Words {
  /** Of the line split last. */
  readonly list: Word[] = [];
  private readonly text: string;
  /** By place: a word, its hash, and where in the text it stood last. */
  private readonly known: (Word | null)[];
  private readonly hashes: Int32Array;
  private readonly starts: Int32Array;

  /** @param places for words to be remembered in: a power of two */
  constructor(text: string, places: number) {
    this.text = text;
    this.known = new Array<Word | null>(places).fill(null);
    this.hashes = new Int32Array(places);
    this.starts = new Int32Array(places);
  }

  /** Split what lies between two places of the text. Returns null, or what is wrong, columns counted from `from`. */
  split(from: number, to: number): string | null {
    const { text, list } = this;
    let count = 0;
    let end = from;
    for (;;) {
      let start = end;
      for (; start < to; start++) {
        const code = text.charCodeAt(start);
        if (code !== BLANK && code !== TAB) break;
      }
      if (start === to) break;
      const before = end;
      let hash = 0;
      let quoted = false;
      for (end = start; end < to; end++) {
        const code = text.charCodeAt(end);
        if (code === BLANK || code === TAB) break;
        hash = (Math.imul(hash, 31) + code) | 0;
        if (code !== QUOTE) continue;
        quoted = true;
        const opened = end;
        for (end++; end < to; end++) {
          const inside = text.charCodeAt(end);
          if (inside === QUOTE) break;
          if (inside === BACKSLASH) end++;
          hash = (Math.imul(hash, 31) + inside) | 0;
        }
        if (end >= to) {
          list.length = count;
          return `the quote opened at column ${opened - from + 1} is not closed`;
        }
      }
      // The one blank that parts two words is no part of either.
      const parted = count === 0 || start === before + 1;
      const word = this.wordAt(start, end, hash, quoted);
      list[count++] = parted ? word : new Word(word.text, text.slice(before + 1, end), hash);
    }
    list.length = count;
    return null;
  }

  private wordAt(start: number, end: number, hash: number, quoted: boolean): Word {
    const { hashes, starts } = this;
    const place = (hash ^ (hash >>> 15)) & (hashes.length - 1);
    if (hashes[place] === hash) {
      const known = this.known[place] as Word | null;
      if (
        known !== null &&
        known.raw.length === end - start &&
        this.isSame(starts[place] as number, start, end)
      ) {
        starts[place] = start;
        return known;
      }
    }
    const raw = this.text.slice(start, end);
    const word = new Word(quoted ? unquote(raw) : raw, raw, hash);
    this.known[place] = word;
    hashes[place] = hash;
    starts[place] = start;
    return word;
  }

  /** Does what begins at `at` say the same as what stands between the other two places? */
  private isSame(at: number, start: number, end: number): boolean {
    const { text } = this;
    const shift = at - start;
    for (let i = start; i < end; i++) if (text.charCodeAt(i) !== text.charCodeAt(i + shift)) return false;
    return true;
  }
}

function unquote(word: string): string {
  if (word.indexOf('"', 1) === word.length - 1 && !word.includes("\\")) return word.slice(1, -1);
  return word.replace(QUOTED, (_, inside: string) => inside.replace(/\\(.)/gs, "$1"));
}
