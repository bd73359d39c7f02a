import type { Family } from "../address/ip.ts";
import { hopLimit, unicastHopLimit } from "../kernel/route/hop-limit.ts";
import type { Stack } from "../kernel/stack.ts";
import {
  ETH_P_IP,
  ETH_P_IPV6,
  headerLength,
  ICMP_ECHO,
  ICMPV6_ECHO_REQUEST,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
} from "../packet/packet.ts";
import { PAYLOAD_BYTE } from "../packet/wire/frame.ts";
import { DEFAULT_PAYLOAD, MESSAGE_BYTES } from "./packet-size.ts";
import type { Query } from "./query.ts";

/** What the packets that sockets send have in common, of both families. */

/** Make a fresh packet one of a family. */
export function ofFamily(packet: Packet, family: Family): Packet {
  packet.family = family;
  packet.ethType = family === 6 ? ETH_P_IPV6 : ETH_P_IP;
  return packet;
}

/** The number of a query's protocol in its family. */
export function protocolOf({
  proto,
  family,
  protocol,
}: Pick<Query, "proto" | "family" | "protocol">): number {
  if (proto === "ip") return protocol;
  if (proto === "tcp") return IPPROTO_TCP;
  if (proto === "udp") return IPPROTO_UDP;
  if (proto === "sctp") return IPPROTO_SCTP;
  return family === 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

/** A datagram between two ports, or an echo request. */
export function fillMessage(
  packet: Packet,
  proto: "udp" | "icmp",
  ports: { readonly sport: number; readonly dport: number; readonly icmpId: number },
  payload: number,
): void {
  const family: Family = packet.family === 6 ? 6 : 4;
  packet.protocol = protocolOf({ proto, family, protocol: 0 });
  if (proto === "udp") {
    packet.sport = ports.sport;
    packet.dport = ports.dport;
  } else {
    packet.icmpType = family === 6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO;
    packet.icmpId = ports.icmpId;
    packet.icmpSeq = 1;
  }
  packet.payload = payload;
  packet.length = headerLength(packet) + MESSAGE_BYTES + payload;
}

/** A bare packet: a payload behind the IP header, of whose bytes as much is known as the query says. */
export function fillBare(packet: Packet, { protocol, size, content }: Query): void {
  packet.protocol = protocol;
  packet.content = content ?? (size === null ? null : new Uint8Array(size).fill(PAYLOAD_BYTE));
  packet.payload = packet.content?.length ?? DEFAULT_PAYLOAD;
  packet.payloadKnown = packet.content !== null;
  packet.length = headerLength(packet) + packet.payload;
}

/** No hop limit said: that of the route, which is the device's (`ip6_dst_hoplimit`); of IPv4 the host's. */
export function fillHopLimit(stack: Stack, packet: Packet): void {
  if (packet.ttl === 0) {
    packet.ttl = packet.protocol === IPPROTO_TCP ? unicastHopLimit(stack, packet) : hopLimit(stack, packet);
  }
}

/** May a socket of the host send from an address (`ipv6_chk_addr`)? */
export function hasAddress(stack: Stack, family: Family, address: number): boolean {
  if (family === 4) return stack.isLocal(address);
  return stack.net.devices.some(({ addresses6 }) =>
    addresses6.some((entry) => entry.address === address && entry.usable),
  );
}
