import type { ArgumentReader } from "../save/arguments.ts";

/** `count` events in a unit of time, as limit and hashlimit write it. */
export interface Rate {
  readonly count: number;
  readonly per: RateUnit;
}

export type RateUnit = "sec" | "min" | "hour" | "day";

const UNITS: readonly (readonly [RateUnit, string, number])[] = [
  ["sec", "second", 1],
  ["min", "minute", 60],
  ["hour", "hour", 3600],
  ["day", "day", 86400],
];

/** `5/min`, `5/minute`, or `5` for a second (`parse_rate`). */
export function readRate(reader: ArgumentReader): Rate {
  return rateOf(reader, reader.word("a rate such as 5/min"));
}

export function rateOf(reader: ArgumentReader, text: string): Rate {
  const slash = text.indexOf("/");
  const count = reader.uintOf(slash === -1 ? text : text.slice(0, slash), 0xffffffff, 1);
  const name = slash === -1 ? "sec" : text.slice(slash + 1);
  const unit = name === "" ? undefined : UNITS.find(([, word]) => word.startsWith(name));
  if (unit === undefined)
    reader.failValue(`${JSON.stringify(text)} is no rate: write 5/sec, 5/min, 5/hour or 5/day`);
  return { count, per: unit?.[0] ?? "sec" };
}

export function formatRate({ count, per }: Rate): string {
  return `${count}/${per}`;
}

export function secondsOf(unit: RateUnit): number {
  return UNITS.find(([name]) => name === unit)?.[2] ?? 1;
}
