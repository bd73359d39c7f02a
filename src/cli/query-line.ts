import { Faults, isJsonObject, type Json, JsonFields } from "../kernel/json-fields.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { BOUNDS, QUESTION_DEFAULTS, type Question } from "./question.ts";
import { invalid, ok, type Result } from "./result.ts";

/** A line of `--queries`. */
export type QueryLine =
  | {
      readonly kind: "query";
      readonly question: Question;
      readonly session: string | null;
      /** Empty conntrack and the route caches first. */
      readonly flush: boolean;
      /** What becomes of the connection afterwards, unless it is held. */
      readonly close: "fin" | "reset";
      /** Keep it open under this name. */
      readonly hold: string | null;
      /** The session follows the outcome that this host serves. */
      readonly server: string | null;
    }
  | { readonly kind: "wait"; readonly session: string | null; readonly seconds: number }
  /** End a held connection. */
  | {
      readonly kind: "close";
      readonly session: string;
      readonly hold: string;
      readonly close: "fin" | "reset";
    }
  /** Eight more bytes on a held connection. */
  | { readonly kind: "again"; readonly id: string; readonly session: string; readonly hold: string }
  | {
      readonly kind: "command";
      readonly session: string | null;
      readonly host: string;
      readonly command: string;
    };

const QUERY_FIELDS = [
  ...[
    "id",
    "from",
    "to",
    "at",
    "proto",
    "src",
    "sport",
    "ttl",
    "size",
    "df",
    "mark",
    "uid",
    "dev",
    "tcpFlags",
  ],
  ...["session", "flush", "hold", "close", "choose"],
];
const STEPS = ["command", "wait", "close", "again"] as const;
const STEP_FIELDS: Readonly<Record<(typeof STEPS)[number], readonly string[]>> = {
  command: ["id", "session", "step", "host", "command"],
  wait: ["id", "session", "step", "seconds"],
  close: ["id", "session", "step", "hold", "close"],
  again: ["id", "session", "step", "hold"],
};

/** A day: nothing the kernel times lasts longer. */
const LONGEST_WAIT_S = 5 * 86_400;

/** The line's own `id`, for the answer to a line that is wrong otherwise. */
export function idOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const { id } = isJsonObject(value) ? value : {};
    return typeof id === "string" ? id : undefined;
  } catch {
    return undefined;
  }
}

/** One JSON object; `id` is what it is called when it does not say. */
export function parseQueryLine(text: string, id: string): Result<QueryLine> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return invalid(`is no JSON: one object a line is expected, such as {"from":"host/a","to":"10.0.0.5:80"}`);
  }
  if (!isJsonObject(value)) return invalid("is no JSON object: {…} is expected");
  const faults = new Faults(10);
  const json = new JsonFields(value, "", faults);
  const line = json.has("step") ? readStep(json, value, id) : readQuery(json, value, id);
  if (faults.count > 0)
    return invalid(
      ...faults.kept.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`)),
    );
  return line;
}

function readQuery(json: JsonFields, value: Json, id: string): Result<QueryLine> {
  checkFields(json, value, QUERY_FIELDS);
  const number = (name: keyof typeof BOUNDS): number | null =>
    json.has(name) ? json.integer(name, BOUNDS[name][0], BOUNDS[name][1]) : null;
  const choose = json.object("choose");
  const session = json.optionalText("session");
  const hold = json.optionalText("hold");
  if (hold !== null && session === null)
    json.fault("hold", 'only a session holds a connection: name one, such as "session":"s1"');
  const question: Question = {
    ...QUESTION_DEFAULTS,
    id: json.optionalText("id") ?? id,
    from: json.text("from"),
    to: json.text("to"),
    at: json.optionalText("at"),
    proto: json.optionalText("proto"),
    src: json.optionalText("src"),
    sport: number("sport"),
    ttl: number("ttl"),
    size: number("size"),
    df: json.flag("df", false),
    mark: number("mark") ?? 0,
    uid: number("uid") ?? 0,
    dev: json.optionalText("dev"),
    tcpFlags: json.optionalText("tcpFlags"),
  };
  return ok({
    kind: "query",
    question,
    session,
    flush: json.flag("flush", false),
    close: readClose(json),
    hold,
    server: choose?.text("server") ?? null,
  });
}

/** How a connection ends. */
function readClose(json: JsonFields): "fin" | "reset" {
  return json.has("close") ? json.word("close", ["reset", "fin"]) : "fin";
}

function readStep(json: JsonFields, value: Json, id: string): Result<QueryLine> {
  const step = json.word("step", STEPS);
  if (json.faults.count > 0) return invalid();
  checkFields(json, value, STEP_FIELDS[step]);
  const session = json.optionalText("session");
  switch (step) {
    case "wait":
      return ok({ kind: "wait", session, seconds: readSeconds(json) });
    case "command":
      return ok({ kind: "command", session, host: json.text("host"), command: json.text("command") });
    case "close":
      return ok({ kind: "close", ...readHeld(json), close: readClose(json) });
    case "again":
      return ok({ kind: "again", id: json.optionalText("id") ?? id, ...readHeld(json) });
    default:
      step satisfies never;
      throw new Error("unknown step");
  }
}

/** A held connection is its session's. */
function readHeld(json: JsonFields): { readonly session: string; readonly hold: string } {
  return { session: json.text("session"), hold: json.text("hold") };
}

/** Fractions of a second too. */
function readSeconds(json: JsonFields): number {
  const value = json.get("seconds");
  if (typeof value === "number" && value >= 0 && value <= LONGEST_WAIT_S) return value;
  json.fault("seconds", `a number from 0 to ${LONGEST_WAIT_S} is expected`);
  return 0;
}

function checkFields(json: JsonFields, value: Json, known: readonly string[]): void {
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) json.fault(name, `is no field of a line${suggestion(name, known)}`);
  }
}
