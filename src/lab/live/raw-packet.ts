import { familyOfAddress, type IpAddress } from "../../address/ip.ts";
import { addressOnPath } from "../../address/ip6-handle.ts";
import { extensionBytes } from "../../packet/extension.ts";
import {
  ETH_P_IPV6,
  headerLength,
  ICMP_ECHO,
  ICMPV6_ECHO_REQUEST,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  Packet,
} from "../../packet/packet.ts";
import { PAYLOAD_BYTE } from "../../packet/wire/frame.ts";
import { DEFAULT_PAYLOAD } from "../../walk/packet-size.ts";
import { parseFlagLetters } from "../../walk/packet-view.ts";
import { fillInit } from "../../walk/sctp-ends.ts";
import { bareProtocol, bytesOf, extensionsOf } from "../bare-query.ts";
import type { RecordedQuery } from "../recorded.ts";

const HEADERS = { tcp: 20, udp: 8, icmp: 8 } as const;

/** What `conversation.ts` sends for a raw query when nothing says how long it is. */
const DEFAULT_SIZE = { tcp: 0, udp: 0, icmp: 8 } as const;

/** The packet that a query with `raw` is about; an absent source is filled in by the kernel (raw(7)). */
export function rawPacket(query: RecordedQuery, src: IpAddress | null, dst: IpAddress): Packet {
  const packet = new Packet();
  packet.family = familyOfAddress(dst);
  const isOf6 = packet.family === 6;
  if (isOf6) packet.ethType = ETH_P_IPV6;
  packet.src = src === null ? 0 : addressOnPath(src);
  packet.dst = addressOnPath(dst);
  packet.ttl = query.ttl ?? 64;
  packet.df = query.df ?? false;
  packet.mf = query.mf ?? false;
  const bare = bareProtocol(query.proto);
  if (bare !== null) {
    packet.protocol = bare;
    packet.content = bytesOf(query) ?? new Uint8Array(query.size ?? DEFAULT_PAYLOAD).fill(PAYLOAD_BYTE);
    packet.payload = packet.content.length;
    packet.length = headerLength(packet) + packet.payload;
    return packet;
  }
  if (query.proto === "sctp") {
    fillInit(packet, query.sport ?? 0, query.dport ?? 0);
    return packet;
  }
  const proto = query.proto as keyof typeof HEADERS;
  const icmp = isOf6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  packet.protocol = { tcp: IPPROTO_TCP, udp: IPPROTO_UDP, icmp }[proto];
  packet.payload = query.size ?? DEFAULT_SIZE[proto];
  packet.length = headerLength(packet) + HEADERS[proto] + packet.payload;
  packet.extensions = extensionsOf(query);
  packet.length += extensionBytes(packet.extensions);
  packet.sport = query.sport ?? 0;
  packet.dport = query.dport ?? 0;
  packet.icmpType = proto !== "icmp" ? 0 : isOf6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO;
  packet.icmpId = query.sport ?? 0;
  packet.icmpSeq = 1;
  packet.tcpFlags = parseFlagLetters(query.flags ?? "S") ?? 0;
  return packet;
}
