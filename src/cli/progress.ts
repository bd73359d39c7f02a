import type { Io } from "./io.ts";

/** Smaller inputs are read before anybody could read a line about it. */
const WORTH_SHOWING = 5_000_000;

/** One line on the terminal that says how far reading has come, wiped out at the end; nothing where stderr is piped. */
export class Progress {
  readonly #io: Io | null;
  readonly #what: string;
  #shown = "";

  constructor(io: Io, name: string, characters: number) {
    this.#io = io.warnsOnTerminal && characters > WORTH_SHOWING ? io : null;
    this.#what = `reading ${name} (${Math.round(characters / 1e6)} MB)`;
    this.show(0);
  }

  show(fraction: number): void {
    const line = `${this.#what}: ${Math.floor(fraction * 100)} %`;
    if (this.#io === null || line === this.#shown) return;
    this.#io.warn(`\r${line}\x1b[K`);
    this.#shown = line;
  }

  clear(): void {
    if (this.#shown !== "") this.#io?.warn("\r\x1b[K");
  }
}
