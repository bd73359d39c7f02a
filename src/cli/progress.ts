import type { Io } from "./io.ts";
import { ProgressLine } from "./progress-line.ts";

/** Smaller inputs are read before anybody could read a line about it. */
const WORTH_SHOWING = 5_000_000;

/** Says on the terminal how far reading has come. */
export class Progress {
  readonly #line: ProgressLine | null;
  readonly #what: string;

  constructor(io: Io, name: string, characters: number) {
    this.#line = characters > WORTH_SHOWING ? new ProgressLine(io) : null;
    this.#what = `reading ${name} (${Math.round(characters / 1e6)} MB)`;
    this.show(0);
  }

  show(fraction: number): void {
    this.#line?.say(`${this.#what}: ${Math.floor(fraction * 100)} %`);
  }

  clear(): void {
    this.#line?.clear();
  }
}
