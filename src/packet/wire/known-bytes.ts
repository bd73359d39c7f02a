import {
  ETH_P_ARP,
  INNER_IPIP,
  INNER_NONE,
  INNER_QUOTED,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isIcmp,
  isNeighbourDiscovery,
  type Packet,
  TCP_ACK,
  TCP_SYN,
} from "../packet.ts";
import { hasTcpOption, TCP_HEADER, TCPOPT_WINDOW, tcpHeaderLength } from "../tcp-options.ts";
import { ethernetLength } from "./ethernet.ts";
import { encodeIp } from "./frame.ts";
import { IPV4_HEADER } from "./ipv4.ts";
import { ipv6HeaderLength } from "./ipv6.ts";
import { UDP_HEADER } from "./udp.ts";
import { VXLAN_HEADER } from "./vxlan.ts";

/**
 * An IP packet's bytes, and which of them a real kernel would have written the same: identifications, sequence numbers,
 * time stamps, checksums (which a card may fill in later) and payload that no query gave are made up here.
 */
export interface KnownBytes {
  readonly bytes: Uint8Array;
  /** By byte: the bits of it that are known. */
  readonly known: Uint8Array;
  /** Where the transport's header ends, bytes from the IP header. */
  readonly payloadAt: number;
}

export function knownBytes(packet: Packet): KnownBytes {
  const bytes = encodeIp(packet);
  const known = new Uint8Array(bytes.length).fill(0xff);
  const payloadAt = ipHeader(packet, 0, known);
  if (packet.fragOffset !== 0) {
    if (!packet.payloadKnown) known.fill(0, payloadAt);
    return { bytes, known, payloadAt };
  }
  return { bytes, known, payloadAt: transport(packet, payloadAt, known) };
}

/** What one packet's header leaves open, from `at` on. Returns its end. */
function ipHeader(packet: Packet, at: number, known: Uint8Array): number {
  if (packet.family === 6) {
    if (packet.flowLabel < 0 && !packet.unlabelled) known.set([0xf0, 0, 0], at + 1);
    const header = ipv6HeaderLength(packet);
    if (packet.isFragment) known.fill(0, at + header - 4, at + header);
    return at + header;
  }
  known.fill(0, at + 4, at + 6);
  known.fill(0, at + 10, at + 12);
  return at + IPV4_HEADER;
}

/** The same of what IP carries. Returns where its payload begins. */
function transport(packet: Packet, at: number, known: Uint8Array): number {
  const { protocol, inner, encapsulation } = packet;
  if ((protocol === IPPROTO_IPIP || protocol === IPPROTO_IPV6) && inner !== null) {
    inside(inner, at, known);
    return at;
  }
  let payload = at;
  if (protocol === IPPROTO_TCP) payload = tcp(packet, at, known);
  else if (protocol === IPPROTO_UDP) {
    known.fill(0, at + 6, at + 8);
    payload = at + UDP_HEADER;
  } else if (protocol === IPPROTO_SCTP) {
    // Ports and the first chunk's type are known.
    known.fill(0, at + 4, at + 12);
    known.fill(0, at + 13);
    payload = at + 12;
  } else if (isIcmp(packet)) {
    known.fill(0, at + 2, at + 4);
    if (isNeighbourDiscovery(packet)) return known.length;
    if (encapsulation === INNER_NONE) known.fill(0, at + 4, at + 6);
    payload = at + 8;
  }
  if (inner === null) {
    if (!packet.payloadKnown) known.fill(0, payload);
  } else if (encapsulation === INNER_QUOTED || encapsulation === INNER_IPIP) inside(inner, payload, known);
  else {
    // A tunnel's own port is a hash of the flow inside, with a secret.
    known.fill(0, at, at + 2);
    if (inner.ethType !== ETH_P_ARP) inside(inner, payload + VXLAN_HEADER + ethernetLength(inner), known);
  }
  return payload;
}

function inside(packet: Packet, at: number, known: Uint8Array): void {
  const end = Math.min(known.length, at + packet.length);
  const own = new Uint8Array(Math.max(packet.length, 0)).fill(0xff);
  const payload = ipHeader(packet, 0, own);
  if (packet.fragOffset === 0) transport(packet, payload, own);
  else if (!packet.payloadKnown) own.fill(0, payload);
  if (at < end) known.set(own.subarray(0, end - at), at);
}

function tcp(packet: Packet, at: number, known: Uint8Array): number {
  const end = at + tcpHeaderLength(packet);
  const { tcpFlags } = packet;
  known.fill(0, at + 4, at + 8);
  if ((tcpFlags & TCP_ACK) !== 0) known.fill(0, at + 8, at + 12);
  known.fill(0, at + 14, at + 18);
  const options = at + TCP_HEADER;
  if ((tcpFlags & TCP_SYN) !== 0) {
    // Time stamps, the window's scale.
    known.fill(0, options + 8, Math.min(end, options + ((tcpFlags & TCP_ACK) === 0 ? 12 : 16)));
    known.fill(0, options + 19, end);
    // With neither of the two before it the scale moves up.
    if (end === options + 8 && hasTcpOption(packet, TCPOPT_WINDOW)) known.fill(0, options + 7, end);
  } else if (end > options) known.fill(0, options + 4, end);
  return end;
}
