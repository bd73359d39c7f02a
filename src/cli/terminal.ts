import { Ansis } from "ansis";
import { NO_PAINT, type Paint } from "../present/paint.ts";
import type { Io } from "./io.ts";

/** Where stdout is no terminal, or one that does not say how wide it is. */
const USUAL_WIDTH = 100;
/** Narrower than this the hop table cannot be read. */
const LEAST_WIDTH = 60;

export function widthOf(io: Io): number {
  return Math.max(LEAST_WIDTH, io.columns ?? USUAL_WIDTH);
}

/** Colours on a terminal only, and not where NO_COLOR is set to anything (no-color.org). */
export function paintOf(io: Io): Paint {
  const { NO_COLOR, TERM } = io.env;
  if (io.columns === null || TERM === "dumb" || (NO_COLOR !== undefined && NO_COLOR !== "")) return NO_PAINT;
  // The sixteen colours of the terminal's own palette: readable on whatever background was chosen.
  const ansis = new Ansis(1);
  return {
    good: ansis.green,
    bad: ansis.red,
    doubtful: ansis.yellow,
    change: ansis.cyan,
    strong: ansis.bold,
    quiet: ansis.dim,
  };
}
