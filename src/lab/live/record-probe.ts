import { formatIpv4, parseIpv4 } from "../../address/ipv4.ts";
import { ETH_P_ARP, type Packet } from "../../packet/packet.ts";
import { type Decoded, decodeFrame, decodeIp } from "../../packet/wire/frame.ts";
import { VXLAN_HEADER, VXLAN_PORTS } from "../../packet/wire/vxlan.ts";
import type {
  RecordedArp,
  RecordedConntrack,
  RecordedFrame,
  RecordedOutcome,
  RecordedProbe,
  RecordedQuery,
} from "../recorded.ts";
import { recordedForm } from "../recorded-form.ts";
import { type CapturedFrame, inTimeOrder } from "./capture.ts";
import { Client, type Progress, sendRaw } from "./client.ts";
import type { Lab } from "./lab.ts";
import { errorName } from "./libc.ts";
import type { Served } from "./listeners.ts";
import { OpenQuestions } from "./open-questions.ts";
import { packetIdentity } from "./packet-identity.ts";
import { rawPacket } from "./raw-packet.ts";
import { readConntrack } from "./real-conntrack.ts";
import { type Endpoint, endpointText } from "./socket-address.ts";

/** How long a client waits: a while, or as long as an ARP question is asked (three times, a second apart). */
const PATIENCE_MS = 350;
const PATIENCE_WITH_ARP_MS = 3600;
/** Nothing for so long means that nothing more comes. */
const QUIET_MS = 6;

/** How long a probe's client waits for what may never come. */
export interface Patience {
  /** Milliseconds for an answer. */
  readonly answerMs: number;
  /** Milliseconds in all while an ARP question is open; less where the world's devices give up sooner (`retrans_time_ms`). */
  readonly arpMs: number;
  /** Milliseconds after which a question that nobody answered or repeated is open no more. */
  readonly questionMs: number;
}

const USUAL: Patience = { answerMs: PATIENCE_MS, arpMs: PATIENCE_WITH_ARP_MS, questionMs: 1500 };
/** However long the others' turns took: a client has been looked at so often before it gives up. */
const LEAST_LOOKS = 5;

/**
 * One probe on a real world: sent, captured at every device, and written down as the recordings are. It yields whenever it
 * has to wait for the kernel, so that several worlds can be probed side by side.
 *
 * Without the way through the rules: their counters stand for it.
 */
export function* recordProbe(
  lab: Lab,
  query: RecordedQuery,
  patience: Patience = USUAL,
): Generator<void, RecordedProbe> {
  lab.discard();
  const countersBefore = lab.counters();
  const began = Date.now();
  const served: Served[] = [];
  const captures: CapturedFrame[][] = [];
  const questions = new OpenQuestions();
  const look = (): number => {
    served.push(...lab.serve());
    let fresh = 0;
    for (const [i, list] of lab.captured().entries()) {
      for (const frame of list) {
        const decoding = decode(frame, lab.vxlanPorts);
        if (decoding !== null) questions.saw(frame, decoding);
      }
      captures[i] = [...(captures[i] ?? []), ...list];
      fresh += list.length;
    }
    return fresh;
  };

  const client = query.raw === true ? null : clientOf(lab, query);
  const failed = query.raw === true ? sendOwn(lab, query) : null;
  let progress = WAITING;
  for (let looks = 1; ; looks++) {
    look();
    progress = client?.progress() ?? WAITING;
    if (isEnd(progress) || failed !== null) break;
    const waited = Date.now() - began;
    const waits = questions.areOpen(patience.questionMs) && listens(query);
    const enough = waited > patience.arpMs || (waited > patience.answerMs && !waits);
    if (enough && looks >= LEAST_LOOKS) break;
    yield;
  }
  for (let quietSince = Date.now(); Date.now() - quietSince < QUIET_MS; ) {
    if (look() > 0) quietSince = Date.now();
    yield;
  }
  // Only now: what one namespace showed may be read after what came of it in another.
  const frames = inTimeOrder(captures).flatMap((frame): Decoding[] => {
    const packet = decode(frame, lab.vxlanPorts);
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
    query,
    outcome: outcomeOf(query, client, own, progress, served, frames, failed, conntrack),
    // What came while the counters were read may have been counted, or not.
    settled: lab.discard() === 0,
    frames: numbered(frames),
    arp: askedAndAnswered(frames),
    rulesHit,
    conntrack,
  };
  lab.hangUp();
  if (!isEarly) client?.close();
  return recorded;
}

/** Does the sender wait for what may come back? */
function listens({ raw, listens = false }: RecordedQuery): boolean {
  return raw !== true || listens;
}

const IPPROTO_IGMP = 2;

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
      dst: parseIpv4(query.dst) ?? 0,
      dport: query.dport ?? null,
      src: query.src === undefined ? null : (parseIpv4(query.src) ?? null),
      sport: query.sport ?? null,
      ttl: query.ttl ?? null,
      size: query.size ?? null,
      df: query.df ?? false,
      mark: query.mark ?? 0,
      uid: query.uid ?? 0,
      dev: query.dev ?? null,
    });
    client.ask();
    return client;
  });
}

function sendOwn(lab: Lab, query: RecordedQuery): string | null {
  const packet = rawPacket(query);
  return lab.netns(query.from).inside(() => sendRaw(packet, packet.dst, query.mark ?? 0, query.dev ?? null));
}

interface Decoding {
  readonly frame: CapturedFrame;
  readonly packet: Packet;
}

function decode(frame: CapturedFrame, vxlanPorts: readonly number[]): Packet | null {
  const ports = [...VXLAN_PORTS, ...vxlanPorts, ...tunnelPort(frame)];
  const decoded: Decoded = frame.framed ? decodeFrame(frame.bytes, ports) : decodeIp(frame.bytes, ports);
  // What is neither ARP nor IPv4 is not the model's business, nor are the hosts' own memberships of groups.
  if (decoded.kind !== "ok" || decoded.packet.protocol === IPPROTO_IGMP) return null;
  decoded.packet.framed = frame.framed;
  return decoded.packet;
}

const ETHERNET_HEADER = 14;
const IPPROTO_UDP = 17;
const UDP_HEADER = 8;
const VXLAN_FLAGS = 0x0800_0000;
const ETHERTYPES: ReadonlySet<number> = new Set([0x0800, 0x0806]);

/** A tunnel's packet whose destination port a rule has translated is known by its header: no probe's payload looks so. */
function tunnelPort({ bytes, framed }: CapturedFrame): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ip = framed ? ETHERNET_HEADER : 0;
  if (view.byteLength <= ip || view.getUint8(ip) >> 4 !== 4) return [];
  const udp = ip + (view.getUint8(ip) & 15) * 4;
  const inner = udp + UDP_HEADER + VXLAN_HEADER;
  if (view.byteLength < inner + ETHERNET_HEADER || view.getUint8(ip + 9) !== IPPROTO_UDP) return [];
  if ((view.getUint16(ip + 6) & 0x1fff) !== 0) return [];
  const isTunnel =
    view.getUint32(udp + UDP_HEADER) === VXLAN_FLAGS && ETHERTYPES.has(view.getUint16(inner + 12));
  return isTunnel ? [view.getUint16(udp + 2)] : [];
}

/** IP frames as a recording has them, packets numbered in the order in which they first appear. */
function numbered(decodings: readonly Decoding[]): RecordedFrame[] {
  const numbers = new Map<string, number>();
  const begin = decodings[0]?.frame.time ?? 0;
  return decodings
    .filter(({ packet }) => packet.ethType !== ETH_P_ARP)
    .map(({ frame, packet }) => {
      const identity = packetIdentity(packet);
      const pkt = numbers.get(identity) ?? numbers.size + 1;
      numbers.set(identity, pkt);
      return {
        t: Math.round(frame.time - begin),
        ns: frame.host,
        if: frame.device,
        dir: frame.direction,
        pkt,
        ...recordedForm(packet),
      };
    });
}

function askedAndAnswered(decodings: readonly Decoding[]): RecordedArp[] {
  const begin = decodings[0]?.frame.time ?? 0;
  return decodings.flatMap(({ frame, packet }) =>
    packet.ethType !== ETH_P_ARP
      ? []
      : [
          {
            t: Math.round(frame.time - begin),
            ns: frame.host,
            if: frame.device,
            dir: frame.direction,
            arp: { op: packet.arpOp, spa: formatIpv4(packet.src), tpa: formatIpv4(packet.dst) },
          },
        ],
  );
}

/** ICMP types that a socket takes for an error. */
const ERRORS: ReadonlySet<number> = new Set([3, 4, 11, 12]);
const TIME_EXCEEDED = 11;
const TCP_RST = 0x04;

function outcomeOf(
  query: RecordedQuery,
  client: Client | null,
  own: Endpoint | undefined,
  progress: Progress,
  served: readonly Served[],
  frames: readonly Decoding[],
  failed: string | null,
  conntrack: readonly RecordedConntrack[],
): RecordedOutcome {
  const came = frames.filter(({ frame }) => frame.host === query.from && frame.direction === "in");
  const error = came.find(({ packet }) => packet.protocol === 1 && ERRORS.has(packet.icmpType))?.packet;
  const form = error === undefined ? undefined : recordedForm(error);
  // A socket that goes on waiting was told of no error: what came is told as the wire showed it.
  const told = progress.kind === "waiting" ? [] : conntrack;
  const icmp = error === undefined ? undefined : errorOf(form as unknown as RecordedFrame, query, told);
  const head = {
    ...(own === undefined || query.raw === true
      ? {}
      : { client: query.proto === "icmp" ? { icmpId: query.sport ?? 0 } : clientText(endpointText(own)) }),
    ...(icmp === undefined ? {} : { icmp }),
    serverSaw: served,
  };
  if (query.raw === true) {
    return failed === null
      ? { ...head, result: "sent" }
      : { ...head, result: resultOf(failed, icmp), errno: failed };
  }
  if (progress.kind === "answered") {
    const answeredBy = query.proto === "icmp" ? progress.from : progress.text.trim() || undefined;
    const result = query.proto === "tcp" ? "connected" : "answered";
    return { ...head, result, ...(answeredBy === undefined ? {} : { answeredBy }) };
  }
  if (progress.kind === "connected") return { ...head, result: "connected" };
  if (progress.kind === "waiting") return { ...head, result: "timeout" };
  const name = errorName(progress.errno);
  const isEcho = query.proto === "icmp" && client?.hasAsked === true;
  const result = isEcho ? echoResult(icmp) : resultOf(name, icmp);
  const reset = came.some(({ packet }) => packet.protocol === 6 && (packet.tcpFlags & TCP_RST) !== 0);
  const errno = isEcho ? {} : { errno: name };
  // A socket takes a reset from its peer alone, whatever the wire showed before the host translated it back.
  const from = reset ? query.dst : undefined;
  return { ...head, result, ...errno, ...(from === undefined ? {} : { reset: { from } }) };
}

function clientText(text: string): { addr: string; port: number } {
  const [addr = "", port = ""] = text.split(":");
  return { addr, port: Number(port) };
}

/** As the socket sees it: where the sender's own host translated the request, it translates the error back too. */
function errorOf(
  { icmp, ip }: RecordedFrame,
  query: RecordedQuery,
  conntrack: readonly RecordedConntrack[],
): NonNullable<RecordedOutcome["icmp"]> {
  const { type = 0, code = 0, mtu, orig } = icmp ?? {};
  const translated = conntrack.some(
    ({ ns, orig: asked, reply }) =>
      ns === query.from &&
      asked.dst === query.dst &&
      (reply.src !== asked.dst || reply.sport !== asked.dport) &&
      reply.src === orig?.ip?.dst &&
      (reply.sport === undefined || reply.sport === (orig?.tcp ?? orig?.udp)?.dport),
  );
  const from = translated ? query.dst : (ip?.src ?? "");
  return { type, code, from, ...(mtu === undefined ? {} : { mtu }) };
}

/** What became of an echo request is told by the error that came, as ping(8) tells it. */
function echoResult(icmp: RecordedOutcome["icmp"]): string {
  return icmp?.type === TIME_EXCEEDED ? "ttl-exceeded" : "unreachable";
}

function resultOf(errno: string, icmp: RecordedOutcome["icmp"]): string {
  if (errno === "EPERM") return "blocked";
  if (errno === "EINVAL") return "invalid";
  if (errno === "EMSGSIZE") return "too-big";
  if (errno === "EADDRNOTAVAIL") return "no-address";
  if (icmp?.type === TIME_EXCEEDED && errno === "EHOSTUNREACH") return "ttl-exceeded";
  return errno === "ECONNREFUSED" ? "refused" : "unreachable";
}
