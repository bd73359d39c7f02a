import { word6 } from "../../../address/ip6-handle.ts";
import {
  ETH_P_ARP,
  headerLength,
  IPPROTO_GRE,
  IPPROTO_IPIP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
} from "../../../packet/packet.ts";
import { ethernetLength } from "../../../packet/wire/ethernet.ts";
import { encodeFrame } from "../../../packet/wire/frame.ts";
import { nextHeader } from "../../../packet/wire/ipv6.ts";
import { knownBytes } from "../../../packet/wire/known-bytes.ts";
import type { NftExpression } from "../expression.ts";
import { isAnyIcmp, loadIcmpBits } from "./icmp-bits.ts";
import { loadKnownBits } from "./known-bits.ts";
import { loadOfLaterFragment } from "./later-fragment.ts";
import { carriedAt, loadCarried, transportOf } from "./load-header-bits.ts";
import type { Load, Read } from "./read.ts";

/** Bits of a packet by their place, as `@nh,96,32` names them: of the network header the same bits mean other things in each family. */

type RawPayload = Extract<NftExpression, { kind: "raw-payload" }>;

/** Words of the IPv4 header, and the bits in each that packets have here: identification and checksum are not among them. */
const IP_KNOWN = [-1, 0x0000ffff, 0xffff0000 | 0, -1, -1];
/** Of the IPv6 header the flow label is not. */
const IP6_KNOWN = [0xfff00000 | 0, -1, -1, -1, -1, -1, -1, -1, -1, -1];

/**
 * null: no packet has these bits here.
 *
 * @param asks who loads sees to bits that are not known (`Load.mayBeAny`)
 */
export function compileRaw({ base, offset, length }: RawPayload, asks: boolean): Load | null {
  if (base !== "nh") {
    const read = length === 0 || length > 32 ? null : READS[base](offset, length);
    return read === null ? null : { words: 1, load: read, unsure: true };
  }
  if (length === 0) return null;
  const network = length <= 32 ? bitsWithin(offset, length) : wholeWords(offset, length);
  if (network === null || (network.mayBeAny && !asks)) return null;
  const { load, mayBeAny } = network;
  return { words: Math.ceil(length / 32), load, unsure: mayBeAny, mayBeAny };
}

/** Words of a transport header that packets have here, by protocol, and the bits in each: where TCP began to count nobody knows. */
const TRANSPORT_KNOWN: ReadonlyMap<number, readonly number[]> = new Map([
  [IPPROTO_TCP, [-1, 0, -1, 0x00ff0000]],
  [IPPROTO_UDP, [-1, 0xffff0000 | 0]],
  [IPPROTO_SCTP, [-1]],
]);

/** Bits of a transport header. */
function transportBits(offset: number, length: number): Read | null {
  const word = offset >> 5;
  const shift = 32 - (offset & 31) - length;
  if (shift < 0) return null;
  const mask = length === 32 ? -1 : (1 << length) - 1;
  const protocols = [...TRANSPORT_KNOWN].flatMap(([protocol, known]) =>
    (((known[word] ?? 0) >> shift) & mask) === mask ? [protocol] : [],
  );
  return (run, at) => {
    const { packet } = run;
    if (packet.ethType === ETH_P_ARP) return false;
    if (packet.fragOffset !== 0) return loadOfLaterFragment(run, at, offset, length);
    if (transportOf(packet) !== packet.protocol) return loadCarried(run, at, offset, length);
    if (isAnyIcmp(packet)) return loadIcmpBits(run, at, offset, length);
    if (!protocols.includes(packet.protocol)) return loadCarried(run, at, offset, length);
    run.regs[at] = (transportWord(packet, word) >>> shift) & mask;
    return true;
  };
}

/** `nft_payload_eval` of a link's header, which not every packet has. */
function linkBits(offset: number, length: number): Read {
  return (run, at) => {
    const { packet } = run;
    if (!packet.framed) return false;
    const bytes = encodeFrame(packet);
    // What is behind it is read by other names.
    const known = new Uint8Array(bytes.length).fill(0xff, 0, packet.vlan === 0 ? ethernetLength(packet) : 0);
    return loadKnownBits(run, at, { bytes, known, payloadAt: 0 }, 0, offset, length);
  };
}

/** `nft_payload_inner_offset`: what a transport carries, of some protocols alone. */
function innerBits(offset: number, length: number): Read {
  return (run, at) => {
    const { packet } = run;
    const protocol = transportOf(packet);
    if (packet.ethType === ETH_P_ARP || packet.fragOffset !== 0) return false;
    const of = knownBytes(packet);
    let start = of.payloadAt;
    if (protocol === IPPROTO_IPIP) start = carriedAt(packet);
    else if (protocol === IPPROTO_GRE) start = behindGre(of.bytes, carriedAt(packet));
    else if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return false;
    return start >= 0 && loadKnownBits(run, at, of, start, offset, length);
  };
}

/** Where a header of GRE ends, -1 where it is none that is known. */
function behindGre(bytes: Uint8Array, at: number): number {
  const [flags, version] = [bytes[at] ?? 0, (bytes[at + 1] ?? 0) & 7];
  if (bytes.length < at + 4 || version !== 0 || (flags & GRE_ROUTING) !== 0) return -1;
  return at + 4 + 4 * [GRE_CSUM, GRE_KEY, GRE_SEQ].filter((bit) => (flags & bit) !== 0).length;
}

/** Of a header's first byte. */
const GRE_CSUM = 0x80;
const GRE_ROUTING = 0x40;
const GRE_KEY = 0x20;
const GRE_SEQ = 0x10;

const READS = { ll: linkBits, th: transportBits, ih: innerBits } as const;

/** Word `i` of the transport header, as far as it is known. Runs per packet. */
function transportWord(packet: Packet, i: number): number {
  if (i === 0) return (packet.sport << 16) | packet.dport;
  if (packet.protocol === IPPROTO_UDP) return (packet.length - carriedAt(packet)) << 16;
  return i === 2 ? packet.ack : packet.tcpFlags << 16;
}

interface NetworkBits {
  readonly load: Read;
  /** In a header of one family or of both they are not all known. */
  readonly mayBeAny: boolean;
}

function bitsWithin(offset: number, length: number): NetworkBits {
  const word = offset >> 5;
  const shift = 32 - (offset & 31) - length;
  const mask = length === 32 ? -1 : (1 << length) - 1;
  const isKnown = (known: readonly number[]): boolean =>
    shift >= 0 && (((known[word] ?? 0) >> shift) & mask) === mask;
  return byFamily([isKnown(IP_KNOWN), isKnown(IP6_KNOWN)], offset, length, (run, at) => {
    run.regs[at] = (headerWord(run.packet, word) >>> shift) & mask;
    return true;
  });
}

function wholeWords(offset: number, length: number): NetworkBits | null {
  const first = offset >> 5;
  const last = first + (length >> 5) - 1;
  if (((offset | length) & 31) !== 0) return null;
  const isKnown = (known: readonly number[]): boolean => {
    for (let word = first; word <= last; word++) if (known[word] !== -1) return false;
    return true;
  };
  return byFamily([isKnown(IP_KNOWN), isKnown(IP6_KNOWN)], offset, length, (run, at) => {
    for (let word = first; word <= last; word++) run.regs[at + word - first] = headerWord(run.packet, word);
    return true;
  });
}

/**
 * What is not read off the header's words is read off the packet's bytes, as far as they are known, and behind the header too.
 *
 * @param read where all of them are known
 */
function byFamily(
  [in4, in6]: readonly [boolean, boolean],
  offset: number,
  length: number,
  read: Read,
): NetworkBits {
  const load: Read = (run, at) => {
    const { packet } = run;
    if (packet.ethType === ETH_P_ARP) return false;
    if (packet.family === 6 ? in6 : in4) return read(run, at);
    const of = knownBytes(packet);
    for (let done = 0; done < length; done += 32) {
      if (!loadKnownBits(run, at + (done >> 5), of, 0, offset + done, Math.min(32, length - done)))
        return false;
    }
    return true;
  };
  return { load, mayBeAny: !in4 || !in6 };
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
