/** Words of a line of `ipset save`, read and written. */

/** The words of a line; a comment's stand in quotes. */
export class Words {
  readonly #words: readonly string[];
  #at = 0;

  constructor(line: string) {
    this.#words = line.match(/"[^"]*"|[^\s"]+|"/g) ?? [];
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  /** `""` behind the last. */
  next(): string {
    return this.#words[this.#at++] ?? "";
  }
}

/** `IPSET_MAX_TIMEOUT`: what fits into jiffies as milliseconds. */
export const MAX_TIMEOUT = 2_147_483;

/** What is wrong with a line. */
export type Message = string;

/** Join what there is. */
export function joinWords(...parts: readonly (string | false)[]): string {
  return parts.filter((part) => part !== false && part !== "").join(" ");
}
