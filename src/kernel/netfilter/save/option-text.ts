import type { Negatable } from "../rule.ts";

/** The words of an option list joined by single blanks; what is absent (null, false) is left out. */
export function optionText(...parts: readonly (string | null | false)[]): string {
  return parts.filter((part) => part !== null && part !== false && part !== "").join(" ");
}

/** `--name value`, with `! ` before it when inverted; null when there is nothing to print. */
export function negatableText<T>(
  option: string,
  negatable: Negatable<T> | null,
  format: (value: T) => string,
): string | null {
  if (negatable === null) return null;
  return `${negatable.invert ? "! " : ""}${option} ${format(negatable.value)}`;
}
