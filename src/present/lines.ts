import { hang } from "./fold.ts";
import type { Paint } from "./paint.ts";

type Tone = (text: string) => string;
const plain: Tone = (text) => text;

/** The lines of a text being written, folded to its width and painted. */
export class Lines {
  readonly width: number;
  readonly paint: Paint;
  readonly #lines: string[] = [];

  constructor(width: number, paint: Paint) {
    this.width = width;
    this.paint = paint;
  }

  toString(): string {
    return this.#lines.map((line) => `${line.trimEnd()}\n`).join("");
  }

  /** As they are. */
  push(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  /** `  cause   …`, further lines under the text. */
  labelled(label: string, text: string, tone: Tone = plain): void {
    const head = `  ${label.padEnd(7)} `;
    for (const [i, line] of hang(head, text, this.width).entries()) {
      const left = line.slice(0, head.length);
      this.push((i === 0 ? this.paint.quiet(left) : left) + tone(line.slice(head.length)));
    }
  }

  /** Under the text of a label. */
  continued(text: string, indent = 0, tone: Tone = plain): void {
    const head = " ".repeat(10 + indent);
    for (const line of hang(head, text, this.width, 2)) this.push(head + tone(line.slice(head.length)));
  }

  /** `Reply  …`, a paragraph's name at the margin. */
  headed(label: string, text: string, tone: Tone = plain): void {
    const head = label.padEnd(Math.max(7, label.length + 2));
    for (const [i, line] of hang(head, text, this.width, 2).entries()) {
      const left = line.slice(0, head.length);
      this.push((i === 0 ? this.paint.strong(left) : left) + tone(line.slice(head.length)));
    }
  }
}
