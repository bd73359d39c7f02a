import type { Inventory } from "../inventory/inventory.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import type { Stack } from "../kernel/stack.ts";
import { ask } from "../walk/ask.ts";
import type { Conversation } from "../walk/conversation.ts";
import { Network } from "../walk/network.ts";
import { closeHeld } from "../walk/run.ts";
import { Session } from "../walk/session.ts";
import type { Trace } from "../walk/trace.ts";
import type { World } from "../world/world.ts";
import { findHost } from "./host-reference.ts";
import { withClientAt } from "./outside-client.ts";
import { idOf, parseQueryLine, type QueryLine } from "./query-line.ts";
import { type Question, resolveQuestion } from "./question.ts";
import { invalid, ok, type Result } from "./result.ts";
import { runToolCommand, toolOutput } from "./step/tool-command.ts";

/** What a line of `--queries` came to. */
export type Answer =
  | {
      readonly kind: "trace";
      readonly trace: Trace;
      /** What was walked over, steps before it included. */
      readonly world: World;
      readonly question: Question;
    }
  | {
      readonly kind: "step";
      readonly id: string;
      readonly step: "wait" | "command" | "close";
      /** What a command printed. */
      readonly output?: string;
    }
  | { readonly kind: "error"; readonly id: string; readonly line: number; readonly message: string };

export interface BulkOptions {
  readonly outcomes: number;
  readonly seed: number;
  readonly verdictOnly: boolean;
  /** Names of the API's objects, where the source holds some. */
  readonly inventory?: Inventory | null;
}

/**
 * Answers lines in order. A line that names no session is a query of its own in a fresh one, or a step for all; lines of
 * one session share it, each with its own World once a step has changed it.
 */
export class Bulk {
  readonly #options: BulkOptions;
  readonly #sessions = new Map<string, Session>();
  /** What was asked when a connection was held, by session and name. */
  readonly #heldFor = new Map<string, Question>();
  #network: Network;

  constructor(world: World, options: BulkOptions) {
    this.#network = new Network(world);
    this.#options = options;
  }

  /** Null for a blank line. `number` counts from 1. */
  answer(text: string, number: number): Answer | null {
    if (text.trim() === "") return null;
    const id = idOf(text) ?? `q${number}`;
    const line = parseQueryLine(text, id);
    const done = line.kind === "invalid" ? line : this.#run(line.value, id);
    return done.kind === "ok"
      ? done.value
      : { kind: "error", id, line: number, message: done.messages.join("; ") };
  }

  #run(line: QueryLine, id: string): Result<Answer> {
    switch (line.kind) {
      case "query":
        return this.#query(line);
      case "wait":
        for (const session of this.#sessionsOf(line.session)) session.wait(line.seconds * 1000);
        return ok({ kind: "step", id, step: "wait" });
      case "close":
        return this.#close(line, id);
      case "again":
        return this.#again(line);
      case "command":
        return this.#command(line, id);
      default:
        line satisfies never;
        throw new Error("unknown line");
    }
  }

  #query(line: Extract<QueryLine, { kind: "query" }>): Result<Answer> {
    const session = line.session === null ? this.#fresh() : this.#named(line.session);
    const { world } = session.network;
    const inventory = this.#options.inventory ?? null;
    const outside = inventory === null ? ok(world) : withClientAt(world, line.question.from);
    if (outside.kind === "invalid") return outside;
    if (outside.value !== world) session.replaceNetwork(new Network(outside.value));
    const query = resolveQuestion(session.network.world, line.question, inventory);
    if (query.kind === "invalid") return query;
    if (line.server !== null) {
      const server = findHost(session.network.world, line.server);
      if (server.kind === "invalid")
        return invalid(...server.messages.map((message) => `choose.server: ${message}`));
    }
    if (line.hold !== null && query.value.proto !== "tcp")
      return invalid("hold: only a TCP connection can be held open");
    if (line.flush) session.flush();
    const { outcomes, verdictOnly } = this.#options;
    const trace = ask(session, query.value, {
      outcomes,
      mode: "explore",
      verdictOnly,
      close: line.close,
      ...(line.hold === null ? {} : { hold: line.hold }),
      ...(line.server === null ? {} : { choose: { server: line.server.replace(/^.*\//, "") } }),
    });
    if (line.hold !== null) this.#heldFor.set(`${line.session} ${line.hold}`, line.question);
    return ok({ kind: "trace", trace, world: session.network.world, question: line.question });
  }

  #close({ session: name, hold, close }: Extract<QueryLine, { kind: "close" }>, id: string): Result<Answer> {
    const session = this.#named(name);
    const held = heldIn(session, hold);
    if (held.kind === "invalid") return held;
    session.held.delete(hold);
    closeHeld(session, held.value, close);
    return ok({ kind: "step", id, step: "close" });
  }

  #again({ id, session: name, hold }: Extract<QueryLine, { kind: "again" }>): Result<Answer> {
    const session = this.#named(name);
    const held = heldIn(session, hold);
    if (held.kind === "invalid") return held;
    const { outcomes, verdictOnly } = this.#options;
    const query = { ...held.value.query, id };
    const trace = ask(session, query, { outcomes, mode: "explore", verdictOnly, held: held.value, hold });
    const question = this.#heldFor.get(`${name} ${hold}`) as Question;
    return ok({ kind: "trace", trace, world: session.network.world, question: { ...question, id } });
  }

  #command(line: Extract<QueryLine, { kind: "command" }>, id: string): Result<Answer> {
    const targets = this.#sessionsOf(line.session);
    const worlds: World[] = [];
    const networks =
      line.session === null
        ? [this.#network, ...targets.map((each) => each.network)]
        : targets.map((each) => each.network);
    for (const { world } of networks) {
      const host = findHost(world, line.host);
      if (host.kind === "invalid") return invalid(...host.messages.map((message) => `host: ${message}`));
      const changed = runToolCommand(world, host.value, line.command);
      if (changed.kind === "invalid")
        return invalid(...changed.messages.map((message) => `command: ${message}`));
      worlds.push(changed.value);
    }
    if (line.session === null) this.#network = new Network(worlds.shift() as World);
    for (const [i, session] of targets.entries()) session.replaceNetwork(new Network(worlds[i] as World));
    const output = toolOutput(this.#stackOf(targets[0] ?? this.#fresh(), line.host), line.command);
    return ok({ kind: "step", id, step: "command", ...(output === "" ? {} : { output }) });
  }

  #stackOf(session: Session, reference: string): Stack {
    const host = findHost(session.network.world, reference);
    if (host.kind === "invalid") throw new Error(`${reference} is no host`);
    return session.stack(session.network.hostNumber(host.value.name));
  }

  #fresh(): Session {
    return new Session(this.#network, this.#options.seed);
  }

  #named(name: string): Session {
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    const session = this.#fresh();
    this.#sessions.set(name, session);
    return session;
  }

  #sessionsOf(name: string | null): Session[] {
    return name === null ? [...this.#sessions.values()] : [this.#named(name)];
  }
}

function heldIn(session: Session, name: string): Result<Conversation> {
  const held = session.held.get(name);
  if (held !== undefined) return ok(held);
  return invalid(
    `hold: no connection is held under ${JSON.stringify(name)}${suggestion(name, session.held.keys())}`,
  );
}
