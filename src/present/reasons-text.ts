import { REASONS } from "../kernel/reason.ts";
import { hang } from "./fold.ts";
import type { Paint } from "./paint.ts";

/** Every reason a verdict can give, with its sentence: what `trace --reasons` prints. */
export function reasonsText(width: number, paint: Paint): string {
  const nameWidth = Math.max(...REASONS.map(({ name }) => name.length));
  const dispositionWidth = Math.max(...REASONS.map(({ disposition }) => disposition.length));
  const lines = REASONS.flatMap(({ name, disposition, sentence }) => {
    const head = `${name.padEnd(nameWidth)}  ${disposition.padEnd(dispositionWidth)}  `;
    return hang(head, sentence, width).map((line, i) =>
      i === 0 ? `${paint.strong(line.slice(0, nameWidth))}${line.slice(nameWidth)}` : line,
    );
  });
  return lines.map((line) => `${line}\n`).join("");
}
