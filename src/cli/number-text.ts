import { invalid, ok, type Result } from "./result.ts";

/** A port as people write it. */
export function parsePort(text: string, what: string): Result<number> {
  return parseWhole(text, what, 1, 65_535);
}

/** A whole number between two bounds, decimal, without sign, blanks or leading zeros. */
export function parseWhole(text: string, what: string, low: number, high: number): Result<number> {
  if (text === "") return invalid(`${what} is empty: a whole number from ${low} to ${high} is expected`);
  if (!/^\d+$/.test(text)) return invalid(`${what} ${JSON.stringify(text)} is not a whole number`);
  if (text.length > 1 && text.startsWith("0")) {
    return invalid(`${what} ${text} has a leading zero: write ${text.replace(/^0+(?=\d)/, "")}`);
  }
  return checkWhole(Number(text), what, low, high, text);
}

/** A number that is there already, such as JSON's. */
function checkWhole(
  value: number,
  what: string,
  low: number,
  high: number,
  text = String(value),
): Result<number> {
  if (!Number.isInteger(value)) return invalid(`${what} ${text} is not a whole number`);
  return value >= low && value <= high
    ? ok(value)
    : invalid(`${what} ${text} is not between ${low} and ${high}`);
}

/** A firewall mark: decimal or, as the tools print it, hexadecimal. */
export function parseMark(text: string, what: string): Result<number> {
  if (/^0[xX][\da-fA-F]{1,8}$/.test(text)) return ok(Number.parseInt(text, 16));
  if (/^0[xX]/.test(text)) return invalid(`${what} ${text} is not a hexadecimal number of at most 32 bits`);
  return parseWhole(text, what, 0, 0xffff_ffff);
}
