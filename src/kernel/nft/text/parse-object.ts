import type { Origin } from "../../origin.ts";
import { NFT_OBJECT_TYPES, type NftObject, type NftObjectSpec, type NftObjectType } from "../ruleset.ts";
import { parseLimit, parseQuota } from "./parse-stateful.ts";
import type { NftReader } from "./reader.ts";

/** What the type of an object begins with; `ct` has another word behind it. */
export const OBJECT_WORDS: ReadonlySet<string> = new Set<NftObjectType | "ct">([
  "counter",
  "quota",
  "limit",
  "ct",
  "synproxy",
  "secmark",
]);

/** A stateful object, from behind its type: `c { … }` of `counter c { … }`. */
export function parseObject(reader: NftReader, typeName: string, origin: Origin): NftObject {
  const type = typeName as NftObjectType;
  if (!NFT_OBJECT_TYPES.includes(type)) reader.fail(`${JSON.stringify(typeName)} is no kind of object`);
  const name = reader.word("an object's name");
  let comment: string | null = null;
  const empty = type === "counter" ? { kind: "counter" as const, packets: 0, bytes: 0 } : null;
  let spec: NftObjectSpec = empty ?? { kind: "lines", lines: [] };
  const handle = reader.block(() => {
    if (reader.take("comment")) comment = reader.word("a comment");
    else spec = parseSpec(reader, type, spec);
  });
  return { type, name, handle, comment, spec, origin };
}

function parseSpec(reader: NftReader, type: NftObjectType, before: NftObjectSpec): NftObjectSpec {
  if (type === "counter") {
    reader.expect("packets");
    const packets = reader.number("a number of packets");
    reader.expect("bytes");
    return { kind: "counter", packets, bytes: reader.number("a number of bytes") };
  }
  if (type === "quota") return { kind: "statement", statement: parseQuota(reader) };
  if (type === "limit") return { kind: "statement", statement: parseLimit(reader) };
  const from = reader.token.at;
  let until = from;
  let depth = 0;
  for (;;) {
    const { kind, text } = reader.token;
    if (kind === "eof" || (depth === 0 && (kind === "end" || text === "}"))) break;
    if (text === "{") depth++;
    if (text === "}") depth--;
    until = reader.next().until;
  }
  const line = reader.text.slice(from, until).replaceAll(/\s+/g, " ");
  return { kind: "lines", lines: [...(before.kind === "lines" ? before.lines : []), line] };
}
