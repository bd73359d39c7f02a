import {
  S_ACK,
  S_DST,
  S_ETH_DST,
  S_ETH_SRC,
  S_ETH_TYPE,
  S_FRAG_OFFSET,
  S_INFO,
  S_INFO2,
  S_IP,
  S_KIND,
  S_L4,
  S_LENGTH,
  S_PAYLOAD,
  S_PORTS,
  S_SEQ,
  S_SRC,
  SNAPSHOT_WORDS,
} from "../kernel/snapshot-words.ts";
import {
  ETH_P_ARP,
  INNER_NONE,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  isIcmp,
  isNeighbourDiscovery,
  Packet,
} from "../packet/packet.ts";

/** A packet's snapshot on the tape as a packet again, so that it can be given bytes (`packet/wire`). */
export function wirePacket(d: Int32Array, at: number): Packet {
  const word = (field: number): number => d[at + field] as number;
  const packet = new Packet();
  const kind = word(S_KIND);
  const ip = word(S_IP);
  packet.framed = (kind & 0x10) !== 0;
  packet.family = (kind >>> 8) & 0xff;
  packet.encapsulation = kind >>> 16;
  packet.ethSrc = word(S_ETH_SRC);
  packet.ethDst = word(S_ETH_DST);
  packet.ethType = word(S_ETH_TYPE);
  packet.vlan = word(S_FRAG_OFFSET) >>> 16;
  packet.src = word(S_SRC);
  packet.dst = word(S_DST);
  packet.ttl = ip & 0xff;
  packet.protocol = (ip >>> 8) & 0xff;
  packet.tos = (ip >>> 16) & 0xff;
  packet.df = ((ip >>> 24) & 1) === 1;
  packet.mf = ((ip >>> 25) & 1) === 1;
  packet.length = word(S_LENGTH) & 0xffff;
  packet.id = word(S_LENGTH) >>> 16;
  packet.fragOffset = word(S_FRAG_OFFSET) & 0xffff;
  packet.payload = word(S_PAYLOAD);
  if (packet.ethType === ETH_P_ARP) {
    packet.arpOp = word(S_L4);
    packet.arpSha = word(S_INFO);
    packet.arpTha = word(S_INFO2);
  } else if (isIcmp(packet)) {
    packet.icmpType = word(S_L4) & 0xff;
    packet.icmpCode = word(S_L4) >>> 8;
    if (isNeighbourDiscovery(packet)) {
      packet.ndFlags = word(S_PORTS);
      packet.ndTarget = word(S_INFO);
      packet.ndLladdr = word(S_INFO2);
      packet.ndDst = word(S_SEQ);
      return packet;
    }
    packet.icmpId = word(S_PORTS) & 0xffff;
    packet.icmpSeq = word(S_PORTS) >>> 16;
    packet.icmpInfo = word(S_INFO);
  } else {
    packet.sport = word(S_PORTS) & 0xffff;
    packet.dport = word(S_PORTS) >>> 16;
    if (packet.protocol === IPPROTO_SCTP) packet.chunk = word(S_L4);
    else packet.tcpFlags = word(S_L4);
    if (packet.protocol === IPPROTO_TCP) {
      packet.mss = word(S_INFO) & 0xffff;
      packet.tcpWithout = word(S_INFO) >>> 16;
    }
    packet.seq = word(S_SEQ);
    packet.ack = word(S_ACK);
    packet.vni = word(S_INFO2);
  }
  if (packet.encapsulation !== INNER_NONE) packet.inner = wirePacket(d, at + SNAPSHOT_WORDS);
  return packet;
}
