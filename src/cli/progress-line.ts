import type { Io } from "./io.ts";

/** One line on the terminal that is written over and wiped out at the end; nothing where stderr is piped. */
export class ProgressLine {
  readonly #io: Io | null;
  #shown = "";

  constructor(io: Io) {
    this.#io = io.warnsOnTerminal ? io : null;
  }

  say(line: string): void {
    if (this.#io === null || line === this.#shown) return;
    this.#io.warn(`\r${line}\x1b[K`);
    this.#shown = line;
  }

  clear(): void {
    if (this.#shown !== "") this.#io?.warn("\r\x1b[K");
    this.#shown = "";
  }
}
