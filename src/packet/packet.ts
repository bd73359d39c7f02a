import { type Extension, extensionBytes } from "./extension.ts";

/**
 * One packet in flight: the fields of the headers that steer it, and what the kernel keeps beside them in its `sk_buff`.
 *
 * Everything is a small integer, so that a pooled packet is rewritten in place and nothing is allocated per packet.
 * An IPv4 address is its 32 bits as a signed int32, an IPv6 address an interned handle (`address/ip6-handle.ts`), a MAC one of
 * another kind (`address/mac.ts`); which of the first two a packet holds, `family` says, and every key made of an address
 * says so too (`protocolKey`, `deviceKey`). `inner` is the packet
 * carried (VXLAN, IPIP) or quoted (an ICMP error). One owner at a time: who releases a packet must not touch it again.
 *
 * This file is code that runs per packet.
 */

export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_IPV6 = 0x86dd;

export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_IPIP = 4;
/** IPv6 in whatever carries it. */
export const IPPROTO_IPV6 = 41;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_GRE = 47;
export const IPPROTO_AH = 51;
export const IPPROTO_PIM = 103;
export const IPPROTO_UDPLITE = 136;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_SCTP = 132;

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const TCP_ECE = 0x40;
export const TCP_CWR = 0x80;

export const ICMP_ECHOREPLY = 0;
export const ICMP_DEST_UNREACH = 3;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETERPROB = 12;

export const ICMPV6_DEST_UNREACH = 1;
export const ICMPV6_PKT_TOOBIG = 2;
export const ICMPV6_TIME_EXCEED = 3;
export const ICMPV6_PARAMPROB = 4;
export const ICMPV6_ECHO_REQUEST = 128;
export const ICMPV6_ECHO_REPLY = 129;
export const ICMPV6_MLD_QUERY = 130;
export const NDISC_ROUTER_SOLICITATION = 133;
export const NDISC_ROUTER_ADVERTISEMENT = 134;
export const NDISC_NEIGHBOUR_SOLICITATION = 135;
export const NDISC_NEIGHBOUR_ADVERTISEMENT = 136;
export const NDISC_REDIRECT = 137;

export const ICMPV6_NOROUTE = 0;
export const ICMPV6_ADM_PROHIBITED = 1;
export const ICMPV6_NOT_NEIGHBOUR = 2;
export const ICMPV6_ADDR_UNREACH = 3;
export const ICMPV6_PORT_UNREACH = 4;
export const ICMPV6_POLICY_FAIL = 5;
export const ICMPV6_REJECT_ROUTE = 6;

/** `Packet.ndFlags` of a neighbour advertisement: from a router, solicited, override. */
export const ND_ROUTER = 4;
export const ND_SOLICITED = 2;
export const ND_OVERRIDE = 1;

export const ICMP_NET_UNREACH = 0;
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
export const ICMP_FRAG_NEEDED = 4;
export const ICMP_PKT_FILTERED = 13;

export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;

/** `skb->pkt_type` (linux/if_packet.h): whom the frame was addressed to, as seen by the device that received it. */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;
export const PACKET_LOOPBACK = 5;

/** `Packet.encapsulation`: why there is an `inner`. */
export const INNER_NONE = 0;
export const INNER_QUOTED = 1;
export const INNER_VXLAN = 2;
export const INNER_IPIP = 3;
export const INNER_GENEVE = 4;
/** A whole IP packet as a datagram's payload, by a daemon with a TUN. */
export const INNER_DATAGRAM = 5;

/** `Packet.rtInput`: what `dst->input` would do with a packet that was routed in. */
export const RT_NONE = 0;
export const RT_LOCAL_DELIVER = 1;
export const RT_FORWARD = 2;
export const RT_ERROR = 3;
export const RT_OUTPUT = 4;

/** Purpose of a packet in the conversation it belongs to; shown as `phase` in a trace. */
export const PHASE_REQUEST = 0;
export const PHASE_REPLY = 1;
export const PHASE_ERROR = 2;
export const PHASE_DATA = 3;
export const PHASE_REPEAT = 4;
export const PHASE_NOTICE = 5;

/** Bit of a protocol key, a tape's operand, that says the addresses beside it are IPv6 handles. */
export const KEY_IPV6 = 0x100;

/** Protocol and family in one: part of every key made of a flow's addresses (conntrack's, IPVS's). */
export function protocolKey(packet: Packet): number {
  return packet.family === 6 ? packet.protocol | KEY_IPV6 : packet.protocol;
}

/** A device's index and a family in one: part of every key made of a device and an address (neighbours). */
export function deviceKey(family: number, ifindex: number): number {
  return family === 6 ? ~ifindex : ifindex;
}

/** Bytes of a packet's IP header, without IPv6's extension headers. */
export function headerLength(packet: Packet): number {
  return packet.family === 6 ? 40 : 20;
}

/** Bytes that IP carries, behind all headers of its own but a fragment's. */
export function carriedLength(packet: Packet): number {
  const carried = packet.length - headerLength(packet);
  return packet.extensions.length === 0 ? carried : carried - extensionBytes(packet.extensions);
}

/** Bytes of the longest IP packet that becomes of it on a cable (`skb_gso_network_seglen`). */
export function networkLength({ length, gsoExcess }: Packet): number {
  return length - gsoExcess;
}

/** Bytes of headers of an IPv6 fragment before what it carries. */
export const FRAGMENT6_HEADER = 48;

/** The ICMP of a packet's family. */
export function isIcmp(packet: Packet): boolean {
  return packet.protocol === (packet.family === 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/** Neighbour discovery: what conntrack never tracks, and recordings keep apart. */
export function isNeighbourDiscovery(packet: Packet): boolean {
  return (
    packet.family === 6 &&
    packet.protocol === IPPROTO_ICMPV6 &&
    packet.icmpType >= NDISC_ROUTER_SOLICITATION &&
    packet.icmpType <= NDISC_REDIRECT
  );
}

/** Neighbour discovery is numbered apart from all other packets, from here: no walk has as many of those. */
export const FIRST_DISCOVERY_NUMBER = 100_001;

const NO_EXTENSIONS: readonly Extension[] = [];

export class Packet {
  /** Number in the trace; the same packet keeps it while forwarded, translated and encapsulated. 0: not numbered yet. */
  number = 0;
  phase = PHASE_REQUEST;
  /** Number of the packet that caused this one (an error's, a reply's), 0 for the first. */
  cause = 0;

  // Ethernet
  ethSrc = 0;
  ethDst = 0;
  ethType = ETH_P_IP;
  /** Identifier of its IEEE 802.1Q tag, 0 for an untagged frame. */
  vlan = 0;
  /** False on devices without a link-layer header (tunl0), and in a packet not framed yet. */
  framed = false;

  // IP (for ARP: src is the sender's protocol address, dst the target's); of IPv6, `ttl` is the hop limit, `tos` the traffic
  // class, `protocol` the header behind all extension headers, `df` always true of what a router sees, `id` a fragment's
  family = 4;
  src = 0;
  dst = 0;
  ttl = 64;
  protocol = 0;
  tos = 0;
  id = 0;
  df = false;
  mf = false;
  /** Fragment offset in bytes. */
  fragOffset = 0;
  /** IP total length in bytes, header (and IPv6's extension headers) included. */
  length = 0;

  // transport
  sport = 0;
  dport = 0;
  tcpFlags = 0;
  /** Segment size that a SYN asks for, 0: it has no such option. */
  mss = 0;
  /** Options of TCP that the header has room for and are not in it, blanked or never written: TCPOPT_… as bits. */
  tcpWithout = 0;
  /** Of SCTP the type of its one chunk; then `seq` is the initiate tag or the TSN it names, `ack` the verification tag. */
  chunk = 0;
  seq = 0;
  ack = 0;
  icmpType = 0;
  icmpCode = 0;
  icmpId = 0;
  icmpSeq = 0;
  /** Next-hop MTU of a fragmentation-needed, gateway address of a redirect. */
  icmpInfo = 0;

  // neighbour discovery (ICMPv6 133 to 137): the target asked for, the link-layer address in the option (MAC_ZERO: none), a
  // redirect's destination, an advertisement's flags
  ndTarget = 0;
  ndLladdr = 0;
  ndDst = 0;
  ndFlags = 0;

  // ARP
  arpOp = 0;
  arpSha = 0;
  arpTha = 0;

  encapsulation = INNER_NONE;
  vni = 0;
  inner: Packet | null = null;

  /** What stands for its flow (`skb->hash`, see `flow-hash.ts`), 0 where nobody has asked for it; and whether ports had part in it (`l4_hash`). */
  flowHash = 0;
  hasFlowPorts = false;

  // sk_buff: what travels with the packet inside one network namespace
  pktType = PACKET_HOST;
  mark = 0;
  /** ifindex of the device it belongs to now (`skb->dev`): where it came in, or the tunnel it was sent through; 0 none. */
  dev = 0;
  /** ifindex of the device it came in by last (`skb->skb_iif`, `IP6CB(skb)->iif`), 0 where it was made here. */
  iif = 0;
  /** ifindex of the device of a VRF that it came in by, when the VRF has it (`IPSKB_L3SLAVE`, `inet_sdif`); 0 outside of any. */
  l3Slave = 0;
  /** The device (ifindex) where traffic control redirected it, 0 where none did; and whether as it came in there. */
  tcDev = 0;
  tcCameIn = false;
  /** Conntrack entry (index in the host's table), -1 none, -2 UNTRACKED by NOTRACK. */
  ct = -1;
  ctInfo = 0;
  /** Zone that a rule wants it tracked in (`kernel/conntrack/zone.ts`), before conntrack has seen it; -1: no rule did. */
  ctTemplate = -1;
  /** Owner of the sending socket (`-m owner`), -1 where there is none. */
  uid = -1;
  /** Handle of the local socket that sent it, -1 none. */
  socket = -1;
  /** Device the sending socket is bound to (ifindex), 0 none. */
  boundDev = 0;
  /** TPROXY has found it a socket: a listener's port, and the address it was looked for by. −1: one of its connection, 0: none. */
  proxyPort = 0;
  proxyAddress = 0;

  // br_netfilter's `nf_bridge_info`
  nfBridge = false;
  physIn = 0;
  physOut = 0;
  nfBridgeOtherHost = false;
  nfBridgeSabotaged = false;
  /** Of a packet with copies made on the bridge, and of these: the one answer of them all. */
  nfBridgeShared: { sabotaged: boolean } | null = null;
  nfBridgeDnat = false;
  nfBridgeSavedSrc = 0;
  nfBridgeDaddr = 0;

  // the attached route (`skb_dst`)
  rtInput = RT_NONE;
  /** `RTN_*` of the route found (`kernel/route`). */
  rtType = 0;
  /** Slot of the output device, -1 none. */
  rtDev = -1;
  /** Next hop; equals dst when the destination is on link. */
  rtNextHop = 0;
  rtUsesGateway = false;
  /** A route of its own, which keeps its next hop though that is no gateway (FLOWI_FLAG_KNOWN_NH, RTF_CACHE). */
  rtHopStands = false;
  /** Path or route MTU, 0 when the device's applies. */
  rtMtu = 0;
  /** What the way takes is fixed (`ip_mtu_locked`): what is sent by it may be cut, and nothing is learned of it. */
  rtMtuLocked = false;
  /** The MTU that a packet of IPv4 obeys which is forwarded: of what was learned of the path it knows nothing. 0: the device's. */
  rtForwardMtu = 0;
  /** The hop limit that the route says, 0 where it says none. */
  rtHopLimit = 0;
  /** Realms that it and the way back gave the packet (`dst_entry.tclassid`, `kernel/route/realms.ts`). */
  rtRealms = 0;
  /** errno of an error route. */
  rtError = 0;
  rtDoRedirect = false;

  /** `IPCB(skb)->flags & IPSKB_FORWARDED`. */
  forwarded = false;
  /** IPVS has seen to it (`skb->ipvs_property`). */
  ipvsProperty = false;
  /** Cut it in spite of its DF (`skb->ignore_df`): who made it so has seen that it fits. */
  ignoreDf = false;
  /**
   * Largest fragment of a datagram that was reassembled here (`IPCB(skb)->frag_max_size`), 0 none. Negative: nobody remembers it, but
   * the pieces are there, and it is cut so again where they fit (`frag_list`).
   */
  fragMaxSize = 0;
  /** Of IPv6: it has no flow label, since it was made by hand, or a rule has taken it away. */
  unlabelled = false;
  /** The flow label that a rule has given it, -1: its sender's own. */
  flowLabel = -1;
  /** What is kept of its transport checksum, `CHECKSUM_*` of checksum.ts. */
  summed = 0;
  /** Its pieces bear DF, as those did that it was reassembled of (`IPSKB_FRAG_PMTU`). */
  fragPmtu = false;
  /** Bytes that each of the fragments carried which it was joined of and still has (`frag_list`), in order; null: it has none. */
  pieces: readonly number[] | null = null;
  /** Length of the application payload, bytes. */
  payload = 0;
  /**
   * Bytes by which it is longer than the longest segment a card will make of it (generic segmentation offload): nobody before has
   * to cut it, and what is long is judged by its segments. 0: it goes on a cable as it is.
   */
  gsoExcess = 0;
  /** Is it what a query gave, all `p`s? Else nobody knows what it says. */
  payloadKnown = false;
  /** All that IP carries of the whole datagram, where it is of a protocol without fields of its own here and a query says its bytes. */
  content: Uint8Array | null = null;
  /** Headers between IPv6's own and what it carries, but for a fragment's, each with the number of the next in its first byte. */
  extensions: readonly Extension[] = NO_EXTENSIONS;

  reset(): void {
    this.resetHeaders();
    this.scrub(true);
  }

  /** All that `scrub` leaves. */
  resetHeaders(): void {
    this.number = 0;
    this.flowHash = 0;
    this.hasFlowPorts = false;
    this.phase = PHASE_REQUEST;
    this.cause = 0;
    this.ethSrc = 0;
    this.ethDst = 0;
    this.ethType = ETH_P_IP;
    this.vlan = 0;
    this.framed = false;
    this.family = 4;
    this.src = 0;
    this.dst = 0;
    this.ttl = 64;
    this.protocol = 0;
    this.tos = 0;
    this.id = 0;
    this.df = false;
    this.mf = false;
    this.fragOffset = 0;
    this.length = 0;
    this.sport = 0;
    this.dport = 0;
    this.tcpFlags = 0;
    this.mss = 0;
    this.tcpWithout = 0;
    this.chunk = 0;
    this.seq = 0;
    this.ack = 0;
    this.icmpType = 0;
    this.icmpCode = 0;
    this.icmpId = 0;
    this.icmpSeq = 0;
    this.icmpInfo = 0;
    this.ndTarget = 0;
    this.ndLladdr = 0;
    this.ndDst = 0;
    this.ndFlags = 0;
    this.arpOp = 0;
    this.arpSha = 0;
    this.arpTha = 0;
    this.encapsulation = INNER_NONE;
    this.vni = 0;
    this.inner = null;
    this.payload = 0;
    this.gsoExcess = 0;
    this.payloadKnown = false;
    this.content = null;
    this.extensions = NO_EXTENSIONS;
    this.pieces = null;
    this.summed = 0;
    this.unlabelled = false;
    this.flowLabel = -1;
  }

  /**
   * Forget what belongs to the namespace left behind (`skb_scrub_packet`).
   *
   * @param crossesNamespace also drop the mark, as only a change of namespace does
   */
  scrub(crossesNamespace: boolean): void {
    this.pktType = PACKET_HOST;
    if (crossesNamespace) {
      this.mark = 0;
      this.uid = -1;
      this.socket = -1;
      this.boundDev = 0;
    }
    this.ipvsProperty = false;
    this.proxyPort = 0;
    this.proxyAddress = 0;
    this.ignoreDf = false;
    this.dev = 0;
    this.iif = 0;
    this.l3Slave = 0;
    this.tcDev = 0;
    this.ct = -1;
    this.ctInfo = 0;
    this.ctTemplate = -1;
    this.nfBridge = false;
    this.physIn = 0;
    this.physOut = 0;
    this.nfBridgeOtherHost = false;
    this.nfBridgeSabotaged = false;
    this.nfBridgeShared = null;
    this.nfBridgeDnat = false;
    this.nfBridgeSavedSrc = 0;
    this.nfBridgeDaddr = 0;
    this.forwarded = false;
    this.fragMaxSize = 0;
    this.fragPmtu = false;
    this.dropRoute();
  }

  /** `skb_dst_drop`. */
  dropRoute(): void {
    this.rtInput = RT_NONE;
    this.rtType = 0;
    this.rtDev = -1;
    this.rtNextHop = 0;
    this.rtUsesGateway = false;
    this.rtHopStands = false;
    this.rtMtu = 0;
    this.rtRealms = 0;
    this.rtMtuLocked = false;
    this.rtForwardMtu = 0;
    this.rtHopLimit = 0;
    this.rtError = 0;
    this.rtDoRedirect = false;
  }

  /** Copy the headers (not the namespace's metadata) from another packet; `inner` is not copied. */
  copyHeaders(from: Packet): void {
    this.number = from.number;
    this.flowHash = from.flowHash;
    this.hasFlowPorts = from.hasFlowPorts;
    this.phase = from.phase;
    this.cause = from.cause;
    this.ethSrc = from.ethSrc;
    this.ethDst = from.ethDst;
    this.ethType = from.ethType;
    this.vlan = from.vlan;
    this.framed = from.framed;
    this.family = from.family;
    this.src = from.src;
    this.dst = from.dst;
    this.ttl = from.ttl;
    this.protocol = from.protocol;
    this.tos = from.tos;
    this.id = from.id;
    this.df = from.df;
    this.mf = from.mf;
    this.fragOffset = from.fragOffset;
    this.length = from.length;
    this.sport = from.sport;
    this.dport = from.dport;
    this.tcpFlags = from.tcpFlags;
    this.mss = from.mss;
    this.tcpWithout = from.tcpWithout;
    this.chunk = from.chunk;
    this.seq = from.seq;
    this.ack = from.ack;
    this.icmpType = from.icmpType;
    this.icmpCode = from.icmpCode;
    this.icmpId = from.icmpId;
    this.icmpSeq = from.icmpSeq;
    this.icmpInfo = from.icmpInfo;
    this.ndTarget = from.ndTarget;
    this.ndLladdr = from.ndLladdr;
    this.ndDst = from.ndDst;
    this.ndFlags = from.ndFlags;
    this.arpOp = from.arpOp;
    this.arpSha = from.arpSha;
    this.arpTha = from.arpTha;
    this.encapsulation = from.encapsulation;
    this.vni = from.vni;
    this.payload = from.payload;
    this.gsoExcess = from.gsoExcess;
    this.payloadKnown = from.payloadKnown;
    this.content = from.content;
    this.extensions = from.extensions;
  }

  /** Copy what the namespace keeps with the packet (`skb_clone`'s half that is not headers). */
  copyMetadata(from: Packet): void {
    this.pktType = from.pktType;
    this.mark = from.mark;
    this.dev = from.dev;
    this.iif = from.iif;
    this.l3Slave = from.l3Slave;
    this.ct = from.ct;
    this.ctInfo = from.ctInfo;
    this.ctTemplate = from.ctTemplate;
    this.uid = from.uid;
    this.socket = from.socket;
    this.boundDev = from.boundDev;
    this.proxyPort = from.proxyPort;
    this.proxyAddress = from.proxyAddress;
    this.nfBridge = from.nfBridge;
    this.physIn = from.physIn;
    this.physOut = from.physOut;
    this.nfBridgeOtherHost = from.nfBridgeOtherHost;
    this.nfBridgeSabotaged = from.nfBridgeSabotaged;
    this.nfBridgeShared = from.nfBridgeShared;
    this.nfBridgeDnat = from.nfBridgeDnat;
    this.nfBridgeSavedSrc = from.nfBridgeSavedSrc;
    this.nfBridgeDaddr = from.nfBridgeDaddr;
    this.rtInput = from.rtInput;
    this.rtType = from.rtType;
    this.rtDev = from.rtDev;
    this.rtNextHop = from.rtNextHop;
    this.rtUsesGateway = from.rtUsesGateway;
    this.rtHopStands = from.rtHopStands;
    this.rtMtu = from.rtMtu;
    this.rtMtuLocked = from.rtMtuLocked;
    this.rtForwardMtu = from.rtForwardMtu;
    this.rtHopLimit = from.rtHopLimit;
    this.rtError = from.rtError;
    this.rtDoRedirect = from.rtDoRedirect;
    this.forwarded = from.forwarded;
    this.ipvsProperty = from.ipvsProperty;
    this.ignoreDf = from.ignoreDf;
    this.summed = from.summed;
    this.unlabelled = from.unlabelled;
    this.flowLabel = from.flowLabel;
    this.fragMaxSize = from.fragMaxSize;
    this.fragPmtu = from.fragPmtu;
    this.pieces = from.pieces;
  }

  /** Does the transport header's start lie in this packet? (A later fragment has none.) */
  get hasTransport(): boolean {
    return this.fragOffset === 0;
  }

  get isFragment(): boolean {
    return this.mf || this.fragOffset !== 0;
  }
}
