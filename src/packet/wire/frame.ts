import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  INNER_DATAGRAM,
  INNER_GENEVE,
  INNER_IPIP,
  INNER_QUOTED,
  INNER_VXLAN,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  Packet,
} from "../packet.ts";
import { tcpHeaderLength } from "../tcp-options.ts";
import { ARP_LENGTH, decodeArp, encodeArp } from "./arp.ts";
import { decodeEthernet, encodeEthernet, ethernetLength } from "./ethernet.ts";
import { type Extent, fault, type WireFault } from "./fault.ts";
import { decodeGeneve, encodeGeneve, GENEVE_PORT } from "./geneve.ts";
import { decodeIcmp, encodeIcmp, ICMP_HEADER, quotesPacket } from "./icmp.ts";
import { decodeIcmpv6, encodeIcmpv6, ICMPV6_HEADER, quotesPacket6 } from "./icmpv6.ts";
import { decodeIpv4Header, encodeIpv4Header, IPV4_HEADER } from "./ipv4.ts";
import { decodeIpv6Header, encodeIpv6Header, ipv6HeaderLength } from "./ipv6.ts";
import { decodeSctp, encodeSctp, sctpHeaderLength } from "./sctp.ts";
import { decodeTcp, encodeTcp } from "./tcp.ts";
import { decodeUdp, encodeUdp, UDP_HEADER } from "./udp.ts";
import { decodeVxlan, encodeVxlan, VXLAN_HEADER, VXLAN_PORTS } from "./vxlan.ts";

/**
 * Whole frames: each header by its own file, put together. In this order, from the inside out, so that every checksum is
 * over bytes that stand already:
 *
 *     payload or inner frame → transport → (a fragment's part of it) → IP → Ethernet
 *
 * A model's packet has lengths, not contents: payload is written as `p`s. A fragment's part is cut from the whole datagram
 * it belongs to, so that its first fragment bears the checksum of the whole, as on a real cable.
 */

export const PAYLOAD_BYTE = 0x70;

/** A frame's bytes: from the Ethernet header on where the packet has one, else from the IP header on. */
export function encodeFrame(packet: Packet): Uint8Array {
  const body = packet.ethType === ETH_P_ARP ? encodedArp(packet) : encodeIp(packet);
  if (!packet.framed) return body;
  const header = ethernetLength(packet);
  const bytes = new Uint8Array(header + body.length);
  encodeEthernet(packet, bytes, 0);
  bytes.set(body, header);
  return bytes;
}

function encodedArp(packet: Packet): Uint8Array {
  const bytes = new Uint8Array(ARP_LENGTH);
  encodeArp(packet, bytes, 0);
  return bytes;
}

/** An IP packet's bytes, without a link's header. */
export function encodeIp(packet: Packet): Uint8Array {
  const bytes = new Uint8Array(packet.length);
  const datagram = encodeTransport(packet);
  const header = ipHeaderLength(packet);
  bytes.set(datagram.subarray(packet.fragOffset, packet.fragOffset + packet.length - header), header);
  if (packet.family === 6) encodeIpv6Header(packet, bytes, 0);
  else encodeIpv4Header(packet, bytes, 0);
  return bytes;
}

function ipHeaderLength(packet: Packet): number {
  return packet.family === 6 ? ipv6HeaderLength(packet) : IPV4_HEADER;
}

/** What IP carries, whole: of a fragment the datagram it belongs to. */
function encodeTransport(packet: Packet): Uint8Array {
  const { protocol, inner } = packet;
  if ((protocol === IPPROTO_IPIP || protocol === IPPROTO_IPV6) && inner !== null) return encodeIp(inner);
  if (packet.content !== null) return packet.content;
  const header = transportHeader(packet);
  const content = inner === null ? null : encodeInner(packet, inner);
  const bytes = new Uint8Array(transportLength(packet, header, content));
  bytes.fill(PAYLOAD_BYTE, header);
  if (content !== null) bytes.set(content.subarray(0, bytes.length - header), header);
  if (protocol === IPPROTO_TCP) encodeTcp(packet, bytes, 0, bytes.length);
  else if (protocol === IPPROTO_UDP) encodeUdp(packet, bytes, 0, bytes.length);
  else if (protocol === IPPROTO_SCTP) encodeSctp(packet, bytes, 0, bytes.length);
  else if (protocol === IPPROTO_ICMP) encodeIcmp(packet, bytes, 0, bytes.length);
  else if (protocol === IPPROTO_ICMPV6) encodeIcmpv6(packet, bytes, 0, bytes.length);
  return bytes;
}

function transportHeader(packet: Packet): number {
  switch (packet.protocol) {
    case IPPROTO_TCP:
      return tcpHeaderLength(packet);
    case IPPROTO_UDP:
      return UDP_HEADER;
    case IPPROTO_SCTP:
      return sctpHeaderLength(packet);
    case IPPROTO_ICMP:
      return ICMP_HEADER;
    case IPPROTO_ICMPV6:
      return ICMPV6_HEADER;
    default:
      return 0;
  }
}

/** A whole packet says its length itself; a fragment knows its datagram's payload, and that it lies within. */
function transportLength(packet: Packet, header: number, content: Uint8Array | null): number {
  const own = packet.length - ipHeaderLength(packet);
  if (!packet.isFragment) return Math.max(own, header);
  const whole = header + Math.max(packet.payload, content?.length ?? 0);
  return Math.max(whole, packet.fragOffset + own);
}

/** What holds a packet without a frame around it. */
const BARE: ReadonlySet<number> = new Set([INNER_QUOTED, INNER_IPIP, INNER_DATAGRAM]);

/** What is behind the transport's header when it is a packet: a tunnel's frame, or what an error quotes. */
function encodeInner(packet: Packet, inner: Packet): Uint8Array {
  if (BARE.has(packet.encapsulation)) return encodeIp(inner);
  const frame = encodeFrame(inner);
  // Both tunnels' headers are eight bytes.
  const bytes = new Uint8Array(VXLAN_HEADER + frame.length);
  if (packet.encapsulation === INNER_GENEVE) encodeGeneve(packet, bytes, 0);
  else encodeVxlan(packet, bytes, 0);
  bytes.set(frame, VXLAN_HEADER);
  return bytes;
}

export type Decoded = { readonly kind: "ok"; readonly packet: Packet } | WireFault;

/** A frame from its bytes, which may be cut off behind the headers. What is inside is decoded too: tunnels and quotes. */
export function decodeFrame(bytes: Uint8Array, vxlanPorts: readonly number[] = VXLAN_PORTS): Decoded {
  return decodeFrameAt(bytes, 0, vxlanPorts);
}

function decodeFrameAt(bytes: Uint8Array, at: number, vxlanPorts: readonly number[]): Decoded {
  const packet = new Packet();
  const wrong = decodeEthernet(bytes, at, packet);
  if (wrong !== null) return wrong;
  const body = at + ethernetLength(packet);
  switch (packet.ethType) {
    case ETH_P_IP:
    case ETH_P_IPV6:
      return ended(decodeIpAt(bytes, body, packet, vxlanPorts, "whole"), packet);
    case ETH_P_ARP:
      return ended(decodeArp(bytes, body, packet), packet);
    default:
      return fault(at + 12, `a frame of type 0x${packet.ethType.toString(16).padStart(4, "0")} is not known`);
  }
}

/** A packet of either family without a link's header. */
export function decodeIp(bytes: Uint8Array, vxlanPorts: readonly number[] = VXLAN_PORTS): Decoded {
  const packet = new Packet();
  const version = (bytes[0] ?? 0) >>> 4;
  packet.ethType = version === 6 ? ETH_P_IPV6 : ETH_P_IP;
  return ended(decodeIpAt(bytes, 0, packet, vxlanPorts, "whole"), packet);
}

function ended(wrong: WireFault | null, packet: Packet): Decoded {
  return wrong ?? { kind: "ok", packet };
}

/** The packet's EtherType says which family is expected. */
function decodeIpAt(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  vxlanPorts: readonly number[],
  extent: Extent,
): WireFault | null {
  const header =
    packet.ethType === ETH_P_IPV6 ? decodeIpv6Header(bytes, at, packet) : decodeIpv4Header(bytes, at, packet);
  if (typeof header !== "number") return header;
  if (packet.fragOffset !== 0) return null;
  const transport = at + header;
  const room = packet.length - header;
  switch (packet.protocol) {
    case IPPROTO_TCP:
      return decodeTcp(bytes, transport, packet, room, extent);
    case IPPROTO_UDP:
      return decodeDatagram(bytes, transport, packet, vxlanPorts, extent);
    case IPPROTO_SCTP:
      return decodeSctp(bytes, transport, packet, room, extent);
    case IPPROTO_ICMP:
      return (
        decodeIcmp(bytes, transport, packet, room, extent) ??
        (quotesPacket(packet.icmpType)
          ? decodeQuoted(bytes, transport + ICMP_HEADER, packet, vxlanPorts)
          : null)
      );
    case IPPROTO_ICMPV6:
      return (
        decodeIcmpv6(bytes, transport, packet, room, extent) ??
        (quotesPacket6(packet.icmpType)
          ? decodeQuoted(bytes, transport + ICMPV6_HEADER, packet, vxlanPorts)
          : null)
      );
    case IPPROTO_IPIP:
    case IPPROTO_IPV6: {
      const inner = new Packet();
      const wrong = decodeIpAt(bytes, transport, inner, vxlanPorts, extent);
      // Cut amid the headers of what it carries, a first fragment stays closed.
      if (wrong !== null) return packet.mf ? null : wrong;
      packet.inner = inner;
      packet.encapsulation = INNER_IPIP;
      return null;
    }
    default:
      return null;
  }
}

/** A datagram, and the frame in it where it is a tunnel's. What only bears the port of one stays closed. */
function decodeDatagram(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  vxlanPorts: readonly number[],
  extent: Extent,
): WireFault | null {
  const wrong = decodeUdp(bytes, at, packet, extent);
  if (wrong !== null || extent === "quoted") return wrong;
  if (packet.dport === GENEVE_PORT) {
    const header = decodeGeneve(bytes, at + UDP_HEADER, packet);
    if (typeof header === "number")
      decodeCarried(bytes, at + UDP_HEADER + header, packet, INNER_GENEVE, vxlanPorts);
    return null;
  }
  if (!vxlanPorts.includes(packet.dport)) return null;
  if (decodeVxlan(bytes, at + UDP_HEADER, packet) !== null) return null;
  decodeCarried(bytes, at + UDP_HEADER + VXLAN_HEADER, packet, INNER_VXLAN, vxlanPorts);
  return null;
}

/** The frame that a tunnel's datagram carries, where it can be read. */
function decodeCarried(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  encapsulation: number,
  vxlanPorts: readonly number[],
): void {
  const inner = decodeFrameAt(bytes, at, vxlanPorts);
  if (inner.kind !== "ok") return;
  packet.inner = inner.packet;
  packet.encapsulation = encapsulation;
}

function decodeQuoted(
  bytes: Uint8Array,
  at: number,
  packet: Packet,
  vxlanPorts: readonly number[],
): WireFault | null {
  const quoted = new Packet();
  quoted.ethType = packet.ethType;
  const wrong = decodeIpAt(bytes, at, quoted, vxlanPorts, "quoted");
  if (wrong !== null) return wrong;
  packet.inner = quoted;
  packet.encapsulation = INNER_QUOTED;
  return null;
}
