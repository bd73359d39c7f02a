import type { JsonFields } from "../json-fields.ts";

/**
 * What a route says to the connections that go over it (`RTAX_*`, linux/rtnetlink.h), beside its MTU: by the names and in the order
 * of `ip -j route`, those that only have a name (`ecn`) with null. The walk reads `advmss` and `hoplimit`; the others are about
 * windows and times, which it has not.
 */
export type RouteMetrics = Readonly<Record<string, number | string | null>>;

/** By `ip -j`'s name the word of `ip route`: which is another for one. */
const WORDS: Readonly<Record<string, string>> = { congestion: "congctl" };

const NUMBERS = [
  ...["window", "rtt", "rttvar", "ssthresh", "cwnd", "advmss", "reordering", "hoplimit", "initcwnd"],
  ...["rto_min", "initrwnd", "quickack", "fastopen_no_cookie"],
] as const;
const ORDER: readonly string[] = [
  ...["lock", "window", "rtt", "rttvar", "ssthresh", "cwnd", "advmss", "reordering", "hoplimit"],
  ...["initcwnd", "ecn", "rto_min", "initrwnd", "quickack", "congestion", "fastopen_no_cookie"],
];

/** `mtu lock 1400`: what is learned of the way does not lower it. `ip -j` does not say so: here it stands among the metrics. */
export const LOCK = "lock";

/** Words of `ip route` with a number behind them, which may be one of milliseconds (`40ms`) and locked. */
export const METRIC_WORDS: ReadonlySet<string> = new Set([...NUMBERS, "congctl", "features"]);

/** The largest value that a word takes; the kernel cuts what is too much for a segment. */
function fittingMetric(name: string, value: number): number {
  return name === "advmss" ? Math.min(value, 65_535 - 40) : value;
}

/** What stands behind a word of `ip route`: a number, or milliseconds. undefined: neither. */
export function metricOf(word: string, text: string): RouteMetrics | undefined {
  if (word === "congctl") return { congestion: text };
  if (word === "features") return text === "ecn" ? { ecn: null } : undefined;
  const found = /^(\d{1,10})(ms|s)?$/.exec(text);
  if (found === null) return undefined;
  const value = Number(found[1]) * (found[2] === "s" ? 1000 : 1);
  if (value > 0xffff_ffff || (word === "hoplimit" && value > 255)) return undefined;
  return { [word]: fittingMetric(word, value) };
}

/** Those of a route's JSON; undefined: none. */
export function parseMetrics(json: JsonFields | undefined): RouteMetrics | undefined {
  if (json === undefined) return undefined;
  const found: Record<string, number | string | null> = {};
  for (const name of ORDER) {
    if (!json.has(name)) continue;
    if (name === "ecn") found[name] = null;
    else if (name === "congestion" || name === LOCK) found[name] = json.text(name);
    else found[name] = json.integer(name, 0, 0xffff_ffff, 0);
  }
  return inOrder(found);
}

/** In the order that `ip` prints them; undefined: there are none. */
export function inOrder(metrics: RouteMetrics): RouteMetrics | undefined {
  const names = ORDER.filter((name) => Object.hasOwn(metrics, name));
  return names.length === 0
    ? undefined
    : Object.fromEntries(names.map((name) => [name, metrics[name] as number | string | null]));
}

/** The MTU and these as `ip route` takes them. */
export function metricsText(mtu: number, metrics: RouteMetrics | undefined): string | false {
  const parts = mtu === 0 ? [] : [`mtu ${metrics?.[LOCK] === "mtu" ? "lock " : ""}${mtu}`];
  for (const [name, value] of Object.entries(metrics ?? {})) {
    if (name === LOCK) continue;
    if (name === "ecn") parts.push("features ecn");
    else parts.push(`${WORDS[name] ?? name} ${value}${MILLISECONDS.has(name) ? "ms" : ""}`);
  }
  return parts.length > 0 && parts.join(" ");
}

const MILLISECONDS: ReadonlySet<string> = new Set(["rtt", "rttvar", "rto_min"]);
