import { intern, word6 } from "../../../address/ip6-handle.ts";
import {
  ETH_P_ARP,
  ETH_P_IP,
  headerLength,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_REDIRECT,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  ICMPV6_MLD_QUERY,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  NDISC_REDIRECT,
  type Packet,
} from "../../../packet/packet.ts";
import { hasPorts } from "../../../packet/ports.ts";
import { tcpHeaderLength } from "../../../packet/tcp-options.ts";
import { nextHeader } from "../../../packet/wire/ipv6.ts";
import { isAnyIcmp, loadIcmpBits } from "./icmp-bits.ts";
import { loadOfLaterFragment } from "./later-fragment.ts";
import { carriedAt, loadCarried, transportOf } from "./load-header-bits.ts";
import type { Read } from "./read.ts";

/**
 * Fields of headers (`nft_payload`). A header that the packet does not have makes the rule break, which is also what the
 * comparison with its protocol does that nft puts before a field and does not print.
 */

const ETH_P_8021Q = 0x8100;
const ARPHRD_ETHER = 1;

type Field = (packet: Packet) => number;
type Fields = Readonly<Record<string, Field>>;

const IP: Fields = {
  version: () => 4,
  hdrlength: () => 5,
  dscp: (packet) => packet.tos >> 2,
  ecn: (packet) => packet.tos & 3,
  length: (packet) => packet.length,
  "frag-off": (packet) => (packet.df ? 0x4000 : 0) | (packet.mf ? 0x2000 : 0) | (packet.fragOffset >> 3),
  ttl: (packet) => packet.ttl,
  protocol: (packet) => packet.protocol,
  saddr: (packet) => packet.src,
  daddr: (packet) => packet.dst,
};

/** Flow labels are not part of a packet here. */
const IP6: Fields = {
  version: () => 6,
  dscp: (packet) => packet.tos >> 2,
  ecn: (packet) => packet.tos & 3,
  length: (packet) => packet.length - headerLength(packet),
  nexthdr: nextHeader,
  hoplimit: (packet) => packet.ttl,
};

/** Fields of IPv6 that are addresses, four words each. */
const IP6_ADDRESSES: Fields = { saddr: (packet) => packet.src, daddr: (packet) => packet.dst };

const PORTS: Fields = {
  sport: (packet) => packet.sport,
  dport: (packet) => packet.dport,
};

const TCP: Fields = {
  ...PORTS,
  flags: (packet) => packet.tcpFlags,
  ackseq: (packet) => packet.ack,
  doff: (packet) => tcpHeaderLength(packet) >> 2,
  reserved: () => 0,
  urgptr: () => 0,
};

const ICMP: Fields = {
  type: (packet) => packet.icmpType,
  code: (packet) => packet.icmpCode,
  id: (packet) => packet.icmpId,
  sequence: (packet) => packet.icmpSeq,
  gateway: (packet) => packet.icmpInfo,
  mtu: (packet) => packet.icmpInfo & 0xffff,
};

const ICMPV6: Fields = {
  type: (packet) => packet.icmpType,
  code: (packet) => packet.icmpCode,
  id: (packet) => packet.icmpId,
  sequence: (packet) => packet.icmpSeq,
  "packet-too-big": (packet) => packet.icmpInfo,
  mtu: (packet) => packet.icmpInfo,
  "parameter-problem": (packet) => packet.icmpInfo,
  "max-delay": (packet) => packet.icmpInfo >>> 16,
};

const ICMPV6_ADDRESSES: Fields = { taddr: (packet) => packet.ndTarget, daddr: (packet) => packet.ndDst };

const ETHER: Fields = {
  saddr: (packet) => packet.ethSrc,
  daddr: (packet) => packet.ethDst,
  type: (packet) => (packet.vlan === 0 ? packet.ethType : ETH_P_8021Q),
};

/** Of a frame that bears a tag. */
const VLAN: Fields = { id: (packet) => packet.vlan, type: (packet) => packet.ethType };

const ARP: Fields = {
  htype: () => ARPHRD_ETHER,
  ptype: () => ETH_P_IP,
  hlen: () => 6,
  plen: () => 4,
  operation: (packet) => packet.arpOp,
  "saddr ip": (packet) => packet.src,
  "daddr ip": (packet) => packet.dst,
  "saddr ether": (packet) => packet.arpSha,
  "daddr ether": (packet) => packet.arpTha,
};

interface Transport {
  readonly protocol: number;
  /** 0: in either family. */
  readonly family: 4 | 6 | 0;
  readonly fields: Fields;
  /** Fields of four words. */
  readonly addresses: Fields;
  readonly places: Places;
  /** Of ICMP: messages that have a field, where not all do; nft sees to it with a comparison (`proto_icmp`). */
  readonly types: Readonly<Record<string, readonly number[]>>;
}

/** First bit and length of fields. */
type Places = Readonly<Record<string, readonly [number, number]>>;

const PORT_PLACES: Places = { sport: [0, 16], dport: [16, 16] };
const TCP_PLACES: Places = {
  ...PORT_PLACES,
  ...{ ackseq: [64, 32], doff: [96, 4], reserved: [100, 4], flags: [104, 8], urgptr: [144, 16] },
};
const ICMP_PLACES: Places = {
  ...{ type: [0, 8], code: [8, 8], id: [32, 16], sequence: [48, 16], gateway: [32, 32], mtu: [48, 16] },
};
const ICMPV6_PLACES: Places = {
  ...{ type: [0, 8], code: [8, 8], id: [32, 16], sequence: [48, 16], mtu: [32, 32] },
  ...{
    "packet-too-big": [32, 32],
    "parameter-problem": [32, 32],
    "max-delay": [32, 16],
    taddr: [64, 128],
    daddr: [192, 128],
  },
};

const plain = (protocol: number, fields: Fields, places: Places = PORT_PLACES): Transport => ({
  ...{ protocol, family: 0, fields, addresses: {}, types: {}, places },
});

const TRANSPORTS: Readonly<Record<string, Transport>> = {
  tcp: plain(IPPROTO_TCP, TCP, TCP_PLACES),
  udp: plain(
    IPPROTO_UDP,
    { ...PORTS, length: (packet) => packet.length - carriedAt(packet) },
    { ...PORT_PLACES, length: [32, 16] },
  ),
  sctp: plain(IPPROTO_SCTP, PORTS),
  icmp: {
    ...{ protocol: IPPROTO_ICMP, family: 4, fields: ICMP, addresses: {}, places: ICMP_PLACES },
    types: {
      id: [ICMP_ECHOREPLY, ICMP_ECHO],
      sequence: [ICMP_ECHOREPLY, ICMP_ECHO],
      gateway: [ICMP_REDIRECT],
      mtu: [ICMP_DEST_UNREACH],
    },
  },
  icmpv6: {
    ...{ protocol: IPPROTO_ICMPV6, family: 6, fields: ICMPV6, addresses: ICMPV6_ADDRESSES },
    places: ICMPV6_PLACES,
    types: {
      id: [ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY],
      sequence: [ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY],
      "packet-too-big": [ICMPV6_PKT_TOOBIG],
      mtu: [ICMPV6_PKT_TOOBIG],
      "parameter-problem": [ICMPV6_PARAMPROB],
      "max-delay": [ICMPV6_MLD_QUERY],
      taddr: [NDISC_NEIGHBOUR_SOLICITATION, NDISC_NEIGHBOUR_ADVERTISEMENT, NDISC_REDIRECT],
      daddr: [NDISC_REDIRECT],
    },
  },
};

/** Is what is read of a transport's header, which not every packet has, and of which not all is known? */
export function isOfTransport(protocol: string): boolean {
  return protocol === "th" || Object.hasOwn(TRANSPORTS, protocol);
}

/** null: packets hold no such field in a number of its own; `load-header-bits.ts` reads others. */
export function compilePayload(protocol: string, field: string): Read | null {
  if (protocol === "ip") return compileHeader(own(IP, field), isIpv4);
  if (protocol === "ip6") return compileIp6(field);
  if (protocol === "ether") return compileHeader(own(ETHER, field), isFramed);
  if (protocol === "vlan") return compileHeader(own(VLAN, field), isTagged);
  if (protocol === "arp") return compileHeader(own(ARP, field), isArp);
  if (protocol === "th") return compilePorts(own(PORTS, field), field);
  const transport = Object.hasOwn(TRANSPORTS, protocol) ? TRANSPORTS[protocol] : undefined;
  return transport === undefined ? null : compileTransport(transport, field);
}

function own(fields: Fields, field: string): Field | undefined {
  return Object.hasOwn(fields, field) ? fields[field] : undefined;
}

const isIpv4 = (packet: Packet): boolean => packet.family === 4 && packet.ethType !== ETH_P_ARP;
const isFramed = (packet: Packet): boolean => packet.framed;
const isTagged = (packet: Packet): boolean => packet.framed && packet.vlan !== 0;
const isArp = (packet: Packet): boolean => packet.ethType === ETH_P_ARP;

/** A field of a header that some packets have. */
function compileHeader(read: Field | undefined, has: (packet: Packet) => boolean): Read | null {
  if (read === undefined) return null;
  return (run, at) => {
    const { packet } = run;
    if (!has(packet)) return false;
    run.regs[at] = read(packet);
    return true;
  };
}

function compileIp6(field: string): Read | null {
  const address = own(IP6_ADDRESSES, field);
  const read = address ?? own(IP6, field);
  if (read === undefined) return null;
  const put = address === undefined ? putWord : putAddress;
  return (run, at) => {
    const { packet } = run;
    if (packet.family !== 6) return false;
    put(run.regs, at, read(packet));
    return true;
  };
}

function compileTransport(transport: Transport, field: string): Read | null {
  const { protocol, family, fields, addresses, types } = transport;
  const address = own(addresses, field);
  const read = address ?? own(fields, field);
  if (read === undefined) return null;
  const put = address === undefined ? putWord : putAddress;
  const among = Object.hasOwn(types, field) ? types[field] : undefined;
  const [offset, length] = placeOf(transport, field);
  return (run, at) => {
    const { packet } = run;
    if (transportOf(packet) !== protocol || packet.ethType === ETH_P_ARP) return false;
    if (family !== 0 && packet.family !== family) return false;
    if (packet.fragOffset !== 0) {
      const isOne =
        among === undefined || (loadOfLaterFragment(run, at, 0, 8) && among.includes(run.regs[at] as number));
      return isOne && loadOfLaterFragment(run, at, offset, length);
    }
    if (among !== undefined && !among.includes(packet.icmpType)) return false;
    put(run.regs, at, read(packet));
    return true;
  };
}

/** First bit and length of a transport's field. */
function placeOf({ places }: Transport, field: string): readonly [number, number] {
  const place = Object.hasOwn(places, field) ? places[field] : undefined;
  if (place === undefined) throw new Error(`the place of ${field} is not known`);
  return place;
}

function putWord(regs: Int32Array, at: number, value: number): void {
  regs[at] = value;
}

/** An IPv6 address fills four registers. Runs per packet. */
export function putAddress(regs: Int32Array, at: number, handle: number): void {
  for (let i = 0; i < 4; i++) regs[at + i] = word6(handle, i);
}

/** The inverse. Runs per packet. */
export function addressIn(regs: Int32Array, at: number): number {
  return intern(regs[at] as number, regs[at + 1] as number, regs[at + 2] as number, regs[at + 3] as number);
}

/** `th sport` and `th dport` read whatever lies at the ports' place: of ICMP its type and code, and its checksum; of others their bytes. */
function compilePorts(read: Field | undefined, field: string): Read | null {
  if (read === undefined) return null;
  const isSource = field === "sport";
  return (run, at) => {
    const { packet } = run;
    if (packet.ethType === ETH_P_ARP) return false;
    if (packet.fragOffset !== 0) return loadOfLaterFragment(run, at, isSource ? 0 : 16, 16);
    const transport = transportOf(packet);
    if (transport !== packet.protocol || !(isAnyIcmp(packet) || hasPorts(transport)))
      return loadCarried(run, at, isSource ? 0 : 16, 16);
    if (!isAnyIcmp(packet)) run.regs[at] = read(packet);
    else if (isSource) run.regs[at] = (packet.icmpType << 8) | packet.icmpCode;
    else return loadIcmpBits(run, at, 16, 16);
    return true;
  };
}
