import fc from "fast-check";
import { internMacNumber, type Mac } from "../../../src/address/mac.ts";
import {
  ETH_P_ARP,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  INNER_IPIP,
  INNER_QUOTED,
  INNER_VXLAN,
  IPPROTO_ICMP,
  IPPROTO_IPIP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  Packet,
} from "../../../src/packet/packet.ts";

/** Packets as the model makes them: every length fits what is inside. */

const mac = (): fc.Arbitrary<Mac> => fc.nat(0xffff).map((n) => internMacNumber(0x020000000000 + n));
const bits32 = () => fc.integer({ min: -0x80000000, max: 0x7fffffff });
const bits16 = () => fc.nat(0xffff);

const header = () =>
  fc.record({
    src: bits32(),
    dst: bits32(),
    ttl: fc.nat(255),
    tos: fc.nat(255),
    id: bits16(),
    df: fc.boolean(),
  });

function make(...fields: readonly Partial<Packet>[]): Packet {
  return Object.assign(new Packet(), ...fields);
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
      make(ip, fields, { protocol: IPPROTO_TCP, length: 20 + 4 * words + fields.payload }),
    );

const udp = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      sport: bits16(),
      // Elsewhere than where a tunnel listens.
      dport: bits16().filter((port) => port !== 4789 && port !== 8472),
      payload: fc.nat(1400),
      ip: header(),
    })
    .map(({ ip, ...fields }) => make(ip, fields, { protocol: IPPROTO_UDP, length: 28 + fields.payload }));

const echo = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      icmpType: fc.constantFrom(ICMP_ECHO, ICMP_ECHOREPLY, 13),
      icmpId: bits16(),
      icmpSeq: bits16(),
      payload: fc.nat(1400),
      ip: header(),
    })
    .map(({ ip, ...fields }) => make(ip, fields, { protocol: IPPROTO_ICMP, length: 28 + fields.payload }));

const plain = (): fc.Arbitrary<Packet> => fc.oneof(tcp(), udp(), echo());

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
      inner: plain(),
      ip: header(),
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

const onCable = (packet: fc.Arbitrary<Packet>): fc.Arbitrary<Packet> =>
  fc
    .record({ packet, ethSrc: mac(), ethDst: mac() })
    .map(({ packet: inside, ...ends }) => Object.assign(inside, ends, { framed: true }));

const tunnel = (): fc.Arbitrary<Packet> =>
  fc
    .record({
      inner: onCable(fc.oneof(plain(), error(), arp())),
      vni: fc.nat(0xffffff),
      sport: bits16(),
      dport: fc.constantFrom(4789, 8472),
      ip: header(),
    })
    .map(({ inner, ip, ...fields }) =>
      make(ip, fields, {
        protocol: IPPROTO_UDP,
        inner,
        encapsulation: INNER_VXLAN,
        payload: inner.length + 14 + 8,
        length: 20 + 8 + 8 + 14 + inner.length,
      }),
    );

const ipip = (): fc.Arbitrary<Packet> =>
  fc.record({ inner: fc.oneof(plain(), error(), tunnel()), ip: header() }).map(({ inner, ip }) =>
    make(ip, {
      protocol: IPPROTO_IPIP,
      inner,
      encapsulation: INNER_IPIP,
      payload: inner.length,
      length: 20 + inner.length,
    }),
  );

export const anyPacket = (): fc.Arbitrary<Packet> =>
  onCable(fc.oneof(plain(), error(), arp(), tunnel(), ipip()));

/** A datagram that is cut into fragments. */
export const longPacket = (): fc.Arbitrary<Packet> =>
  onCable(fc.oneof(udp(), echo(), tunnel(), ipip()).filter(({ length }) => length > 120));
