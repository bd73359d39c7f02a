import type { ArgumentReader } from "../save/arguments.ts";
import type { Target, TargetModule } from "./target.ts";

/** Estimate how much comes by, for the match of the same name (net/netfilter/xt_RATEEST.c). The packet goes on. */
export interface RateestTarget extends Target {
  readonly kind: "RATEEST";
  readonly name: string;
  /** Milliseconds: between estimates, and over which they are averaged; 250 · 2ⁿ and that times a power of two. */
  readonly intervalMs: number;
  readonly averageMs: number;
}

const UNITS: readonly (readonly [RegExp, number])[] = [
  [/^(?:s|secs?)?$/, 1000],
  [/^(?:ms|msecs?)$/, 1],
  [/^(?:us|usecs?)$/, 0.001],
];

export const rateest: TargetModule<RateestTarget> = {
  kind: "RATEEST",
  needsConntrack: false,

  parse(reader) {
    let [name, intervalMs, averageMs] = ["", 0, 0];
    reader.options({
      "--rateest-name": () => {
        name = reader.word("a name");
      },
      "--rateest-interval": () => {
        intervalMs = readTime(reader);
      },
      "--rateest-ewmalog": () => {
        averageMs = readTime(reader);
      },
    });
    if (name === "" || intervalMs === 0 || averageMs === 0)
      reader.fail("it needs --rateest-name, --rateest-interval and --rateest-ewmalog");
    return { kind: "RATEEST", name, intervalMs, averageMs };
  },

  format: ({ name, intervalMs, averageMs }) =>
    `--rateest-name ${name} --rateest-interval ${timeText(intervalMs)} --rateest-ewmalog ${timeText(averageMs)}`,
};

/** `250ms`, `0.5s`, `4sec`. */
function readTime(reader: ArgumentReader): number {
  const text = reader.word("a time");
  const found = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(text);
  const unit = UNITS.find(([pattern]) => pattern.test(found?.[2] ?? "?"))?.[1];
  if (found !== null && unit !== undefined) return Number(found[1]) * unit;
  reader.failValue(`${JSON.stringify(text)} is no time such as 250ms or 1s`);
  return 1;
}

/** `rateest_print_time` */
function timeText(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)}s`;
  return ms >= 1 ? `${ms.toFixed(1)}ms` : `${Math.round(ms * 1000)}us`;
}
