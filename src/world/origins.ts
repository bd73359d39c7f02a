import type { Origin } from "../kernel/origin.ts";
import type { Origins, Source } from "./world.ts";

/** The World's table of origins being written: number 0 is "none", the others count up. */
export class OriginTable {
  readonly #sources: Source[];

  /** Goes on behind the table of a World that is there already. */
  constructor(before: Origins = NO_ORIGINS) {
    this.#sources = [...before.sources];
  }

  add(source: Source): Origin {
    return this.#sources.push(source) - 1;
  }

  sourceOf(origin: Origin): Source | undefined {
    return origin === 0 ? undefined : this.#sources[origin];
  }

  finish(): Origins {
    return { sources: this.#sources };
  }
}

/** The table that holds only "none". */
export const NO_ORIGINS: Origins = { sources: [{ file: "", field: null, line: null }] };
