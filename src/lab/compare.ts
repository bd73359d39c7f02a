import { explainIpv4, parseIpv4 } from "../address/ipv4.ts";
import { ASK_DEFAULTS, type Explored, explore, followScript } from "../walk/ask.ts";
import { Network } from "../walk/network.ts";
import { parseFlagLetters } from "../walk/packet-view.ts";
import { QUERY_DEFAULTS, type Query } from "../walk/query.ts";
import { Session } from "../walk/session.ts";
import type { Probe, Recording } from "../world/probe.ts";
import type { World } from "../world/world.ts";
import { compareFlow, compareOutcome, type Matched } from "./compare-outcome.ts";
import type { RecordedProbe, RecordedQuery } from "./recorded.ts";
import { Renaming } from "./renaming.ts";
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
 * @param literal walk chains rule by rule
 */
export function compareRecording(world: World, recording: Recording, literal = false): CompareReport {
  const head = { file: recording.file, name: recording.name };
  const unsupported = whyUnsupported(world, recording);
  if (unsupported !== null) return { ...head, unsupported, probes: [] };
  const network = new Network(world);
  const session = new Session(network);
  session.engine.literal = literal;
  let renaming = new Renaming(new Set(), new Set());
  const free = new Set<number>();
  const probes = recording.probes.map((probe, index): ProbeReport => {
    const recorded = probe.recorded as unknown as RecordedProbe;
    const text = queryText(recorded.query);
    const query = queryOf(probe, index);
    if (typeof query === "string") return { index, query: text, agrees: false, difference: query };
    if (recorded.query.keepState !== true) {
      session.flush();
      renaming = new Renaming(new Set(), new Set());
      free.clear();
    }
    const { difference, matched } = compareProbe(session, query, recorded, renaming, free);
    if (matched !== null) renaming = matched;
    return { index, query: text, agrees: difference === null, difference };
  });
  return { ...head, unsupported: null, probes };
}

function compareProbe(
  session: Session,
  query: Query,
  recorded: RecordedProbe,
  renaming: Renaming,
  free: Set<number>,
): { difference: string | null; matched: Renaming | null } {
  const { explored } = explore(session, query, ASK_DEFAULTS);
  let best: Matched | null = null;
  let chosen: Explored | undefined;
  for (const candidate of explored) {
    const result = compareOutcome(session.network, recorded, candidate.outcome, renaming, free);
    if (best === null || result.score > best.score) {
      best = result;
      chosen = candidate;
    }
    if (result.difference === null) break;
  }
  followScript(session, query, chosen?.script ?? [], "reset");
  for (const port of best?.free ?? []) free.add(port);
  let difference = best?.difference ?? (best === null ? "no outcome was found" : null);
  const flows = recorded.flows ?? [];
  if (difference === null && flows.length > 0) difference = compareFlows(session, query, explored, recorded);
  return { difference, matched: best?.renaming ?? null };
}

/** Several flows, one after the other: each must be one of the listed outcomes, and likely ones must occur. */
function compareFlows(
  session: Session,
  query: Query,
  first: readonly Explored[],
  recorded: RecordedProbe,
): string | null {
  const flows = recorded.flows ?? [];
  const seen = new Set<number>();
  for (let i = 0; i < flows.length; i++) {
    const flow = flows[i];
    if (flow === undefined) continue;
    const explored =
      i === 0
        ? first
        : explore(session, { ...query, sport: flow.sport ?? query.sport }, ASK_DEFAULTS).explored;
    const found = explored.findIndex(
      (candidate) => compareFlow(session.network, flow, candidate.outcome) === null,
    );
    if (found < 0) {
      const nearest = explored[0];
      const why = nearest === undefined ? "no outcome" : compareFlow(session.network, flow, nearest.outcome);
      return `flow ${i + 1} of ${flows.length} is none of the ${explored.length} outcomes listed: ${why}`;
    }
    seen.add(found);
    if (i > 0) {
      followScript(
        session,
        { ...query, sport: flow.sport ?? query.sport },
        explored[found]?.script ?? [],
        "reset",
      );
    }
  }
  if (flows.length >= MANY_FLOWS) {
    const unseen = first.findIndex(
      ({ outcome }, i) =>
        !seen.has(i) &&
        outcome.probability !== null &&
        Number(outcome.probability.num) / Number(outcome.probability.den) > SEEN_ABOVE,
    );
    if (unseen >= 0)
      return `outcome ${unseen + 1}, of odds above ${SEEN_ABOVE}, never occurred in ${flows.length} flows`;
  }
  return null;
}

/** A recorded query as ours; the ports and ids the kernel chose for the client are taken from the recording. */
function queryOf(probe: Probe, index: number): Query | string {
  const recorded = probe.recorded as unknown as RecordedProbe;
  const q = recorded.query;
  const dst = parseIpv4(q.dst);
  if (dst === undefined) return `query.dst: ${explainIpv4(q.dst)}`;
  const src = q.src === undefined ? null : parseIpv4(q.src);
  if (src === undefined) return `query.src: ${explainIpv4(q.src ?? "")}`;
  if (q.proto !== "tcp" && q.proto !== "udp" && q.proto !== "icmp")
    return `query.proto: ${q.proto} is none of tcp, udp, icmp`;
  const client = recorded.outcome.client;
  return {
    ...QUERY_DEFAULTS,
    id: `probe ${index}`,
    host: q.from,
    proto: q.proto,
    dst,
    dport: q.dport ?? null,
    src,
    sport: q.sport ?? client?.port ?? client?.icmpId ?? null,
    ttl: q.ttl ?? null,
    size: q.size ?? null,
    df: q.df ?? false,
    mark: q.mark ?? 0,
    uid: q.uid ?? 0,
    dev: q.dev ?? null,
    raw: q.raw ?? false,
    tcpFlags: q.flags === undefined ? null : (parseFlagLetters(q.flags) ?? null),
  };
}

function queryText(q: RecordedQuery): string {
  const port = q.dport === undefined ? "" : `:${q.dport}`;
  const extra = (["src", "sport", "ttl", "size", "df", "mark", "count"] as const)
    .filter((key) => q[key] !== undefined && !(key === "count" && q.count === 1))
    .map((key) => `${key}=${q[key]}`);
  return [`${q.from} → ${q.dst}${port}/${q.proto}`, ...extra].join(" ");
}
