import { word6 } from "../../../address/ip6-handle.ts";
import {
  ETH_P_ARP,
  headerLength,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
} from "../../../packet/packet.ts";
import { nextHeader } from "../../../packet/wire/ipv6.ts";
import type { NftExpression } from "../expression.ts";
import { isAnyIcmp, loadIcmpBits } from "./icmp-bits.ts";
import { loadOfLaterFragment } from "./later-fragment.ts";
import type { Load, Read } from "./read.ts";

/** Bits of the network header by their place, as `@nh,96,32` names them: the same bits mean other things in each family. */

type RawPayload = Extract<NftExpression, { kind: "raw-payload" }>;

/** Words of the IPv4 header, and the bits in each that packets have here: identification and checksum are not among them. */
const IP_KNOWN = [-1, 0x0000ffff, 0xffff0000 | 0, -1, -1];
/** Of the IPv6 header the flow label is not. */
const IP6_KNOWN = [0xfff00000 | 0, -1, -1, -1, -1, -1, -1, -1, -1, -1];

/** null: no packet has these bits here. */
export function compileRaw({ base, offset, length }: RawPayload): Load | null {
  if (base === "th") {
    const read = transportBits(offset, length);
    return read === null ? null : { words: 1, load: read, unsure: true };
  }
  if (base !== "nh" || length === 0) return null;
  const load = length <= 32 ? bitsWithin(offset, length) : wholeWords(offset, length);
  return load === null ? null : { words: Math.ceil(length / 32), load };
}

/** Words of a transport header that packets have here, by protocol, and the bits in each: where TCP began to count nobody knows. */
const TRANSPORT_KNOWN: ReadonlyMap<number, readonly number[]> = new Map([
  [IPPROTO_TCP, [-1, 0, -1, 0x00ff0000]],
  [IPPROTO_UDP, [-1, 0xffff0000 | 0]],
  [IPPROTO_SCTP, [-1]],
]);

/** So many bytes of ICMP are looked at: the longest message. */
const ICMP_BITS = 0xffff * 8;

/** Bits of a transport header; a packet whose protocol has other things there, or none, does not match. */
function transportBits(offset: number, length: number): Read | null {
  const word = offset >> 5;
  const shift = 32 - (offset & 31) - length;
  if (shift < 0 || length === 0) return null;
  const mask = length === 32 ? -1 : (1 << length) - 1;
  const protocols = [...TRANSPORT_KNOWN].flatMap(([protocol, known]) =>
    (((known[word] ?? 0) >> shift) & mask) === mask ? [protocol] : [],
  );
  if (protocols.length === 0 && offset + length > ICMP_BITS) return null;
  return (run, at) => {
    const { packet } = run;
    if (packet.ethType === ETH_P_ARP) return false;
    if (packet.fragOffset !== 0) return loadOfLaterFragment(run, at, offset, length);
    if (isAnyIcmp(packet)) return loadIcmpBits(run, at, offset, length);
    if (!protocols.includes(packet.protocol)) return false;
    run.regs[at] = (transportWord(packet, word) >>> shift) & mask;
    return true;
  };
}

/** Word `i` of the transport header, as far as it is known. Runs per packet. */
function transportWord(packet: Packet, i: number): number {
  if (i === 0) return (packet.sport << 16) | packet.dport;
  if (packet.protocol === IPPROTO_UDP) return (packet.length - headerLength(packet)) << 16;
  return i === 2 ? packet.ack : packet.tcpFlags << 16;
}

function bitsWithin(offset: number, length: number): Read | null {
  const word = offset >> 5;
  const shift = 32 - (offset & 31) - length;
  if (shift < 0) return null;
  const mask = length === 32 ? -1 : (1 << length) - 1;
  const isKnown = (known: readonly number[]): boolean => (((known[word] ?? 0) >> shift) & mask) === mask;
  const in4 = isKnown(IP_KNOWN);
  const in6 = isKnown(IP6_KNOWN);
  if (!in4 && !in6) return null;
  return (run, at) => {
    const { packet } = run;
    if (packet.ethType === ETH_P_ARP || !(packet.family === 6 ? in6 : in4)) return false;
    run.regs[at] = (headerWord(packet, word) >>> shift) & mask;
    return true;
  };
}

function wholeWords(offset: number, length: number): Read | null {
  const first = offset >> 5;
  const last = first + (length >> 5) - 1;
  if (((offset | length) & 31) !== 0) return null;
  const isKnown = (known: readonly number[]): boolean => {
    for (let word = first; word <= last; word++) if (known[word] !== -1) return false;
    return true;
  };
  const in4 = isKnown(IP_KNOWN);
  const in6 = isKnown(IP6_KNOWN);
  if (!in4 && !in6) return null;
  return (run, at) => {
    const { packet } = run;
    if (packet.ethType === ETH_P_ARP || !(packet.family === 6 ? in6 : in4)) return false;
    for (let word = first; word <= last; word++) run.regs[at + word - first] = headerWord(packet, word);
    return true;
  };
}

/** Word `i` of the IP header. Runs per packet. */
function headerWord(packet: Packet, i: number): number {
  if (packet.family === 6) {
    if (i === 0) return (6 << 28) | (packet.tos << 20);
    if (i === 1) {
      return ((packet.length - headerLength(packet)) << 16) | (nextHeader(packet) << 8) | packet.ttl;
    }
    return i < 6 ? word6(packet.src, i - 2) : word6(packet.dst, i - 6);
  }
  switch (i) {
    case 0:
      return (0x45 << 24) | (packet.tos << 16) | packet.length;
    case 1:
      return (
        (packet.id << 16) | (packet.df ? 0x4000 : 0) | (packet.mf ? 0x2000 : 0) | (packet.fragOffset >> 3)
      );
    case 2:
      return (packet.ttl << 24) | (packet.protocol << 16);
    case 3:
      return packet.src;
    default:
      return packet.dst;
  }
}
