import fc from "fast-check";
import { intern } from "../../../src/address/ip6-handle.ts";
import { internMacNumber, MAC_ZERO, type Mac } from "../../../src/address/mac.ts";
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  INNER_GENEVE,
  INNER_IPIP,
  INNER_QUOTED,
  INNER_VXLAN,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IPIP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  Packet,
} from "../../../src/packet/packet.ts";
import {
  CHUNK_NAMES,
  fillChunk,
  SCTP_DATA,
  SCTP_INIT,
  SCTP_INIT_ACK,
  SCTP_SACK,
  SCTP_SHUTDOWN,
} from "../../../src/packet/sctp-chunk.ts";

/** Packets as the model makes them: every length fits what is inside. */

const mac = (): fc.Arbitrary<Mac> => fc.nat(0xffff).map((n) => internMacNumber(0x020000000000 + n));
const bits32 = () => fc.integer({ min: -0x80000000, max: 0x7fffffff });
const bits16 = () => fc.nat(0xffff);

const address6 = (): fc.Arbitrary<number> =>
  fc.tuple(bits32(), bits32(), bits32(), bits32()).map((words) => intern(...words));

const header4 = () =>
  fc.record({
    family: fc.constant(4 as number),
    ethType: fc.constant(ETH_P_IP as number),
    src: bits32(),
    dst: bits32(),
    ttl: fc.nat(255),
    tos: fc.nat(255),
    id: bits16(),
    df: fc.boolean(),
  });

const header6 = (): ReturnType<typeof header4> =>
  fc.record({
    family: fc.constant(6),
    ethType: fc.constant(ETH_P_IPV6),
    src: address6(),
    dst: address6(),
    ttl: fc.nat(255),
    tos: fc.nat(255),
    id: fc.constant(0),
    df: fc.constant(false),
  });

const header = (): ReturnType<typeof header4> => fc.oneof(header4(), header6());

function make(...fields: readonly Partial<Packet>[]): Packet {
  return Object.assign(new Packet(), ...fields);
}

/** Bytes of an IP header. */
function ipLength({ family }: { readonly family: number }): number {
  return family === 6 ? 40 : 20;
}

const tcp = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      sport: bits16(),
      dport: bits16(),
      seq: bits32(),
      ack: bits32(),
      tcpFlags: fc.nat(255),
      payload: fc.nat(1400),
      words: fc.integer({ min: 5, max: 15 }),
      ip: header(),
    })
    .map(({ words, ip, ...fields }) =>
      make(ip, fields, { protocol: IPPROTO_TCP, length: ipLength(ip) + 4 * words + fields.payload }),
    );

const udp = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      sport: bits16(),
      // Elsewhere than where a tunnel listens.
      dport: bits16().filter((port) => port !== 4789 && port !== 8472 && port !== 6081),
      payload: fc.nat(1400),
      ip: header(),
    })
    .map(({ ip, ...fields }) =>
      make(ip, fields, { protocol: IPPROTO_UDP, length: ipLength(ip) + 8 + fields.payload }),
    );

const echo = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      isReply: fc.boolean(),
      icmpId: bits16(),
      icmpSeq: bits16(),
      payload: fc.nat(1400),
      ip: header(),
    })
    .map(({ ip, isReply, ...fields }) =>
      make(ip, fields, {
        protocol: ip.family === 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
        icmpType: ip.family === 6 ? (isReply ? 129 : 128) : isReply ? ICMP_ECHOREPLY : ICMP_ECHO,
        length: ipLength(ip) + 8 + fields.payload,
      }),
    );

const sctp = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      sport: bits16(),
      dport: bits16(),
      ack: bits32(),
      seq: bits32(),
      chunk: fc.constantFrom(...CHUNK_NAMES.keys()),
      payload: fc.nat(1000),
      ip: header(),
    })
    .map(({ ip, seq, chunk, payload, ...fields }) => {
      const packet = make(ip, fields);
      fillChunk(packet, chunk, chunk === SCTP_DATA ? payload : 0);
      packet.df = ip.df;
      if ([SCTP_DATA, SCTP_INIT, SCTP_INIT_ACK, SCTP_SACK, SCTP_SHUTDOWN].includes(chunk)) packet.seq = seq;
      return packet;
    });

const plain = (): fc.Arbitrary<Packet> => fc.oneof(tcp(), udp(), sctp(), echo());

/** An error of IPv6 quotes as much as fits into 1280 bytes. */
const error6 = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      kind: fc.constantFrom([1, 0], [1, 4], [2, 0], [3, 0], [4, 1]),
      info: bits32(),
      inner: plain().filter(({ family }) => family === 6),
      ip: header6(),
    })
    .map(({ kind: [icmpType = 0, icmpCode = 0], info, inner, ip }) => {
      const length = Math.min(1280, 48 + inner.length);
      return make(ip, {
        protocol: IPPROTO_ICMPV6,
        icmpType,
        icmpCode,
        icmpInfo: icmpType === 2 || icmpType === 4 ? info : 0,
        inner,
        encapsulation: INNER_QUOTED,
        length,
        payload: length - 48,
      });
    });

/** Solicitation, advertisement, redirect; the last quotes nothing here. */
const discovery = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      icmpType: fc.constantFrom(133, 135, 136, 137),
      ndTarget: address6(),
      ndDst: address6(),
      ndFlags: fc.nat(7),
      named: mac(),
      isNamed: fc.boolean(),
      ip: header6(),
    })
    .map(({ icmpType, ndTarget, ndDst, ndFlags, named, isNamed, ip }) =>
      make(ip, {
        protocol: IPPROTO_ICMPV6,
        icmpType,
        ...(icmpType === 133 ? {} : { ndTarget }),
        ...(icmpType === 137 ? { ndDst } : {}),
        ...(icmpType === 136 ? { ndFlags } : {}),
        ndLladdr: isNamed ? named : MAC_ZERO,
        length: 40 + (icmpType === 133 ? 8 : icmpType === 137 ? 40 : 24) + (isNamed ? 8 : 0),
      }),
    );

const error = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      kind: fc.constantFrom(
        [ICMP_DEST_UNREACH, 1],
        [ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED],
        [ICMP_REDIRECT, 1],
        [ICMP_TIME_EXCEEDED, 0],
      ),
      info: bits16(),
      inner: plain().filter(({ family }) => family === 4),
      ip: header4(),
    })
    .map(({ kind: [icmpType = 0, icmpCode = 0], info, inner, ip }) => {
      const length = Math.min(576, 28 + inner.length);
      const told = icmpType === ICMP_REDIRECT || icmpCode === ICMP_FRAG_NEEDED;
      return make(ip, {
        protocol: IPPROTO_ICMP,
        icmpType,
        icmpCode,
        icmpInfo: told ? info : 0,
        inner,
        encapsulation: INNER_QUOTED,
        length,
        payload: length - 28,
      });
    });

const arp = (): fc.Arbitrary<Packet> =>
  fc
    .record({ arpOp: fc.constantFrom(1, 2), arpSha: mac(), arpTha: mac(), src: bits32(), dst: bits32() })
    .map((fields) => make(fields, { ethType: ETH_P_ARP, length: 28 }));

const onCable = (
  packet: fc.Arbitrary<Packet>,
  vlan: fc.Arbitrary<number> = fc.constant(0),
): fc.Arbitrary<Packet> =>
  fc
    .record({ packet, ethSrc: mac(), ethDst: mac(), vlan })
    .map(({ packet: inside, ...ends }) => Object.assign(inside, ends, { framed: true }));

const tunnel = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      inner: onCable(fc.oneof(plain(), error(), error6(), discovery(), arp())),
      vni: fc.nat(0xffffff),
      sport: bits16(),
      dport: fc.constantFrom(4789, 8472, 6081),
      ip: header(),
    })
    .map(({ inner, ip, ...fields }) =>
      make(ip, fields, {
        protocol: IPPROTO_UDP,
        inner,
        encapsulation: fields.dport === 6081 ? INNER_GENEVE : INNER_VXLAN,
        payload: inner.length + 14 + 8,
        length: ipLength(ip) + 8 + 8 + 14 + inner.length,
      }),
    );

const ipip = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      inner: fc.oneof(plain(), error(), tunnel()).filter(({ family }) => family === 4),
      ip: header4(),
    })
    .map(({ inner, ip }) =>
      make(ip, {
        protocol: IPPROTO_IPIP,
        inner,
        encapsulation: INNER_IPIP,
        payload: inner.length,
        length: 20 + inner.length,
      }),
    );

export const anyPacket = (): fc.Arbitrary<Packet> =>
  onCable(fc.oneof(plain(), error(), error6(), discovery(), arp(), tunnel(), ipip()));

export const taggedPacket = (): fc.Arbitrary<Packet> =>
  onCable(
    fc.oneof(plain(), error(), error6(), discovery(), arp(), tunnel(), ipip()),
    fc.integer({ min: 1, max: 4094 }),
  );

/** A datagram that is cut into fragments. */
export const longPacket = (): fc.Arbitrary<Packet> =>
  onCable(fc.oneof(udp(), echo(), tunnel(), ipip()).filter(({ length }) => length > 120));
