import { QUESTION_DEFAULTS, type Question, resolveQuestion } from "../../src/cli/question.ts";
import { Teller } from "../../src/cli/told.ts";
import type { Names } from "../../src/inventory/names.ts";
import { ask } from "../../src/walk/ask.ts";
import { Network } from "../../src/walk/network.ts";
import { Session } from "../../src/walk/session.ts";
import type { Trace } from "../../src/walk/trace.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { readRecordingText } from "../fixtures.ts";

const worlds = new Map<string, World>();

/** A recording's hosts. */
export function recordedWorld(name: string): World {
  const known = worlds.get(name);
  if (known !== undefined) return known;
  const snapshot = readSnapshot(`${name}.json.gz`, readRecordingText(name));
  if (snapshot.kind === "invalid") throw new Error(`${name} cannot be read`);
  worlds.set(name, snapshot.world);
  return snapshot.world;
}

/** The trace of a question asked in a recording's hosts, or in others. */
export function asked(where: string | World, from: string, to: string, more: Partial<Question> = {}): Trace {
  const world = worldOf(where);
  const query = resolveQuestion(world, { ...QUESTION_DEFAULTS, id: "q1", from, to, ...more });
  if (query.kind === "invalid") throw new Error(query.messages.join("; "));
  return ask(new Session(new Network(world), 1), query.value, { outcomes: 1024, mode: "explore" });
}

const teller = new Teller(null);

/** The same with owners, the fault and remedies, as people get it. */
export function told(where: string | World, from: string, to: string, more: Partial<Question> = {}): Trace {
  return teller.tell(asked(where, from, to, more), worldOf(where));
}

function worldOf(where: string | World): World {
  return typeof where === "string" ? recordedWorld(where) : where;
}

export function namesOf(recording: string): Names {
  return teller.namesOf(recordedWorld(recording));
}
