import { formatOnPath } from "../address/ip6-handle.ts";
import { Tape } from "../kernel/tape.ts";
import { ScriptedChooser, SeededChooser } from "./choosers.ts";
import type { Conversation } from "./conversation.ts";
import { Odds } from "./fraction.ts";
import { assumptionsOf, type OutcomeOptions, outcomeOf } from "./outcome.ts";
import type { Query } from "./query.ts";
import { queryView } from "./query-view.ts";
import { FRAMES_AT_MOST, finish, type Run, walk } from "./run.ts";
import type { Session } from "./session.ts";
import type { Outcome, Trace } from "./trace.ts";
import { WORST_FIRST } from "./verdict.ts";

export interface AskOptions extends OutcomeOptions {
  /** Most outcomes listed, fewer where packets go round without end; what is left is the residual. */
  readonly outcomes: number;
  /** Every outcome with its odds, or the one a seeded chooser takes. */
  readonly mode: "explore" | "seeded";
  /** Which outcome the session follows: the one this host answers. Default: the seeded chooser's. */
  readonly choose?: { readonly server: string };
  /** Walk chains rule by rule even where an index exists. */
  readonly literal?: boolean;
  /** What becomes of the connection in the session. Default `fin`. */
  readonly close?: "reset" | "fin" | "open";
  /** Keep the connection open under this name instead. */
  readonly hold?: string;
  /** Say more on this connection, which an earlier query left open. */
  readonly held?: Conversation;
}

export const ASK_DEFAULTS: AskOptions = { outcomes: 1024, mode: "explore" };

/** An outcome with the script of choices that leads to it. */
export interface Explored {
  readonly outcome: Outcome;
  readonly script: readonly number[];
}

/**
 * Ask a query: walk it under every script of choices, best first by odds, and say what came of each. The session keeps
 * what the outcome followed left behind.
 */
export function ask(session: Session, query: Query, options: AskOptions = ASK_DEFAULTS): Trace {
  session.engine.literal = options.literal ?? false;
  const { explored, residual } =
    options.mode === "explore"
      ? explore(session, query, options)
      : { explored: [seeded(session, query, options)], residual: Odds.ZERO };
  if (options.mode === "explore") follow(session, query, options, explored);
  return traceOf(session, query, explored, residual, options);
}

/** A way not walked yet: the choices of an earlier walk as far as one of them, and there another answer. */
interface Branch {
  /** Shared with the other branches of that walk: one that goes round chooses ten thousand times. */
  readonly taken: readonly number[];
  readonly at: number;
  readonly option: number | null;
  readonly odds: Odds;
  readonly weight: number;
}

/** Frames of all the walks of a question together: of packets that go round until theirs are spent, a handful of walks. */
const FRAMES_OF_ALL = 5 * FRAMES_AT_MOST;

/** Walk under script after script, taking each back. */
export function explore(
  session: Session,
  query: Query,
  options: AskOptions,
): { readonly explored: Explored[]; readonly residual: Odds } {
  const waiting: Branch[] = [{ taken: [], at: 0, option: null, odds: Odds.ONE, weight: 1 }];
  const explored: Explored[] = [];
  const tape = new Tape();
  let left = Odds.ONE;
  let frames = 0;
  /** Are there ways less likely than any number tells? They are among what is left. */
  let isCut = false;
  while (waiting.length > 0 && explored.length < options.outcomes && frames <= FRAMES_OF_ALL) {
    let best = 0;
    for (let i = 1; i < waiting.length; i++) {
      if ((waiting[i]?.weight as number) > (waiting[best]?.weight as number)) best = i;
    }
    const [next] = waiting.splice(best, 1);
    if (next === undefined) break;
    const script = next.taken.slice(0, next.at);
    if (next.option !== null) script.push(next.option);
    const chooser = new ScriptedChooser(script, session);
    const mark = session.journal.mark();
    tape.clear();
    const run = walk(session, query, chooser, tape, options.held);
    const outcome = outcomeOf(session, query, run, tape, chooser, options);
    finish(session, run, "open");
    frames += session.outbox.frames;
    session.journal.rollback(mark);
    const taken = chooser.choices.map((choice) => choice.taken);
    explored.push({ outcome, script: taken });
    let odds = Odds.ONE;
    let isVanishing = false;
    chooser.choices.forEach((choice, i) => {
      if (i >= script.length && !isVanishing) {
        const count = choice.odds?.length ?? 2;
        for (let option = 0; option < count; option++) {
          if (option === choice.taken) continue;
          const branch = choice.odds === null ? odds : odds.times(choice.odds[option] as Odds);
          // An unmodelled match has no odds: its other answer is walked after the rest of the same prefix.
          const weight = branch.toNumber() * (choice.odds === null ? 0.5 : 1);
          if (weight === 0) isCut = true;
          else waiting.push({ taken, at: i, option, odds: branch, weight });
        }
      }
      if (choice.odds !== null) odds = odds.times(choice.odds[choice.taken] as Odds);
      if (isCut && !isVanishing) isVanishing = odds.toNumber() === 0;
    });
    if (!chooser.choices.some((choice) => choice.odds === null)) left = left.minus(odds);
  }
  explored.sort((a, b) => oddsOf(b.outcome) - oddsOf(a.outcome));
  const unlisted = waiting.length === 0 && !isCut ? Odds.ZERO : left;
  return { explored, residual: unlisted };
}

/** Walk the outcome the session follows once more, and keep it. */
function follow(session: Session, query: Query, options: AskOptions, explored: readonly Explored[]): void {
  const chosen = choose(session, query, options, explored);
  followScript(session, query, chosen?.script ?? [], options);
}

function choose(
  session: Session,
  query: Query,
  options: AskOptions,
  explored: readonly Explored[],
): Explored | undefined {
  const server = options.choose?.server;
  if (server !== undefined) {
    const wanted = explored.find(({ outcome }) => outcome.servers.some((served) => served.host === server));
    if (wanted !== undefined) return wanted;
  }
  if (explored.length === 1) return explored[0];
  // The seeded chooser's: a point on the line of odds, a pure function of seed and query.
  let h = session.seed | 0;
  // A handle is another in another process.
  const dst = query.family === 6 ? formatOnPath(6, query.dst) : query.dst;
  for (const c of `${query.id} ${query.host} ${dst} ${query.dport} ${session.clock.now}`) {
    h = Math.imul(h ^ c.charCodeAt(0), 0x01000193);
  }
  let point = ((h ^ (h >>> 15)) >>> 0) / 2 ** 32;
  for (const candidate of explored) {
    point -= oddsOf(candidate.outcome);
    if (point < 0) return candidate;
  }
  return explored[0];
}

/** Walk one chosen script and keep what it leaves behind: how a comparison follows the outcome the kernel took. */
export function followScript(
  session: Session,
  query: Query,
  script: readonly number[],
  options: Pick<AskOptions, "close" | "hold" | "held">,
): void {
  const run = walk(session, query, new ScriptedChooser(script, session), null, options.held);
  conclude(session, run, options);
}

/** A query's connection ends, or is held on to. */
function conclude(session: Session, run: Run, options: Pick<AskOptions, "close" | "hold" | "held">): void {
  const { hold } = options;
  if (hold !== undefined) session.held.set(hold, run.conversation);
  finish(session, run, hold === undefined ? (options.close ?? "fin") : "open");
}

function seeded(session: Session, query: Query, options: AskOptions): Explored {
  const tape = new Tape();
  const chooser = new SeededChooser(session.seed);
  chooser.begin(query.sport ?? session.clock.now);
  const run = walk(session, query, chooser, tape, options.held);
  const outcome = outcomeOf(session, query, run, tape, null, options);
  conclude(session, run, options);
  return { outcome, script: [] };
}

function oddsOf(outcome: Outcome): number {
  const fraction = outcome.probability;
  return fraction === null ? 0 : Number(fraction.num) / Number(fraction.den);
}

function traceOf(
  session: Session,
  query: Query,
  explored: readonly Explored[],
  residual: Odds,
  options: AskOptions,
): Trace {
  const outcomes = explored.map((entry) => entry.outcome);
  const worst = [...outcomes].sort(
    (a, b) => WORST_FIRST.indexOf(a.verdict.disposition) - WORST_FIRST.indexOf(b.verdict.disposition),
  )[0] as Outcome;
  const assumptions = options.verdictOnly
    ? []
    : [...new Set(outcomes.flatMap((outcome) => assumptionsOf(session, query, outcome)))];
  return {
    schema: "hopscope.trace/v1",
    id: query.id,
    query: queryView(query),
    verdict: worst.verdict,
    outcomes,
    ...(residual.num === 0n ? {} : { residual: residual.toFraction() }),
    remedies: [],
    assumptions,
    stats: {
      rulesEvaluated: outcomes[0]?.stats.rulesEvaluated ?? 0,
      routeLookups: outcomes[0]?.stats.routeLookups ?? 0,
    },
  };
}
