import {
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  INNER_DATAGRAM,
  INNER_IPIP,
  INNER_VXLAN,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  isNeighbourDiscovery,
  type Packet,
  TCP_CWR,
  TCP_ECE,
  TCP_RST,
} from "../../packet/packet.ts";

/** What ECN may take from a segment (`xt_ECN.c`). */
const TCP_CONGESTION = TCP_ECE | TCP_CWR;

/**
 * By what a packet is known again at its next hop: whatever translation, forwarding, tunnels and rules leave as it is.
 * Addresses, ports, TTL, MACs and TCP options change on the way; the IP identification (of IPv6 the flow label), sequence
 * numbers and flags but those of congestion do not.
 *
 * @param movesSequences a proxy on the way moves TCP's sequence numbers: a segment is then known by its identification, where it has one, and a reset by being one
 */
export function packetIdentity(packet: Packet, movesSequences = false): string {
  const { inner, encapsulation } = packet;
  const carries =
    encapsulation === INNER_VXLAN || encapsulation === INNER_IPIP || encapsulation === INNER_DATAGRAM;
  if (inner !== null && carries) {
    return packetIdentity(inner, movesSequences);
  }
  // The first fragment is the packet itself, cut off; without an identification nothing can be cut.
  const size = packet.id === 0 ? lastingSize(packet) : "";
  const head = `${packet.protocol} ${packet.id} ${packet.fragOffset} ${size}`;
  if (packet.fragOffset > 0) return head;
  switch (packet.protocol) {
    case IPPROTO_TCP: {
      const flags = packet.tcpFlags & ~TCP_CONGESTION;
      // What of IPv6 stands here is a flow's label, which its segments share.
      const isNumbered = movesSequences && packet.family === 4;
      if (isNumbered && (packet.id !== 0 || (flags & TCP_RST) !== 0)) return `${head} ${flags}`;
      return `${head} ${flags} ${packet.seq} ${packet.ack}`;
    }
    case IPPROTO_ICMP: {
      const echo = packet.icmpType === ICMP_ECHO || packet.icmpType === ICMP_ECHOREPLY;
      return `${head} ${packet.icmpType} ${packet.icmpCode} ${echo ? packet.icmpSeq : packet.icmpInfo}`;
    }
    case IPPROTO_ICMPV6: {
      const { icmpType, icmpCode, icmpSeq, icmpInfo, ndTarget, ndFlags } = packet;
      if (isNeighbourDiscovery(packet)) return `${head} ${icmpType} ${packet.src} ${ndTarget} ${ndFlags}`;
      const echo = icmpType === ICMPV6_ECHO_REQUEST || icmpType === ICMPV6_ECHO_REPLY;
      // Errors about pieces of one datagram have one flow label.
      const about = inner === null ? "" : ` about ${packetIdentity(inner, movesSequences)}`;
      return `${head} ${icmpType} ${icmpCode} ${echo ? icmpSeq : icmpInfo}${about}`;
    }
    default:
      return head;
  }
}

/** A SYN without options is four bytes longer once TCPMSS has given it one (`tcpmss_mangle_packet`). */
function lastingSize({ protocol, fragOffset, payload, length }: Packet): number {
  return protocol === IPPROTO_TCP && fragOffset === 0 ? payload : length;
}
