import { type Family, type IpAddress, parseIp } from "../../address/ip.ts";
import { splitZone } from "../../address/ipv6.ts";
import { walkedNft } from "../../kernel/nft/walked.ts";
import type { RecordedProbe, RecordedQuery } from "../recorded.ts";
import { type CapturedFrame, inTimeOrder } from "./capture.ts";
import { askedAndAnswered, type Decoding, decodeCaptured, numbered } from "./captured-packets.ts";
import { Client, type Progress, sendRaw } from "./client.ts";
import type { Lab } from "./lab.ts";
import type { Served } from "./listeners.ts";
import { OpenQuestions } from "./open-questions.ts";
import { outcomeOf } from "./probe-outcome.ts";
import { rawPacket } from "./raw-packet.ts";
import { readConntrack } from "./real-conntrack.ts";
import { loadedRules } from "./rule-counters.ts";

/** How long a client waits: a while, or as long as an ARP question is asked (three times, a second apart). */
const PATIENCE_MS = 350;
const PATIENCE_WITH_ARP_MS = 3600;
/** Nothing for so long means that nothing more comes. */
const QUIET_MS = 6;

/** How long a probe's client waits for what may never come. */
export interface Patience {
  /** Milliseconds for an answer. */
  readonly answerMs: number;
  /** The same where a host may keep its questions of neighbours off every wire. */
  readonly hiddenMs: number;
  /** Milliseconds in all while an ARP question is open; less where the world's devices give up sooner (`retrans_time_ms`). */
  readonly arpMs: number;
  /** Milliseconds after which a question that nobody answered or repeated is open no more. */
  readonly questionMs: number;
  /** The world's settings let no neighbour age while it is probed. */
  readonly ageless: boolean;
}

export const USUAL_PATIENCE: Patience = {
  answerMs: PATIENCE_MS,
  hiddenMs: PATIENCE_WITH_ARP_MS,
  arpMs: PATIENCE_WITH_ARP_MS,
  questionMs: 1500,
  ageless: false,
};
/** However long the others' turns took: a client has been looked at so often before it gives up. */
const LEAST_LOOKS = 5;
/** Longer a server that answered is not waited for to say so. */
const BOOK_MS = 3000;
/** No probe asks servers so often: they answer each other. */
const ENDLESS = 512;
/** And none shows so many frames on all devices: they go round. */
const STORM = 30_000;

/**
 * One probe on a real world: sent, captured at every device, and written down as the recordings are. It yields whenever it
 * has to wait for the kernel, so that several worlds can be probed side by side.
 *
 * Without the way through the rules: their counters stand for it.
 */
export function* recordProbe(
  lab: Lab,
  query: RecordedQuery,
  patience: Patience = USUAL_PATIENCE,
): Generator<void, RecordedProbe> {
  lab.discard();
  lab.sawAll();
  const countersBefore = lab.counters();
  const began = Date.now();
  const served: Served[] = [];
  const captures: CapturedFrame[][] = [];
  const questions = new OpenQuestions((host, family) => mayHide(lab, host, family));
  let seen = 0;
  /** Do servers answer each other, or frames go round, without end? */
  const isEndless = (): boolean => served.length > ENDLESS || seen > STORM;
  const look = (): number => {
    served.push(...lab.serve());
    let fresh = 0;
    for (const [i, list] of lab.captured().entries()) {
      for (const frame of list) {
        const decoding = decodeCaptured(frame, lab.vxlanPorts, lab.tunPorts);
        if (decoding !== null) questions.saw(frame, decoding);
      }
      captures[i] = [...(captures[i] ?? []), ...list];
      fresh += list.length;
    }
    seen += fresh;
    return fresh;
  };

  const client = query.raw === true ? null : clientOf(lab, query);
  const failed = query.raw === true ? sendOwn(lab, query) : null;
  const family = query.dst.includes(":") ? 6 : 4;
  const isHidden = [...lab.real.world.hosts.keys()].some((host) => mayHide(lab, host, family));
  const answerMs = isHidden ? patience.hiddenMs : patience.answerMs;
  let progress = WAITING;
  for (let looks = 1; ; looks++) {
    look();
    progress = client?.progress() ?? WAITING;
    if (isEnd(progress) || failed !== null || isEndless()) break;
    const waited = Date.now() - began;
    const waits = questions.areOpen(patience.questionMs) && listens(query);
    const enough = waited > patience.arpMs || (waited > answerMs && !waits);
    if (enough && looks >= LEAST_LOOKS) break;
    yield;
  }
  // The kernel may have connected before the server, a process of its own on a busy machine, has come to write whom it served.
  const isServed = query.proto !== "icmp" && (progress.kind === "connected" || progress.kind === "answered");
  const lacksServer = (): boolean =>
    isServed && served.length === 0 && Date.now() - began < patience.answerMs + BOOK_MS;
  // However long its turn was in coming, who looks last has seen nothing: servers of this process wait for their turn too.
  for (let quietSince = Date.now(); !isEndless(); ) {
    if (look() > 0) quietSince = Date.now();
    else if (Date.now() - quietSince >= QUIET_MS && !lacksServer()) break;
    yield;
  }
  if (isEndless()) return silenced(lab, query, client);
  // Only now: what one namespace showed may be read after what came of it in another.
  const frames = inTimeOrder(captures).flatMap((frame): Decoding[] => {
    const packet = decodeCaptured(frame, lab.vxlanPorts, lab.tunPorts);
    return packet === null ? [] : [{ frame, packet }];
  });
  const own = client?.own();
  // Who still waits for a connection closes without a word, and does not ask again while the counters are read.
  const isEarly = query.proto === "tcp" && progress.kind === "waiting";
  if (isEarly) client?.close();
  const conntrack = [...lab.real.netns].flatMap(([host, within]) => readConntrack(within, host));
  const rulesHit = lab.risenSince(
    countersBefore,
    new Set([query.from, ...captures.flatMap((list) => list.map(({ host }) => host))]),
  );
  const recorded = {
    query: query.proto === "tcp" && client !== null ? { ...query, polls: true } : query,
    outcome: outcomeOf(query, client, own, progress, served, frames, failed, conntrack),
    // What came while the counters were read may have been counted, or not.
    settled: lab.discard() === 0 && lab.sawAll(),
    // Within a second: then TCP and questions are repeated, and which comes first is chance.
    ...(patience.ageless && Date.now() - began < 1000 ? { ageless: true } : {}),
    ...numbered(frames, lab.movesSequences),
    arp: askedAndAnswered(frames),
    rulesHit,
    conntrack,
  };
  lab.hangUp();
  if (!isEarly) client?.close();
  // Resets end a connection.
  if (query.proto === "tcp") lab.forgetCounters([query.from, ...served.map(({ host }) => host)]);
  return recorded;
}

/** Servers that answer each other without end fall silent; what they did is no recording of anything else. */
function silenced(lab: Lab, query: RecordedQuery, client: Client | null): RecordedProbe {
  client?.close();
  lab.hangUp();
  lab.discard();
  lab.sawAll();
  return {
    query,
    outcome: { client: {}, serverSaw: [], result: "timeout" },
    settled: true,
    endless: true,
    frames: [],
  };
}

/**
 * May a host keep its questions of neighbours from every wire, or answers that its cards have received from itself? Rules may, that
 * see them, filters of its devices, and of answers a macvlan that takes all a card receives.
 */
function mayHide({ real: { world } }: Lab, name: string, family: Family): boolean {
  const host = world.hosts.get(name);
  if (host === undefined) return false;
  if (host.tc.filters.length > 0) return true;
  const { tables } = walkedNft(host);
  if (family === 6 && (tables.length > 0 || loadedRules(host).some((loaded) => loaded.family === 6)))
    return true;
  if (tables.some((table) => table.family === "arp" || table.family === "netdev")) return true;
  // `type filter hook egress` of other families is one of a device as well.
  if (tables.some(({ chains }) => chains.some(({ base }) => FRAME_HOOKS.has(base?.hook ?? "")))) return true;
  return [...world.hosts.values()].some((owner) =>
    owner.devices.some(
      ({ detail }) =>
        detail.kind === "macvlan" &&
        detail.mode === "passthru" &&
        (detail.lower?.host ?? owner.name) === name,
    ),
  );
}

const FRAME_HOOKS: ReadonlySet<string> = new Set(["ingress", "egress"]);

/** Does the sender wait for what may come back? */
function listens({ raw, listens = false }: RecordedQuery): boolean {
  return raw !== true || listens;
}

const WAITING: Progress = { kind: "waiting" };

function isEnd({ kind }: Progress): boolean {
  return kind === "answered" || kind === "failed";
}

function clientOf(lab: Lab, query: RecordedQuery): Client {
  const { proto } = query;
  if (proto !== "tcp" && proto !== "udp" && proto !== "icmp") throw new Error(`cannot send ${proto}`);
  return lab.netns(query.from).inside(() => {
    const client = new Client({
      proto,
      ...endsOf(query),
      dport: query.dport ?? null,
      sport: query.sport ?? null,
      ttl: query.ttl ?? null,
      size: query.size ?? null,
      df: query.df ?? false,
      mark: query.mark ?? 0,
      uid: query.uid ?? 0,
    });
    client.ask();
    return client;
  });
}

function sendOwn(lab: Lab, query: RecordedQuery): string | null {
  const { src, dst, dev } = endsOf(query);
  const packet = rawPacket(query, src, dst);
  return lab.netns(query.from).inside(() => sendRaw(packet, dst, query.mark ?? 0, dev));
}

/** @throws Error for what is no address: a query is checked before it is sent */
function endsOf({ src, dst, dev }: RecordedQuery): {
  src: IpAddress | null;
  dst: IpAddress;
  dev: string | null;
} {
  const { address, zone } = splitZone(dst);
  const to = parseIp(address);
  if (to === undefined) throw new Error(`${dst} is no address`);
  return { dst: to, src: src === undefined ? null : (parseIp(src) ?? null), dev: dev ?? zone ?? null };
}
