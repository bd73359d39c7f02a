import { intern, word6 } from "../../address/ip6-handle.ts";
import { internMacNumber, type Mac, macNumber } from "../../address/mac.ts";
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  IPPROTO_TCP,
  isIcmp,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  type Packet,
} from "../../packet/packet.ts";
import * as F from "./field.ts";

/** A packet in the tables of a bridge, with what Open vSwitch keeps beside it (`struct flow`). Read per packet. */
export class OvsKey {
  packet: Packet;
  /** By `AT_…` of `field.ts`. */
  readonly memory: Int32Array;

  constructor(packet: Packet, memory: Int32Array = new Int32Array(F.MEMORY_WORDS)) {
    this.packet = packet;
    this.memory = memory;
  }

  word(field: F.OvsField, i: number): number {
    return field.at >= 0 ? (this.memory[field.at + i] as number) : packetWord(this.packet, field.id, i);
  }

  read(field: F.OvsField, into: Int32Array): void {
    for (let i = 0; i < field.words; i++) into[i] = this.word(field, i);
  }

  write(field: F.OvsField, from: Int32Array): void {
    if (field.at < 0) {
      setPacketField(this.packet, field.id, from);
      return;
    }
    for (let i = 0; i < field.words; i++) this.memory[field.at + i] = from[i] as number;
  }
}

const VLAN_PRESENT = 0x1000;
/** `dl_vlan` of a frame without a tag. */
const NO_VLAN = 0xffff;
const FRAG_ANY = 1;
const FRAG_LATER = 2;

function packetWord(packet: Packet, id: number, i: number): number {
  switch (id) {
    case F.ETH_SRC:
      return macWord(packet.ethSrc, i);
    case F.ETH_DST:
      return macWord(packet.ethDst, i);
    case F.ETH_TYPE:
      return packet.ethType;
    case F.VLAN_TCI:
      return packet.vlan === 0 ? 0 : packet.vlan | VLAN_PRESENT;
    case F.DL_VLAN:
      return packet.vlan === 0 ? NO_VLAN : packet.vlan;
    case F.NW_PROTO:
      return packet.ethType === ETH_P_ARP ? packet.arpOp : packet.protocol;
    case F.NW_SRC:
      return packet.ethType === ETH_P_IPV6 ? 0 : packet.src;
    case F.NW_DST:
      return packet.ethType === ETH_P_IPV6 ? 0 : packet.dst;
    case F.IPV6_SRC:
      return packet.family === 6 ? word6(packet.src, i) : 0;
    case F.IPV6_DST:
      return packet.family === 6 ? word6(packet.dst, i) : 0;
    case F.NW_TOS:
      return packet.tos & 0xfc;
    case F.IP_DSCP:
      return packet.tos >> 2;
    case F.NW_ECN:
      return packet.tos & 3;
    case F.NW_TTL:
      return packet.ttl;
    case F.IP_FRAG:
      return (packet.isFragment ? FRAG_ANY : 0) | (packet.fragOffset === 0 ? 0 : FRAG_LATER);
    case F.PKT_MARK:
      return packet.mark;
    default:
      return transportWord(packet, id, i);
  }
}

function transportWord(packet: Packet, id: number, i: number): number {
  switch (id) {
    case F.TP_SRC:
      return !packet.hasTransport ? 0 : isIcmp(packet) ? packet.icmpType : packet.sport;
    case F.TP_DST:
      return !packet.hasTransport ? 0 : isIcmp(packet) ? packet.icmpCode : packet.dport;
    case F.TCP_FLAGS:
      return packet.hasTransport && packet.protocol === IPPROTO_TCP ? packet.tcpFlags : 0;
    case F.ICMP_TYPE:
      return packet.hasTransport ? packet.icmpType : 0;
    case F.ICMP_CODE:
      return packet.hasTransport ? packet.icmpCode : 0;
    case F.ARP_OP:
      return packet.arpOp;
    case F.ARP_SHA:
      return macWord(packet.arpSha, i);
    case F.ARP_THA:
      return macWord(packet.arpTha, i);
    case F.ND_TARGET:
      return packet.family === 6 ? word6(packet.ndTarget, i) : 0;
    case F.ND_SLL:
      return packet.icmpType === NDISC_NEIGHBOUR_SOLICITATION ? macWord(packet.ndLladdr, i) : 0;
    case F.ND_TLL:
      return packet.icmpType === NDISC_NEIGHBOUR_ADVERTISEMENT ? macWord(packet.ndLladdr, i) : 0;
    default:
      return 0;
  }
}

function macWord(mac: Mac, i: number): number {
  const bits = macNumber(mac);
  return i === 0 ? Math.floor(bits / 0x1_0000_0000) : bits | 0;
}

function macOf(words: Int32Array): Mac {
  return internMacNumber(((words[0] as number) & 0xffff) * 0x1_0000_0000 + ((words[1] as number) >>> 0));
}

function ip6Of(words: Int32Array): number {
  return intern(words[0] as number, words[1] as number, words[2] as number, words[3] as number);
}

/** What the packet does not have (a port of ICMP, an address of another family) is not written. */
function setPacketField(packet: Packet, id: number, words: Int32Array): void {
  const value = words[0] as number;
  switch (id) {
    case F.ETH_SRC:
      packet.ethSrc = macOf(words);
      return;
    case F.ETH_DST:
      packet.ethDst = macOf(words);
      return;
    case F.VLAN_TCI:
      packet.vlan = (value & VLAN_PRESENT) === 0 ? 0 : value & 0xfff;
      return;
    case F.DL_VLAN:
      packet.vlan = value & 0xfff;
      return;
    case F.NW_SRC:
      if (packet.ethType === ETH_P_IP || packet.ethType === ETH_P_ARP) packet.src = value;
      return;
    case F.NW_DST:
      if (packet.ethType === ETH_P_IP || packet.ethType === ETH_P_ARP) packet.dst = value;
      return;
    case F.IPV6_SRC:
      if (packet.ethType === ETH_P_IPV6) packet.src = ip6Of(words);
      return;
    case F.IPV6_DST:
      if (packet.ethType === ETH_P_IPV6) packet.dst = ip6Of(words);
      return;
    case F.NW_TOS:
      packet.tos = (value & 0xfc) | (packet.tos & 3);
      return;
    case F.IP_DSCP:
      packet.tos = ((value & 0x3f) << 2) | (packet.tos & 3);
      return;
    case F.NW_ECN:
      packet.tos = (packet.tos & 0xfc) | (value & 3);
      return;
    case F.NW_TTL:
      packet.ttl = value & 0xff;
      return;
    case F.PKT_MARK:
      packet.mark = value;
      return;
    default:
      setTransportField(packet, id, words);
  }
}

function setTransportField(packet: Packet, id: number, words: Int32Array): void {
  const value = words[0] as number;
  switch (id) {
    case F.TP_SRC:
      if (packet.hasTransport && !isIcmp(packet)) packet.sport = value & 0xffff;
      return;
    case F.TP_DST:
      if (packet.hasTransport && !isIcmp(packet)) packet.dport = value & 0xffff;
      return;
    case F.ICMP_TYPE:
      packet.icmpType = value & 0xff;
      return;
    case F.ICMP_CODE:
      packet.icmpCode = value & 0xff;
      return;
    case F.ARP_OP:
      packet.arpOp = value & 0xffff;
      return;
    case F.ARP_SHA:
      packet.arpSha = macOf(words);
      return;
    case F.ARP_THA:
      packet.arpTha = macOf(words);
      return;
    case F.ND_TARGET:
      packet.ndTarget = ip6Of(words);
      return;
    case F.ND_SLL:
    case F.ND_TLL:
      packet.ndLladdr = macOf(words);
      return;
    default:
      return;
  }
}
