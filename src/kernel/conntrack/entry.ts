import { type Family, familyOfAddress, type IpAddress } from "../../address/ip.ts";
import { addressOnPath, plainAddress } from "../../address/ip6-handle.ts";
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, KEY_IPV6 } from "../../packet/packet.ts";
import { SCTP_CONNTRACK_NAMES } from "./sctp.ts";
import { IPS_ASSURED, IPS_DST_NAT, IPS_NAT_DONE_MASK, IPS_SEEN_REPLY, IPS_SRC_NAT } from "./status.ts";
import type { ConntrackTable } from "./table.ts";
import { TCP_CONNTRACK_NAMES } from "./tcp.ts";
import { type ZoneDirection, zoneDirection, zoneOf } from "./zone.ts";

/** One end-to-end half of a connection, as its packets look. Of ICMP `sport` is the id, `dport` type << 8 | code. */
export interface ConntrackTuple {
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly sport: number;
  readonly dport: number;
}

/** A connection as plain state: what `conntrack -L` tells of it. */
export interface ConntrackEntry {
  readonly protocol: number;
  readonly orig: ConntrackTuple;
  readonly reply: ConntrackTuple;
  /** Seconds left; null where none are counted (a flow that hardware or a flow table carries). */
  readonly timeout: number | null;
  /** Of TCP and SCTP one of `statesOf`; of others as printed, null where they have none. */
  readonly state: string | null;
  /** Has it been answered? */
  readonly replied: boolean;
  readonly assured: boolean;
  /** Unsigned. */
  readonly mark: number;
  readonly zone: number;
  /** Whose tuples it keeps apart. */
  readonly zoneDirection: ZoneDirection;
}

/** The names of a protocol's states, by number; null where it has none. */
export function statesOf(protocol: number): readonly string[] | null {
  if (protocol === IPPROTO_TCP) return TCP_CONNTRACK_NAMES;
  return protocol === IPPROTO_SCTP ? SCTP_CONNTRACK_NAMES : null;
}

export function familyOfEntry({ orig }: ConntrackEntry): Family {
  return familyOfAddress(orig.src);
}

/** Is it of ICMP or ICMPv6, whose tuples have an id instead of ports? */
export function isIcmpEntry(entry: ConntrackEntry): boolean {
  return entry.protocol === (familyOfEntry(entry) === 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/** A table's connections, in the order of their making. */
export function entriesOf(table: ConntrackTable): ConntrackEntry[] {
  const entries: ConntrackEntry[] = [];
  table.forEach((ct) => {
    entries.push(entryAt(table, ct));
  });
  return entries;
}

export function entryAt(table: ConntrackTable, ct: number): ConntrackEntry {
  const family = table.family(ct);
  const protocol = table.proto(ct);
  const status = table.status(ct);
  const address = (one: number): IpAddress => plainAddress(family, one);
  return {
    protocol,
    orig: {
      src: address(table.origSrc(ct)),
      dst: address(table.origDst(ct)),
      sport: table.origSport(ct),
      dport: table.origDport(ct),
    },
    reply: {
      src: address(table.replySrc(ct)),
      dst: address(table.replyDst(ct)),
      sport: table.replySport(ct),
      dport: table.replyDport(ct),
    },
    timeout:
      table.extensions.flowtable(ct) !== 0
        ? null
        : Math.max(0, Math.floor((table.expires(ct) - table.now) / 1000)),
    state: statesOf(protocol)?.[table.tcpState(ct)] ?? null,
    replied: (status & IPS_SEEN_REPLY) !== 0,
    assured: (status & IPS_ASSURED) !== 0,
    mark: table.mark(ct) >>> 0,
    zone: table.zone(ct) & 0xffff,
    zoneDirection: zoneDirection(table.zone(ct)),
  };
}

/** How long a connection lives of which the list does not say it: an established one's, five days. */
const UNCOUNTED_SECONDS = 432_000;

/**
 * Take connections over into a table, as if their packets had passed: confirmed, and bound to the translation that their
 * tuples show (`ctnetlink_create_conntrack`).
 *
 * @returns those that could not be: one of their tuples is another's already
 */
export function addEntries(table: ConntrackTable, entries: readonly ConntrackEntry[]): ConntrackEntry[] {
  const refused: ConntrackEntry[] = [];
  for (const entry of entries) {
    const { protocol, orig, reply, timeout, state, replied, assured, mark, zone, zoneDirection: way } = entry;
    const key = familyOfEntry(entry) === 6 ? protocol | KEY_IPV6 : protocol;
    const ct = table.create(
      addressOnPath(orig.src),
      addressOnPath(orig.dst),
      orig.sport,
      orig.dport,
      reply.sport,
      reply.dport,
      key,
      zoneOf(zone, way),
    );
    const [src, dst] = [addressOnPath(reply.src), addressOnPath(reply.dst)];
    table.alterReply(ct, src, dst, reply.sport, reply.dport);
    const ports = !isIcmpEntry(entry);
    let status = IPS_NAT_DONE_MASK;
    if (table.origSrc(ct) !== dst || (ports ? orig.sport !== reply.dport : orig.sport !== reply.sport))
      status |= IPS_SRC_NAT;
    if (table.origDst(ct) !== src || (ports && orig.dport !== reply.sport)) status |= IPS_DST_NAT;
    if (replied) status |= IPS_SEEN_REPLY;
    if (assured) status |= IPS_ASSURED;
    table.setStatus(ct, status);
    table.setMark(ct, mark | 0);
    table.refresh(ct, (timeout ?? UNCOUNTED_SECONDS) * 1000);
    const states = statesOf(protocol);
    if (states !== null) table.setTcpState(ct, states.indexOf(state ?? ""));
    // What had been answered for two seconds is a stream; its next packet renews it as one.
    else if (assured) table.setStreamAt(ct, table.now - 1);
    if (!table.confirm(ct)) {
      table.remove(ct);
      refused.push(entry);
    }
  }
  table.sweep();
  return refused;
}
