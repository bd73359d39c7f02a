import { formatIp } from "../../address/ip.ts";
import { splitZone } from "../../address/ipv6.ts";
import {
  ICMP_TIME_EXCEEDED,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_TIME_EXCEED,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  type Packet,
  TCP_RST,
} from "../../packet/packet.ts";
import type { RecordedConntrack, RecordedOutcome, RecordedPacket, RecordedQuery } from "../recorded.ts";
import { recordedForm } from "../recorded-form.ts";
import { packetInOneForm } from "../recorded-ip6.ts";
import type { Decoding } from "./captured-packets.ts";
import type { Client, Progress } from "./client.ts";
import { errorName } from "./libc.ts";
import type { Served } from "./listeners.ts";
import { packetIdentity } from "./packet-identity.ts";
import type { Endpoint } from "./socket-address.ts";

/** ICMP types that a socket takes for an error; of ICMPv6 all below the first query (RFC 4443 2.1). */
const ERRORS: ReadonlySet<number> = new Set([3, 4, 11, 12]);
const FIRST_ICMPV6_QUERY = 128;

/** What came of a probe, as its sender and the servers saw it. */
export function outcomeOf(
  query: RecordedQuery,
  client: Client | null,
  own: Endpoint | undefined,
  progress: Progress,
  served: readonly Served[],
  frames: readonly Decoding[],
  failed: string | null,
  conntrack: readonly RecordedConntrack[],
): RecordedOutcome {
  const atHome = frames.filter(({ frame }) => frame.host === query.from);
  const came = atHome.filter(({ frame }) => frame.direction === "in");
  const asker = own === undefined ? [] : ownAddresses(own, atHome);
  const error = atHome.find(
    (each, i) =>
      each.frame.direction === "in" && isError(each.packet) && !isPassedOn(each, atHome.slice(i + 1), asker),
  )?.packet;
  // A client that goes on waiting has not heard of the error: INPUT dropped it before it was translated back.
  const heard = progress.kind === "waiting" ? [] : conntrack;
  const icmp = error === undefined ? undefined : errorOf(inOneForm(error), query, heard);
  // A socket that could not have the address that it was to have has none.
  const homeless = progress.kind === "failed" && errorName(progress.errno) === "EADDRNOTAVAIL";
  const head = {
    ...(own === undefined || query.raw === true || homeless
      ? {}
      : {
          client:
            query.proto === "icmp"
              ? { icmpId: query.sport ?? 0 }
              : { addr: formatIp(own.address), port: own.port },
        }),
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
  const reset = came.some(
    ({ packet }) => packet.protocol === IPPROTO_TCP && (packet.tcpFlags & TCP_RST) !== 0,
  );
  const errno = isEcho ? {} : { errno: name };
  // A socket takes a reset from its peer alone, whatever the wire showed before the host translated it back.
  const from = reset ? splitZone(query.dst).address : undefined;
  return { ...head, result, ...errno, ...(from === undefined ? {} : { reset: { from } }) };
}

function isError({ protocol, icmpType, fragOffset }: Packet): boolean {
  if (fragOffset !== 0) return false;
  return protocol === IPPROTO_ICMPV6
    ? icmpType < FIRST_ICMPV6_QUERY
    : protocol === IPPROTO_ICMP && ERRORS.has(icmpType);
}

/** What the asker goes by: its socket's address, which an echo's has none of, and the one that its question left with. */
function ownAddresses(own: Endpoint, atHome: readonly Decoding[]): string[] {
  const asked = atHome.find(({ frame }) => frame.direction === "out");
  return [formatIp(own.address), ...(asked === undefined ? [] : [inOneForm(asked.packet).ip?.src ?? ""])];
}

function inOneForm(packet: Packet): RecordedPacket {
  return packetInOneForm(recordedForm(packet) as RecordedPacket);
}

/** An asker that is a router, too: an error that leaves again is another host's, though it may come back for this one. */
function isPassedOn({ packet }: Decoding, later: readonly Decoding[], askers: readonly string[]): boolean {
  // What leaves of one for the asker itself is a copy (TEE).
  if (askers.includes(inOneForm(packet).ip?.dst ?? "")) return false;
  const identity = packetIdentity(packet);
  const next = later.find((other) => packetIdentity(other.packet) === identity);
  // What an ifb is handed leaves it, too, but goes nowhere.
  return next?.frame.direction === "out" && next.packet.ttl < packet.ttl;
}

/** As the socket sees it: where the sender's own host translated the request, it translates the error back too. */
function errorOf(
  { icmp, ip }: RecordedPacket,
  query: RecordedQuery,
  conntrack: readonly RecordedConntrack[],
): NonNullable<RecordedOutcome["icmp"]> {
  const { type = 0, code = 0, mtu, orig } = icmp ?? {};
  const { address: dst } = splitZone(query.dst);
  const translated = conntrack.some(
    ({ ns, orig: asked, reply }) =>
      ns === query.from &&
      asked.dst === dst &&
      (reply.src !== asked.dst || reply.sport !== asked.dport) &&
      reply.src === orig?.ip?.dst &&
      (reply.sport === undefined || reply.sport === (orig?.tcp ?? orig?.udp)?.dport),
  );
  const from = translated ? dst : (ip?.src ?? "");
  return { type, code, from, ...(mtu === undefined ? {} : { mtu }) };
}

/** What became of an echo request is told by the error that came, as ping(8) tells it. */
function echoResult(icmp: RecordedOutcome["icmp"]): string {
  if (icmp?.from.includes(":") && icmp.type === ICMPV6_PKT_TOOBIG) return "too-big";
  return isTimeExceeded(icmp) ? "ttl-exceeded" : "unreachable";
}

function isTimeExceeded(icmp: RecordedOutcome["icmp"]): boolean {
  return icmp?.type === (icmp?.from.includes(":") ? ICMPV6_TIME_EXCEED : ICMP_TIME_EXCEEDED);
}

function resultOf(errno: string, icmp: RecordedOutcome["icmp"]): string {
  if (errno === "EPERM") return "blocked";
  if (errno === "EINVAL") return "invalid";
  if (errno === "EMSGSIZE") return "too-big";
  if (errno === "EADDRNOTAVAIL") return "no-address";
  if (isTimeExceeded(icmp) && errno === "EHOSTUNREACH") return "ttl-exceeded";
  return errno === "ECONNREFUSED" ? "refused" : "unreachable";
}
