import { IPPROTO_ICMPV6 } from "../packet/packet.ts";
import type { Outcome } from "../walk/trace.ts";
import { isBulk, isNotFinal } from "./excused.ts";
import type { RecordedFrame, RecordedProbe } from "./recorded.ts";

/** ICMP types that quote the packet they are about; a redirect is excused. */
const ICMP_ERRORS: ReadonlySet<number> = new Set([3, 4, 11, 12]);
/** ICMPv6's errors are the types below this one (RFC 4443 2.1). */
const FIRST_ICMPV6_QUERY = 128;

/** Rules of iptables and of nftables that send a packet's copy elsewhere. */
export const COPIES = /-j TEE|\bdup to\b/;

type IcmpError = Outcome["client"]["icmp"];

/**
 * The first difference between what a recorded client and ours were told; null: none.
 *
 * @param excused recorded packets that are an earlier probe's
 */
export function clientDifference(
  recorded: RecordedProbe,
  { client, frames, servers, rules }: Outcome,
  excused: ReadonlySet<number>,
): string | null {
  const { outcome, query } = recorded;
  const told = (name: string, theirs: unknown, mine: unknown): string | null =>
    theirs === mine
      ? null
      : `${name}: ${String(theirs ?? "none")} recorded, ${String(mine ?? "none")} modelled`;
  const own = outcome.client ?? {};
  const errors = shownErrors(query.from, frames);
  // An error about a copy, and an answer to the packet itself: whichever is there first.
  const isOfCopy = errors.length > 0 && servers.length > 0 && rules.some(({ text }) => COPIES.test(text));
  const heard =
    (isNotFinal(recorded) && ["ttl-exceeded", "unreachable"].includes(client.result)) ||
    isHeardByChance(client, errors) ||
    isOfCopy;
  // Who made a packet by hand has no socket to hear of errors: what the frames say is all there is.
  const hearsNone = query.listens === true || (isBulk(recorded) && recorded.framesOmitted === true);
  return (
    (heard ? null : told("result", resultOf(recorded), client.result)) ??
    (heard ? null : told("errno", outcome.errno, client.errno)) ??
    (hearsNone
      ? null
      : told(
          "icmp error",
          errorText(recordedError(recorded, excused)),
          errorText(ourError(recorded, client, errors[0])),
        )) ??
    told("reset from", outcome.reset?.from, client.reset?.from) ??
    (isOfCopy || isAnsweredByChance(recorded, client, servers)
      ? null
      : told("answered by", outcome.answeredBy, client.answeredBy)) ??
    (own.addr === undefined ? null : told("client address", own.addr, client.address)) ??
    (own.port === undefined ? null : told("client port", own.port, client.port)) ??
    (own.icmpId === undefined ? null : told("client's ICMP id", own.icmpId, client.icmpId)) ??
    told("own packet", outcome.ownPacket ?? false, client.ownPacket ?? false)
  );
}

/** The recorder of `ipvs-ipip` calls a time exceeded by what its errno would be. */
function resultOf({ outcome }: RecordedProbe): string {
  const { icmp, result } = outcome;
  return result === "unreachable" && icmp?.type === 11 ? "ttl-exceeded" : result;
}

/** The recorded client's ICMP error, unless it was one about an earlier probe's packets. */
function recordedError(
  { outcome, frames = [] }: RecordedProbe,
  excused: ReadonlySet<number>,
): RecordedProbe["outcome"]["icmp"] {
  const { icmp } = outcome;
  if (icmp === undefined) return undefined;
  const shown = (frame: RecordedFrame): boolean =>
    frame.icmp?.type === icmp.type && frame.icmp?.code === icmp.code && frame.ip?.src === icmp.from;
  const all = frames.filter(shown);
  if (all.length === 0) return icmp;
  return all.some((frame) => !excused.has(frame.pkt)) ? icmp : undefined;
}

/** The client's ICMP error; a recording shows it even where INPUT drops it. */
function ourError({ outcome }: RecordedProbe, client: Outcome["client"], shown: IcmpError): IcmpError {
  // What only passes by at an asker that is a router, too, some recorders tell and some do not.
  if (client.icmp === undefined) return outcome.icmp === undefined ? undefined : shown;
  // Who goes on waiting was told nothing: the recorder has seen the error on the wire, before it was translated back.
  const { icmp, result } = outcome;
  return result === "timeout" && errorText(icmp) === errorText(shown) ? shown : client.icmp;
}

/** The ICMP errors that come in at the client's host, in their order. */
function shownErrors(from: string, frames: Outcome["frames"]): NonNullable<IcmpError>[] {
  return frames.flatMap(({ host, direction, icmp, ip }) => {
    if (host !== from || direction !== "in" || icmp === undefined) return [];
    const isError = ip.proto === IPPROTO_ICMPV6 ? icmp.type < FIRST_ICMPV6_QUERY : ICMP_ERRORS.has(icmp.type);
    if (!isError) return [];
    const { type, code, mtu } = icmp;
    return [{ type, code, from: ip.src, ...(mtu === undefined ? {} : { mtu }) }];
  });
}

/** Of several errors a socket remembers the last (`sk_err`): which of them its process came to hear is the machine's time. */
function isHeardByChance({ result }: Outcome["client"], errors: readonly NonNullable<IcmpError>[]): boolean {
  if (result !== "refused" && result !== "unreachable") return false;
  return new Set(errors.map(({ type, code }) => `${type}/${code}`)).size > 1;
}

/** A rule may copy a packet, and both be served: whose answer is first is the machine's time. */
function isAnsweredByChance(
  { outcome, query }: RecordedProbe,
  client: Outcome["client"],
  servers: Outcome["servers"],
): boolean {
  const hosts = new Set(servers.map(({ host }) => host));
  const first = [outcome.answeredBy, client.answeredBy];
  return (query.count ?? 1) === 1 && first.every((host) => host !== undefined && hosts.has(host));
}

function errorText(
  icmp:
    | { readonly type: number; readonly code: number; readonly from: string; readonly mtu?: number }
    | undefined,
): string {
  if (icmp === undefined) return "none";
  return `${icmp.type}/${icmp.code} from ${icmp.from}${icmp.mtu ? ` mtu ${icmp.mtu}` : ""}`;
}
