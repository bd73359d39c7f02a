import type { RecordedProbe } from "./recorded.ts";

/** The fields without which nothing can be compared, by the list they are in; what a list must hold besides. */
const NEEDED: readonly (readonly [string, Readonly<Record<string, keyof typeof IS>>])[] = [
  ["frames", { ns: "text", if: "text", dir: "text", pkt: "number" }],
  ["trace", { ns: "text", pkt: "number", hook: "text", packet: "text or nothing", steps: "texts" }],
  ["rulesHit", { ns: "text", table: "text", chain: "text", rule: "number", packets: "number" }],
  ["conntrack", { ns: "text", proto: "text", orig: "object", reply: "object", flags: "texts" }],
  [
    "ipvsConnections",
    {
      ns: "text",
      proto: "text",
      client: "text",
      virtual: "text",
      server: "text",
      state: "text",
      expires: "number",
    },
  ],
  ["flows", { result: "text" }],
  ["outcome.serverSaw", { host: "text", proto: "text", local: "text", peer: "text" }],
];

const IS = {
  text: (value: unknown) => typeof value === "string",
  "text or nothing": (value: unknown) => value === undefined || typeof value === "string",
  number: (value: unknown) => typeof value === "number",
  object: (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value),
  texts: (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === "string"),
} as const;

const WORDS: Readonly<Record<keyof typeof IS, string>> = {
  text: "a text",
  "text or nothing": "a text",
  number: "a number",
  object: "an object",
  texts: "a list of texts",
};

/** The first field of a probe that is not what the recordings' format says, in words; null where all can be read. */
export function shapeFault(probe: RecordedProbe): string | null {
  const { outcome } = probe;
  if (!IS.object(outcome)) return "outcome: an object is expected";
  if (!IS.text(outcome.result)) return "outcome.result: a text is expected";
  for (const [name, fields] of NEEDED) {
    const list = name.split(".").reduce((at: unknown, key) => (at as Record<string, unknown>)[key], probe);
    if (list === undefined) continue;
    if (!Array.isArray(list)) return `${name}: a list is expected`;
    for (const [i, item] of list.entries()) {
      if (!IS.object(item)) return `${name}[${i}]: an object is expected`;
      for (const [field, kind] of Object.entries(fields)) {
        if (!IS[kind]((item as Record<string, unknown>)[field])) {
          return `${name}[${i}].${field}: ${WORDS[kind]} is expected`;
        }
      }
    }
  }
  return null;
}
