import type { NftExpression } from "../expression.ts";
import type { NftStatement } from "../statement.ts";
import { takeTime } from "./parse-elements.ts";
import { parseKey, parseLeft } from "./parse-expression.ts";
import { parseStateful, STATEFUL } from "./parse-stateful.ts";
import type { NftReader } from "./reader.ts";

/** Statements by which a packet changes a set. */

/** `add @set { key timeout 1m limit rate 5/second : data }`. */
export function parseSetChange(reader: NftReader, op: "add" | "update" | "delete"): NftStatement {
  reader.expect("@");
  const set = reader.word("a set's name");
  reader.expect("{");
  const change = parseChangedElement(reader, op, set);
  reader.expect("}");
  return change;
}

/** `set add key @set`, which older versions write. */
export function parseOldSetChange(reader: NftReader): NftStatement {
  reader.expect("set");
  const op = reader.oneOf(["add", "update", "delete"] as const, "a change");
  const change = parseChangedElement(reader, op, "");
  reader.expect("@");
  return { ...change, set: reader.word("a set's name") } as NftStatement;
}

function parseChangedElement(reader: NftReader, op: "add" | "update" | "delete", set: string): NftStatement {
  const key = parseKeyExpression(reader);
  let timeoutMs: number | null = null;
  const statements: NftStatement[] = [];
  for (;;) {
    if (reader.take("timeout")) timeoutMs = takeTime(reader);
    else if (reader.isAny(STATEFUL)) statements.push(parseStateful(reader));
    else break;
  }
  const data = reader.take(":") ? parseKeyExpression(reader) : null;
  return { kind: "set-change", op, set, key, timeoutMs, statements, data };
}

/** A key read from the packet; a constant only where no expression begins. */
function parseKeyExpression(reader: NftReader): NftExpression {
  const { kind, text } = reader.token;
  if (kind === "word" && /^[\d:]/.test(text)) {
    // A mark is known by its eight digits: what a map holds is not said here.
    const plain = /^0x[0-9a-f]{8}$/.test(text) ? "mark" : "integer";
    const type = text.includes(":") ? "ipv6_addr" : text.includes(".") ? "ipv4_addr" : plain;
    return parseKey(reader, [type, type, type]);
  }
  return parseLeft(reader);
}
