import { explainIp, familyOfAddress, parseIp } from "../address/ip.ts";
import { addressOnPath } from "../address/ip6-handle.ts";
import { splitZone } from "../address/ipv6.ts";
import { ASK_DEFAULTS, type Explored, explore, followScript } from "../walk/ask.ts";
import { Network } from "../walk/network.ts";
import { parseFlagLetters } from "../walk/packet-view.ts";
import { QUERY_DEFAULTS, type Query, type QueryProtocol } from "../walk/query.ts";
import { PATIENCE_MS } from "../walk/run.ts";
import { Session } from "../walk/session.ts";
import type { Outcome } from "../walk/trace.ts";
import type { Probe, Recording } from "../world/probe.ts";
import type { World } from "../world/world.ts";
import { bareProtocol, bytesOf, extensionsOf } from "./bare-query.ts";
import { compareFlow, flowSignature } from "./compare-flow.ts";
import { compareOutcome, type Matched } from "./compare-outcome.ts";
import { gaveUpEarly } from "./excused.ts";
import { provenListeners, withListeners } from "./proven-listeners.ts";
import type { RecordedProbe, RecordedQuery } from "./recorded.ts";
import { recordedPorts } from "./recorded-ports.ts";
import { shapeFault } from "./recorded-shape.ts";
import { Renaming } from "./renaming.ts";
import { type CommandRunner, playStep } from "./replay-step.ts";
import { withSetupThresholds } from "./setup-thresholds.ts";
import { whyUnsupported } from "./supported.ts";

/** What replaying one recording's probes through the model came to. */
export interface CompareReport {
  readonly file: string;
  readonly name: string;
  /** Why the recording cannot be compared yet, null when it can. */
  readonly unsupported: string | null;
  readonly probes: readonly ProbeReport[];
}

export interface ProbeReport {
  /** From 0, as in the recording. */
  readonly index: number;
  readonly query: string;
  readonly agrees: boolean;
  /** The first difference, where there is one. */
  readonly difference: string | null;
}

/** Odds above which an outcome must have been seen among thirty flows or more. */
const SEEN_ABOVE = 0.1;
const MANY_FLOWS = 30;

/**
 * Replay a recording's probes in order in one session, and compare each with what the kernel did: it agrees when one
 * listed outcome does, in every compared field.
 *
 */
export function compareRecording(world: World, recording: Recording, options: ReplayOptions): CompareReport {
  const head = { file: recording.file, name: recording.name };
  const unsupported = whyUnsupported(world);
  if (unsupported !== null) return { ...head, unsupported, probes: [] };
  const probes: ProbeReport[] = [];
  for (const { index, recorded, judge } of replay(world, recording, options)) {
    const difference = judge(recorded);
    probes.push({ index, query: queryText(recorded.query), agrees: difference === null, difference });
  }
  return { ...head, unsupported: null, probes };
}

export interface ReplayOptions {
  /** How the commands of steps are carried out. */
  readonly commands?: CommandRunner;
  /** Walk chains rule by rule. */
  readonly literal?: boolean;
}

const NO_COMMANDS: CommandRunner = {
  change: () => ({ fault: "nobody here carries out commands" }),
  print: () => "",
};

/** A probe as the replay comes to it. */
export interface Replayed {
  readonly index: number;
  readonly recorded: RecordedProbe;
  /** What the model says can come of it. */
  readonly outcomes: readonly Outcome[];
  /** The one nearest to what was recorded. */
  readonly nearest?: Outcome;
  /** Hold a version of what was recorded against the outcomes: the first difference from the nearest one, null for none. */
  readonly judge: (version: RecordedProbe) => string | null;
}

/** Walk a recording's probes in order in one session, which follows the outcome nearest to what was recorded. */
export function* replay(
  world: World,
  recording: Recording,
  { commands = NO_COMMANDS, literal }: ReplayOptions = {},
): Generator<Replayed, void> {
  const listening = withListeners(world, provenListeners(world, recording));
  const session = new Session(new Network(withSetupThresholds(listening, recording)));
  session.engine.literal = literal === true;
  let known: Known = { renaming: new Renaming(new Set(), new Set()), free: new Set() };
  const unproven = new Set<string>();
  for (const [index, probe] of recording.probes.entries()) {
    const recorded = probe.recorded as unknown as RecordedProbe;
    if (recorded.query?.step !== undefined) {
      const { outcomes, judge } = playStep(session, recorded, commands);
      yield { index, recorded, outcomes: outcomes.map(({ outcome }) => outcome), judge };
      continue;
    }
    const query = shapeFault(recorded) ?? queryOf(probe, index);
    if (typeof query === "string") {
      yield { index, recorded, outcomes: [], judge: () => query };
      continue;
    }
    if (recorded.query.keepState !== true) {
      session.flush();
      known = { renaming: new Renaming(new Set(), new Set()), free: new Set() };
    }
    const before = known;
    const { network } = session;
    session.engine.chosenPort = recorded.settled === undefined ? null : recordedPorts(recorded);
    const { explored, nearest, matched } = exploreAsTimed(session, query, recorded, before, unproven);
    const decided = new Set(session.flowChoices.keys());
    followScript(session, query, nearest?.script ?? [], endingOf(recorded));
    const fresh = [...session.flowChoices.keys()].filter((key) => !decided.has(key));
    if (fresh.length > 0 && isAmbiguous(network, explored, recorded, before))
      for (const key of fresh) unproven.add(key);
    if (matched !== null) {
      known = { renaming: matched.renaming, free: new Set([...before.free, ...matched.free]) };
    }
    const flows = exploreFlows(session, query, explored, recorded);
    const judge = (version: RecordedProbe): string | null => {
      const fault = shapeFault(version);
      if (fault !== null) return fault;
      const { matched } = nearestOutcome(network, explored, version, before);
      if (matched === null) return "no outcome was found";
      return matched.difference ?? flowsDifference(network, flows, version);
    };
    const outcomes = explored.map(({ outcome }) => outcome);
    yield { index, recorded, outcomes, ...(nearest === null ? {} : { nearest: nearest.outcome }), judge };
  }
}

/**
 * Whether a host says again that there is a better gateway, or that there is no way, depends on how many milliseconds ago it last
 * did, and what a list of connections counts on whether a jiffy has passed since it was looked through; when a packet's hash is taken, which
 * names the port that it leaves a tunnel by, depends on whether any namespace traces packets. With live probes all of this is the machine's
 * affair: where the model's way does not lead to what was recorded, the others are tried. Other recordings do not tell how long after one
 * another their probes were, and nothing else is left to their time.
 *
 * @param unproven choices for flows that earlier probes would have agreed with either way
 */
function exploreAsTimed(
  session: Session,
  query: Query,
  recorded: RecordedProbe,
  known: Known,
  unproven: ReadonlySet<string>,
): Walked {
  const walked = (): Walked => {
    const { explored } = explore(session, query, ASK_DEFAULTS);
    return { explored, ...nearestOutcome(session.network, explored, recorded, known) };
  };
  const first = walked();
  if (first.matched?.difference === null) return first;
  const always = [
    () => session.setRedirectsDue(true),
    ...(unproven.size === 0 ? [] : [() => forget(session, unproven)]),
  ];
  const ways = [
    ...always,
    () => session.setRedirectsDue(false),
    () => session.setSlow(true),
    () => {
      session.engine.tracesPackets = true;
    },
  ];
  for (const way of recorded.settled === undefined ? always : ways) {
    const mark = session.journal.mark();
    way();
    const other = walked();
    session.setSlow(false);
    session.engine.tracesPackets = false;
    if (other.matched?.difference === null) {
      session.journal.commit(mark);
      return other;
    }
    session.journal.rollback(mark);
  }
  return first;
}

function forget(session: Session, choices: ReadonlySet<string>): void {
  for (const key of choices) session.forgetChoice(key);
}

interface Walked {
  readonly explored: readonly Explored[];
  readonly nearest: Explored | null;
  readonly matched: Matched | null;
}

/** A recorder of frames ends every connection with resets; where only servers were recorded the client closes as it says. */
function endingOf({ query, frames, framesOmitted }: RecordedProbe): Parameters<typeof followScript>[3] {
  if (query.hold !== undefined) return { hold: query.hold };
  const brief = frames === undefined && framesOmitted !== true;
  return { close: query.close === "reset" || !brief ? "reset" : "fin" };
}

/** What earlier probes of the same connections taught of the ports chosen freely. */
interface Known {
  readonly renaming: Renaming;
  readonly free: ReadonlySet<number>;
}

function nearestOutcome(
  network: Network,
  explored: readonly Explored[],
  recorded: RecordedProbe,
  known: Known,
): { readonly nearest: Explored | null; readonly matched: Matched | null } {
  let nearest: Explored | null = null;
  let matched: Matched | null = null;
  for (const candidate of explored) {
    const result = compareOutcome(network, recorded, candidate.outcome, known.renaming, known.free);
    if (matched === null || result.score > matched.score) {
      nearest = candidate;
      matched = result;
    }
    if (result.difference === null) break;
  }
  return { nearest, matched };
}

/** Does more than one outcome lead to what was recorded? Then nobody knows yet which choices were the kernel's. */
function isAmbiguous(
  network: Network,
  explored: readonly Explored[],
  recorded: RecordedProbe,
  { renaming, free }: Known,
): boolean {
  const agreeing = explored.filter(
    ({ outcome }) => compareOutcome(network, recorded, outcome, renaming, free).difference === null,
  );
  return agreeing.length > 1;
}

/** The outcomes of each of a probe's flows, one flow after the other; the session follows what was recorded. */
function exploreFlows(
  session: Session,
  query: Query,
  first: readonly Explored[],
  recorded: RecordedProbe,
): readonly (readonly Explored[])[] {
  return (recorded.flows ?? []).map((flow, i) => {
    if (i === 0) return first;
    const own = { ...query, sport: flow.sport ?? query.sport };
    const { explored } = explore(session, own, ASK_DEFAULTS);
    const found = explored.find(({ outcome }) => compareFlow(session.network, flow, outcome) === null);
    followScript(session, own, found?.script ?? [], { close: "reset" });
    return explored;
  });
}

/**
 * Several flows: each must be one of the outcomes listed for it, and what was to be expected in more than a tenth of many
 * must occur.
 */
function flowsDifference(
  network: Network,
  explored: readonly (readonly Explored[])[],
  recorded: RecordedProbe,
): string | null {
  const flows = recorded.flows ?? [];
  const expected = new Map<string, number>();
  const seen = new Set<string>();
  for (const [i, flow] of flows.entries()) {
    const outcomes = explored[i] ?? [];
    for (const { outcome } of outcomes) {
      const signature = flowSignature(network, outcome);
      expected.set(signature, (expected.get(signature) ?? 0) + oddsOf(outcome));
    }
    const found = outcomes.find(({ outcome }) => compareFlow(network, flow, outcome) === null);
    if (found === undefined) {
      const nearest = outcomes[0];
      const why = nearest === undefined ? "no outcome" : compareFlow(network, flow, nearest.outcome);
      return `flow ${i + 1} of ${flows.length} is none of the ${outcomes.length} outcomes listed: ${why}`;
    }
    seen.add(flowSignature(network, found.outcome));
  }
  if (flows.length < MANY_FLOWS) return null;
  for (const [signature, count] of expected) {
    if (count > SEEN_ABOVE * flows.length && !seen.has(signature)) {
      return `an outcome to be expected in ${count.toFixed(1)} of ${flows.length} flows never occurred: ${signature}`;
    }
  }
  return null;
}

function oddsOf(outcome: Outcome): number {
  return outcome.probability === null ? 0 : Number(outcome.probability.num) / Number(outcome.probability.den);
}

/** What a recorder sends by a socket of its own; of an association its first packet alone. */
function isSent({ proto, raw }: RecordedQuery): boolean {
  return proto === "tcp" || proto === "udp" || proto === "icmp" || (proto === "sctp" && raw === true);
}

/** A recorded query as ours; the ports and ids the kernel chose for the client are taken from the recording. */
function queryOf(probe: Probe, index: number): Query | string {
  const recorded = probe.recorded as unknown as RecordedProbe;
  const q = recorded.query;
  const { address: target, zone } = splitZone(q.dst);
  const dst = parseIp(target);
  if (dst === undefined) return `query.dst: ${explainIp(target)}`;
  const src = q.src === undefined ? null : parseIp(q.src);
  if (src === undefined) return `query.src: ${explainIp(q.src ?? "")}`;
  const family = familyOfAddress(dst);
  if (src !== null && familyOfAddress(src) !== family)
    return `query.src: ${q.src} is of another family than ${q.dst}`;
  const bare = bareProtocol(q.proto);
  if (bare === null && !isSent(q))
    return `query.proto: ${q.proto} is neither tcp, udp, icmp nor another protocol that a bare packet is of`;
  const client = recorded.outcome.client;
  return {
    ...QUERY_DEFAULTS,
    id: `probe ${index}`,
    host: q.from,
    proto: bare === null ? (q.proto as QueryProtocol) : "ip",
    protocol: bare ?? 0,
    content: bytesOf(q),
    extensions: extensionsOf(q),
    family,
    dst: addressOnPath(dst),
    dport: q.dport ?? null,
    src: src === null ? null : addressOnPath(src),
    sport: q.sport ?? client?.port ?? client?.icmpId ?? null,
    ttl: q.ttl ?? null,
    // Recorders that send in bulk have their cards' offloads off: what they say is compared up to there (`isBulk`).
    size: q.proto === "tcp" ? null : (q.size ?? null),
    df: q.df ?? false,
    mf: q.mf ?? false,
    mark: q.mark ?? 0,
    uid: q.uid ?? 0,
    dev: q.dev ?? zone ?? null,
    raw: q.raw ?? false,
    listens: q.listens ?? false,
    polls: q.polls ?? false,
    patience: gaveUpEarly(recorded) ? PATIENCE_MS : null,
    tcpFlags: q.flags === undefined ? null : (parseFlagLetters(q.flags) ?? null),
  };
}

function queryText(q: RecordedQuery): string {
  if (q.step !== undefined)
    return [q.step, q.host ?? q.hold ?? q.seconds, q.command].filter(Boolean).join(" ");
  const port = q.dport === undefined ? "" : `:${q.dport}`;
  const extra = (["src", "sport", "ttl", "size", "df", "mark", "count"] as const)
    .filter((key) => q[key] !== undefined && !(key === "count" && q.count === 1))
    .map((key) => `${key}=${q[key]}`);
  return [`${q.from} → ${q.dst}${port}/${q.proto}`, ...extra].join(" ");
}
