import { formatOnPath } from "../address/ip6-handle.ts";
import { IPS_ASSURED, IPS_SEEN_REPLY } from "../kernel/conntrack/status.ts";
import { TCP_CONNTRACK_NAMES } from "../kernel/conntrack/tcp.ts";
import type { Stack } from "../kernel/stack.ts";
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from "../packet/packet.ts";
import type { ConntrackView, TupleView } from "./trace.ts";

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmpv6",
  132: "sctp",
};

/** A host's connection tracking entries, as `conntrack -L` prints them. */
export function conntrackView(stack: Stack): ConntrackView[] {
  const table = stack.conntrack;
  const views: ConntrackView[] = [];
  table.forEach((ct) => {
    const proto = table.proto(ct);
    const family = table.family(ct);
    const status = table.status(ct);
    const flags: string[] = [];
    if ((status & IPS_SEEN_REPLY) === 0) flags.push("UNREPLIED");
    if ((status & IPS_ASSURED) !== 0) flags.push("ASSURED");
    const mark = table.mark(ct) >>> 0;
    views.push({
      host: stack.net.name,
      proto: PROTOCOLS[proto] ?? "unknown",
      ...(proto === IPPROTO_TCP ? { state: TCP_CONNTRACK_NAMES[table.tcpState(ct)] as string } : {}),
      orig: tuple(
        family,
        proto,
        table.origSrc(ct),
        table.origDst(ct),
        table.origSport(ct),
        table.origDport(ct),
      ),
      reply: tuple(
        family,
        proto,
        table.replySrc(ct),
        table.replyDst(ct),
        table.replySport(ct),
        table.replyDport(ct),
      ),
      flags,
      ...(mark === 0 ? {} : { mark }),
      ...(table.freePort(ct) ? { free: true as const } : {}),
    });
  });
  return views;
}

function tuple(
  family: number,
  proto: number,
  src: number,
  dst: number,
  sport: number,
  dport: number,
): TupleView {
  const ends = { src: formatOnPath(family, src), dst: formatOnPath(family, dst) };
  if (proto === IPPROTO_ICMP || proto === IPPROTO_ICMPV6)
    return { ...ends, type: dport >> 8, code: dport & 0xff, id: sport };
  if (proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === 132) return { ...ends, sport, dport };
  return ends;
}
