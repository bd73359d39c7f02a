import { parseMark, parseWhole } from "./number-text.ts";
import { BOUNDS, type Question } from "./question.ts";
import { invalid, ok, type Result } from "./result.ts";
import type { SourceOptions } from "./source-options.ts";

/** The options of `trace`, as they were typed. */
export interface TraceOptions extends SourceOptions {
  readonly at?: string;
  readonly proto?: string;
  readonly src?: string;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly sport?: string;
  readonly ttl?: string;
  readonly size?: string;
  readonly df?: true;
  readonly tcpFlags?: string;
  readonly mark?: string;
  readonly uid?: string;
  readonly dev?: string;
  readonly queries?: string;
  readonly output?: "text" | "json" | "ndjson" | "pcapng";
  readonly quiet?: true;
  readonly verbose?: true;
  readonly verdictOnly?: true;
  readonly arp?: true;
  readonly outcomes?: string;
  readonly seed?: string;
  readonly reasons?: true;
  readonly namespace?: string;
  readonly time?: string;
  readonly allPods?: true;
  readonly compareProxyModes?: true;
}

/** The options that make a question, which lines of `--queries` bring themselves. */
export const QUESTION_OPTIONS = [
  ...([
    "at",
    "proto",
    "src",
    "sport",
    "ttl",
    "size",
    "df",
    "tcpFlags",
    "mark",
    "uid",
    "dev",
    "ipv4",
    "ipv6",
  ] as const),
];

/** An option as it is typed: `tcpFlags` is `--tcp-flags`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** What is a number among them. */
export type Numbers = Pick<Question, "sport" | "ttl" | "size" | "mark" | "uid"> & {
  readonly outcomes: number;
  readonly seed: number;
};

const MOST_OUTCOMES = 1_000_000;

/** All that is wrong with them is told. */
export function readNumbers(options: TraceOptions): Result<Numbers> {
  const messages: string[] = [];
  const read = (name: "sport" | "ttl" | "size" | "uid"): number | null => {
    const text = options[name];
    const [low, high] = BOUNDS[name];
    return text === undefined ? null : take(parseWhole(text, `--${name}`, low, high));
  };
  const take = <T>(result: Result<T>): T | null => {
    if (result.kind === "ok") return result.value;
    messages.push(...result.messages);
    return null;
  };
  const { mark, outcomes = "1024", seed = "1" } = options;
  const numbers: Numbers = {
    sport: read("sport"),
    ttl: read("ttl"),
    size: read("size"),
    uid: read("uid") ?? 0,
    mark: (mark === undefined ? 0 : take(parseMark(mark, "--mark"))) ?? 0,
    outcomes: take(parseWhole(outcomes, "--outcomes", 1, MOST_OUTCOMES)) ?? 1,
    seed: take(parseWhole(seed, "--seed", 0, 0xffff_ffff)) ?? 1,
  };
  return messages.length === 0 ? ok(numbers) : invalid(...messages);
}
