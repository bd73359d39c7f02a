import { readName } from "../match/rateest.ts";
import { type EstimatorParameters, TICK_MS } from "../rate-estimator.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import type { Target, TargetModule } from "./target.ts";

/** Estimate how much comes by, for the match of the same name (net/netfilter/xt_RATEEST.c). The packet goes on. */
export interface RateestTarget extends Target, EstimatorParameters {
  readonly kind: "RATEEST";
  readonly name: string;
}

/** Microseconds, where nothing else is said. */
const UNITS: readonly (readonly [RegExp, number])[] = [
  [/^(?:s|secs?)$/i, 1e6],
  [/^(?:ms|msecs?)$/i, 1000],
  [/^(?:us|usecs?)?$/i, 1],
];

const TICK = TICK_MS * 1000;
const LONGEST_INTERVAL = 5;
const LAST_EWMA = 30;

export const rateest: TargetModule<RateestTarget> = {
  kind: "RATEEST",
  needsConntrack: false,

  parse(reader) {
    let [name, interval, average] = ["", 0, 0];
    reader.options({
      "--rateest-name": () => {
        name = readName(reader);
      },
      "--rateest-interval": () => {
        interval = readTime(reader);
      },
      "--rateest-ewmalog": () => {
        average = readTime(reader);
      },
    });
    if (name === "" || interval === 0 || average === 0)
      reader.fail("it needs --rateest-name, --rateest-interval and --rateest-ewmalog");
    const intervalLog = Math.max(0, Math.ceil(Math.log2(interval / TICK)));
    if (intervalLog > LONGEST_INTERVAL) reader.fail("--rateest-interval is longer than 8s");
    const ewmaLog = ewmaLogOf(interval, average);
    if (interval > 0 && average > 0 && (ewmaLog === 0 || ewmaLog > LAST_EWMA))
      reader.fail("--rateest-ewmalog is too near to --rateest-interval, or too far from it");
    return { kind: "RATEEST", name, intervalLog, ewmaLog };
  },

  format: ({ name, intervalLog, ewmaLog }) => {
    const interval = TICK_MS * 2 ** intervalLog;
    return `--rateest-name ${name} --rateest-interval ${timeText(interval)} --rateest-ewmalog ${timeText(interval * 2 ** ewmaLog)}`;
  },
};

/** `RATEEST_final_check`: the time constant, in microseconds, as the share of the newest. */
function ewmaLogOf(interval: number, average: number): number {
  let log = 1;
  for (; log < 32; log++) {
    if (interval / -Math.log(1 - 1 / 2 ** log) > average) break;
  }
  return log - 1;
}

/** `250ms`, `0.5s`, `4sec`, in microseconds. */
function readTime(reader: ArgumentReader): number {
  const text = reader.word("a time");
  const found = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text);
  const unit = UNITS.find(([pattern]) => pattern.test(found?.[2] ?? "?"))?.[1];
  if (found !== null && unit !== undefined) return Math.floor(Number(found[1]) * unit);
  reader.failValue(`${JSON.stringify(text)} is no time such as 250ms or 1s`);
  return 0;
}

/** `rateest_print_time`, of milliseconds */
function timeText(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)}s` : `${ms.toFixed(1)}ms`;
}
