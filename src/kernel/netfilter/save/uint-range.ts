import type { ArgumentReader } from "./arguments.ts";

/** Numbers from `min` to `max`, both included: lengths, sizes, seconds. */
export interface UintRange {
  readonly min: number;
  readonly max: number;
}

/** `n`, `min:max`, `:max` or `min:` (`XTTYPE_UINT32RC`). */
export function readUintRange(reader: ArgumentReader, limit: number): UintRange {
  const text = reader.word("a number or a range of numbers");
  const colon = text.indexOf(":");
  if (colon === -1) {
    const value = reader.uintOf(text, limit);
    return { min: value, max: value };
  }
  const low = text.slice(0, colon);
  const high = text.slice(colon + 1);
  const min = low === "" ? 0 : reader.uintOf(low, limit);
  const max = high === "" ? limit : reader.uintOf(high, limit);
  if (min > max) reader.failValue(`the range ${text} ends before it begins: write ${max}:${min}`);
  return { min, max };
}

export function formatUintRange({ min, max }: UintRange): string {
  return min === max ? String(min) : `${min}:${max}`;
}
