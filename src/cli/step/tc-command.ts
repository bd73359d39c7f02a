import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { hasHooks } from "../../kernel/tc/draft-tc.ts";
import { parseRate, parseSize, rateText, sizeText, TIME_UNITS } from "../../kernel/tc/tc-units.ts";
import { invalid, ok, type Result } from "../result.ts";
import { findDevice } from "./ip-words.ts";
import { readTcFilter } from "./tc-filter-command.ts";

const CLSACT_PLACE = "parent ffff:fff1";
/** Queues that neither drop nor delay what the walk sends, with nothing said. */
const PLAIN: ReadonlySet<string> = new Set(["noqueue", "pfifo_fast", "pfifo", "fq_codel", "fq"]);

/** `tc qdisc|filter add|replace|change|del …` */
export function readTc(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const [object = "", command = "", ...rest] = words;
  if (object === "filter") return readTcFilter(host, command, rest, origin);
  if (object === "qdisc") return readQdisc(host, command, rest, origin);
  return invalid(`tc ${object}: is not built yet: qdisc and filter are`);
}

function readQdisc(
  host: Host,
  command: string,
  words: readonly string[],
  origin: Origin,
): Result<Operation[]> {
  const deletes = command === "del" || command === "delete";
  if (!deletes && !["add", "replace", "change"].includes(command))
    return invalid(`tc qdisc ${command}: is not built yet: add, replace, change and del are`);
  const said = `tc qdisc ${command}`;
  const { kind, place, dev, handle, options } = placeWords(words);
  const device = findDevice(host, dev);
  if (device.kind === "invalid") return device;
  if (place === null)
    return invalid(`${said}: root, ingress or clsact is expected: classes are not built yet`);
  const before = host.tc.qdiscs.find((qdisc) => qdisc.dev === dev && qdisc.place === place);
  const own = before?.handle === "0:" ? undefined : before;
  if (deletes) {
    if (own === undefined) return invalid(`${said}: ${dev} has no such queue`);
    return ok([{ kind: "qdisc-delete", dev, place }]);
  }
  if (own !== undefined && (command === "add" || hasHooks(own)))
    return invalid(`${said}: ${dev} has the queue ${own.kind} there already`);
  if (own === undefined && command === "change")
    return invalid(`${said}: ${dev} has no queue there to change`);
  if (hasHooks({ kind }) !== (place === CLSACT_PLACE))
    return invalid(`${said}: ${JSON.stringify(kind)} is no queue of that place`);
  const made = { dev, kind, place, origin };
  if (hasHooks({ kind })) {
    const text = kind === "ingress" ? "----------------" : "";
    return ok([{ kind: "qdisc-add", qdisc: { ...made, handle: "ffff:", options: text } }]);
  }
  const given =
    handle === "" ? (own?.handle ?? freeHandle(host)) : handle.endsWith(":") ? handle : `${handle}:`;
  if (!/^[0-9a-f]{1,4}:$/.test(given)) return invalid(`${said}: handle ${handle} is no number such as 1:`);
  if (PLAIN.has(kind)) {
    if (options.length > 0) return invalid(`${said}: options of ${kind} are not built yet`);
    const number = kind === "noqueue" ? "0:" : given;
    return ok([{ kind: "qdisc-add", qdisc: { ...made, handle: number, options: "refcnt 2" } }]);
  }
  if (kind !== "tbf")
    return invalid(
      `${said}: the queue ${JSON.stringify(kind)} is not built yet: tbf, ingress, clsact, ${[...PLAIN].join(", ")} are`,
    );
  const bucket = readTbf(options);
  if (bucket.kind === "invalid") return invalid(...bucket.messages.map((text) => `${said}: tbf: ${text}`));
  return ok([{ kind: "qdisc-add", qdisc: { ...made, handle: given, options: `refcnt 2 ${bucket.value}` } }]);
}

function placeWords(words: readonly string[]) {
  let [dev, handle, kind] = ["", "", ""];
  let place: string | null = null;
  let at = 0;
  for (; at < words.length && kind === ""; at++) {
    const word = words[at] as string;
    if (word === "dev") dev = words[++at] ?? "";
    else if (word === "handle") handle = words[++at] ?? "";
    else if (word === "root") place = "root";
    else if (word === "parent") {
      const parent = words[++at] ?? "";
      place = /^ffff:fff1$/i.test(parent) ? CLSACT_PLACE : null;
    } else kind = word;
  }
  if (hasHooks({ kind })) place = CLSACT_PLACE;
  return { kind, place, dev, handle, options: words.slice(at) };
}

/** `qdisc_alloc_handle`: from 8001: on. */
function freeHandle({ tc }: Host): string {
  const taken = new Set(tc.qdiscs.map(({ handle }) => handle));
  let number = 0x8001;
  while (taken.has(`${number.toString(16)}:`)) number++;
  return `${number.toString(16)}:`;
}

const BURST: ReadonlySet<string> = new Set(["burst", "buffer", "maxburst"]);

/** `tbf_parse_opt`, as `tc qdisc show` prints it: `rate 1Mbit burst 10Kb lat 25ms`. */
function readTbf(words: readonly string[]): Result<string> {
  const given = new Map<string, number>();
  for (let at = 0; at < words.length; at += 2) {
    const [said = "", value = ""] = words.slice(at, at + 2);
    const word = BURST.has(said) ? "burst" : said;
    const parse = Object.hasOwn(TBF_WORDS, word) ? TBF_WORDS[word] : undefined;
    if (parse === undefined)
      return invalid(`${JSON.stringify(said)} is not built yet: ${Object.keys(TBF_WORDS).join(", ")} are`);
    const number = parse(value);
    if (number === undefined)
      return invalid(`${said} ${JSON.stringify(value)} is none such as 1mbit, 10kb or 25ms`);
    given.set(word, number);
  }
  const [rate, burst, latency, limit] = Object.keys(TBF_WORDS).map((word) => given.get(word));
  if (rate === undefined) return invalid('the "rate" parameter is mandatory');
  if (burst === undefined) return invalid('the "burst" parameter is mandatory');
  if ((latency === undefined) === (limit === undefined))
    return invalid('one of "limit" and "latency" is required, and only one');
  const queue = latency === undefined ? `limit ${sizeText(limit ?? 0)}` : `lat ${TIME_UNITS.text(latency)}`;
  return ok(`rate ${rateText(rate)} burst ${sizeText(burst)} ${queue}`);
}

const TBF_WORDS: Readonly<Record<string, (text: string) => number | undefined>> = {
  rate: parseRate,
  burst: parseSize,
  latency: TIME_UNITS.parse,
  limit: parseSize,
};
