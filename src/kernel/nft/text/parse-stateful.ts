import {
  BYTE_UNITS,
  type ByteUnit,
  LIMIT_PERIODS,
  type LimitPeriod,
  type NftStatement,
} from "../statement.ts";
import type { NftReader } from "./reader.ts";

/** Statements with a memory, which stand in rules, in elements and in set declarations. */

export const STATEFUL: ReadonlySet<string> = new Set(["counter", "limit", "quota", "ct", "last"]);

/** Behind the name of one of `STATEFUL`, which is still to be read. */
export function parseStateful(reader: NftReader): NftStatement {
  const head = reader.next().text;
  switch (head) {
    case "counter":
      return parseCounter(reader);
    case "limit":
      return reader.take("name") ? named("limit", reader) : parseLimit(reader);
    case "quota":
      return reader.take("name") ? named("quota", reader) : parseQuota(reader);
    case "ct":
      reader.expect("count");
      return { kind: "ct-count", over: reader.take("over"), count: reader.number("a number of connections") };
    case "last":
      return parseLast(reader);
    default:
      return reader.fail("counter, limit, quota, ct count or last is expected");
  }
}

function named(type: string, reader: NftReader): NftStatement {
  return { kind: "object", type, name: reader.word("an object's name") };
}

function parseCounter(reader: NftReader): NftStatement {
  if (reader.take("name")) return named("counter", reader);
  if (!reader.take("packets")) return { kind: "counter", packets: 0, bytes: 0, stateless: true };
  const packets = reader.number("a number of packets");
  reader.expect("bytes");
  return { kind: "counter", packets, bytes: reader.number("a number of bytes"), stateless: false };
}

export function parseLimit(reader: NftReader): NftStatement {
  reader.expect("rate");
  const over = reader.take("over");
  const rate = reader.number("a rate");
  let unit: ByteUnit | null = null;
  let per: string;
  if (reader.take("/")) per = reader.word("a period");
  else {
    // The scanner takes "mbytes/second" for one word.
    const [bytes = "", period = ""] = reader.word("a unit").split("/");
    unit = unitOf(reader, bytes);
    per = period === "" && reader.take("/") ? reader.word("a period") : period;
  }
  if (!Object.hasOwn(LIMIT_PERIODS, per)) {
    reader.position--;
    reader.fail(`a period is one of ${Object.keys(LIMIT_PERIODS).join(", ")}`);
  }
  let burst: number | null = null;
  let burstUnit: ByteUnit | "packets" | null = null;
  if (reader.take("burst")) {
    burst = reader.number("a burst");
    if (reader.take("packets")) burstUnit = "packets";
    else burstUnit = unitOf(reader, reader.word("packets or bytes"));
  }
  return { kind: "limit", over, rate, unit, per: per as LimitPeriod, burst, burstUnit };
}

export function parseQuota(reader: NftReader): NftStatement {
  const over = reader.take("over");
  if (!over) reader.take("until");
  const value = reader.number("a number of bytes");
  const unit = takeUnit(reader);
  let used: { value: number; unit: ByteUnit } | null = null;
  if (reader.take("used")) {
    const bytes = reader.number("a number of bytes");
    used = { value: bytes, unit: takeUnit(reader) };
  }
  return { kind: "quota", over, value, unit, used };
}

function takeUnit(reader: NftReader): ByteUnit {
  return reader.oneOf(BYTE_UNITS, "a unit");
}

function unitOf(reader: NftReader, word: string): ByteUnit {
  const unit = BYTE_UNITS.find((each) => each === word);
  if (unit === undefined) {
    reader.position--;
    reader.fail(`a unit is one of ${BYTE_UNITS.join(", ")}`);
  }
  return unit as ByteUnit;
}

/** `last used never`, `last used 5s`: when the rule was met, which no rule reads. */
function parseLast(reader: NftReader): NftStatement {
  if (!reader.take("used")) return { kind: "other", text: "last" };
  return { kind: "other", text: `last used ${reader.word("a time")}` };
}
