import { parseIpv4 } from "../../address/ipv4.ts";
import { ICMP_ECHO, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, Packet } from "../../packet/packet.ts";
import { IPV4_HEADER } from "../../packet/wire/ipv4.ts";
import { parseFlagLetters } from "../../walk/packet-view.ts";
import type { RecordedQuery } from "../recorded.ts";

const HEADERS = { tcp: 20, udp: 8, icmp: 8 } as const;

/** What `conversation.ts` sends for a raw query when nothing says how long it is. */
const DEFAULT_SIZE = { tcp: 0, udp: 0, icmp: 8 } as const;

/** The packet that a query with `raw` is about; an absent source is filled in by the kernel (raw(7)). */
export function rawPacket(query: RecordedQuery): Packet {
  const proto = query.proto as keyof typeof HEADERS;
  const packet = new Packet();
  packet.src = query.src === undefined ? 0 : (parseIpv4(query.src) ?? 0);
  packet.dst = parseIpv4(query.dst) ?? 0;
  packet.ttl = query.ttl ?? 64;
  packet.df = query.df ?? false;
  packet.protocol = { tcp: IPPROTO_TCP, udp: IPPROTO_UDP, icmp: IPPROTO_ICMP }[proto];
  packet.payload = query.size ?? DEFAULT_SIZE[proto];
  packet.length = IPV4_HEADER + HEADERS[proto] + packet.payload;
  packet.sport = query.sport ?? 0;
  packet.dport = query.dport ?? 0;
  packet.icmpType = proto === "icmp" ? ICMP_ECHO : 0;
  packet.icmpId = query.sport ?? 0;
  packet.icmpSeq = 1;
  packet.tcpFlags = parseFlagLetters(query.flags ?? "S") ?? 0;
  return packet;
}
