import { formatOnPath } from "../address/ip6-handle.ts";
import { formatIpv4 } from "../address/ipv4.ts";
import { formatMac, MAC_ZERO } from "../address/mac.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  INNER_DATAGRAM,
  INNER_QUOTED,
  INNER_VXLAN,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isNeighbourDiscovery,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  NDISC_REDIRECT,
  type Packet,
} from "../packet/packet.ts";

/** A packet in the words of the recordings, so that one decoded from bytes can be held against what was recorded of them. */

type Fields = Readonly<Record<string, unknown>>;

export function recordedForm(packet: Packet, quoted = false): Fields {
  return {
    ...(packet.framed
      ? {
          eth: {
            src: formatMac(packet.ethSrc),
            dst: formatMac(packet.ethDst),
            type: `0x${packet.ethType.toString(16).padStart(4, "0")}`,
          },
        }
      : {}),
    ...(packet.family === 6 ? { ip6: header6(packet) } : { ip: header4(packet) }),
    ...(packet.fragOffset === 0 ? transport(packet, quoted) : {}),
  };
}

function header6(packet: Packet): Fields {
  return {
    src: formatOnPath(6, packet.src),
    dst: formatOnPath(6, packet.dst),
    hlim: packet.ttl,
    proto: packet.protocol,
    len: packet.length,
    ...(packet.tos === 0 ? {} : { tclass: packet.tos }),
    ...(packet.isFragment ? { frag: { id: packet.id >>> 0, off: packet.fragOffset, more: packet.mf } } : {}),
  };
}

function header4(packet: Packet): Fields {
  return {
    src: formatIpv4(packet.src),
    dst: formatIpv4(packet.dst),
    ttl: packet.ttl,
    proto: packet.protocol,
    id: packet.id,
    len: packet.length,
    df: packet.df,
    ...(packet.tos === 0 ? {} : { tos: packet.tos }),
    ...(packet.mf ? { mf: true } : {}),
    ...(packet.fragOffset === 0 ? {} : { off: packet.fragOffset }),
  };
}

function transport(packet: Packet, quoted: boolean): Fields {
  const { sport, dport, inner } = packet;
  switch (packet.protocol) {
    case IPPROTO_TCP:
      if (quoted) return { tcp: { sport, dport } };
      return {
        tcp: {
          sport,
          dport,
          flags: [..."FSRPAUEC"].filter((_, bit) => (packet.tcpFlags >> bit) & 1).join(""),
          seq: packet.seq >>> 0,
          ack: packet.ack >>> 0,
          len: packet.payload,
        },
      };
    case IPPROTO_UDP: {
      const udp = { udp: { sport, dport, len: packet.payload + 8 } };
      if (packet.encapsulation === INNER_DATAGRAM && inner !== null)
        return { ...udp, datagram: recordedForm(inner) };
      if (packet.encapsulation !== INNER_VXLAN || inner === null) return udp;
      return { ...udp, vxlan: { vni: packet.vni, ...recordedForm(inner) } };
    }
    case IPPROTO_ICMP: {
      const { icmpType: type, icmpCode: code } = packet;
      const quotes = packet.encapsulation === INNER_QUOTED && inner !== null;
      return {
        icmp: {
          type,
          code,
          ...(quotes ? {} : { id: packet.icmpId, seq: packet.icmpSeq }),
          ...(type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED ? { mtu: packet.icmpInfo } : {}),
          ...(type === ICMP_REDIRECT ? { gateway: formatIpv4(packet.icmpInfo) } : {}),
          ...(quotes ? { orig: recordedForm(inner, true) } : {}),
        },
      };
    }
    case IPPROTO_ICMPV6: {
      if (isNeighbourDiscovery(packet)) return { ndp: discovery(packet) };
      const { icmpType: type, icmpCode: code } = packet;
      const quotes = packet.encapsulation === INNER_QUOTED && inner !== null;
      return {
        icmp: {
          type,
          code,
          ...(type < 128 ? {} : { id: packet.icmpId, seq: packet.icmpSeq }),
          ...(type === ICMPV6_PKT_TOOBIG ? { mtu: packet.icmpInfo >>> 0 } : {}),
          ...(type === ICMPV6_PARAMPROB ? { pointer: packet.icmpInfo >>> 0 } : {}),
          ...(quotes ? { orig: recordedForm(inner, true) } : {}),
        },
      };
    }
    case IPPROTO_IPIP:
    case IPPROTO_IPV6:
      return inner === null || quoted ? {} : { ipip: recordedForm(inner) };
    default:
      return {};
  }
}

function discovery(packet: Packet): Fields {
  const { icmpType: type, ndFlags } = packet;
  const flags = [..."RSO"].filter((_, bit) => (ndFlags >> (2 - bit)) & 1).join("");
  const names = type === NDISC_NEIGHBOUR_ADVERTISEMENT || type === NDISC_REDIRECT ? "tll" : "sll";
  return {
    type,
    ...(type >= NDISC_NEIGHBOUR_SOLICITATION ? { target: formatOnPath(6, packet.ndTarget) } : {}),
    ...(type === NDISC_REDIRECT ? { dst: formatOnPath(6, packet.ndDst) } : {}),
    ...(packet.ndLladdr === MAC_ZERO ? {} : { [names]: formatMac(packet.ndLladdr) }),
    ...(flags === "" ? {} : { flags }),
  };
}
