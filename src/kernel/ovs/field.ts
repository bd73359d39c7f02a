/**
 * The fields that flows match and actions set (ovs-fields(7)): those of a packet, and those that Open vSwitch keeps beside it
 * while the packet is in its tables. A field is read and written as 32-bit words, the most significant first; one of fewer bits
 * than its words stands at their lower end.
 */
export interface OvsField {
  readonly name: string;
  readonly bits: number;
  readonly words: number;
  /** Where it lies in the memory beside the packet, -1: in the packet (`packet-field.ts`). */
  readonly at: number;
  /** A field of a packet by its number there, 0 of others. */
  readonly id: number;
  readonly form: "number" | "mac" | "ipv4" | "ipv6" | "port" | "ct-state" | "tcp-flags" | "frag";
  /** What a packet has to be to have it: an EtherType, and a protocol of IP; 0 any, -1 IPv4 or ARP. */
  readonly ethType: number;
  readonly protocol: number;
}

// fields of a packet
export const ETH_SRC = 1;
export const ETH_DST = 2;
export const ETH_TYPE = 3;
export const VLAN_TCI = 4;
export const DL_VLAN = 5;
export const NW_PROTO = 7;
export const NW_SRC = 8;
export const NW_DST = 9;
export const IPV6_SRC = 10;
export const IPV6_DST = 11;
export const NW_TOS = 12;
export const IP_DSCP = 13;
export const NW_ECN = 14;
export const NW_TTL = 15;
export const TP_SRC = 16;
export const TP_DST = 17;
export const TCP_FLAGS = 18;
export const ICMP_TYPE = 19;
export const ICMP_CODE = 20;
export const ARP_OP = 21;
export const ARP_SHA = 22;
export const ARP_THA = 23;
export const ND_TARGET = 24;
export const ND_SLL = 25;
export const ND_TLL = 26;
export const IP_FRAG = 27;
export const PKT_MARK = 28;
const NO_BITS = 29;

// places beside the packet
export const AT_REG = 0;
export const AT_METADATA = 16;
export const AT_TUN_ID = 18;
export const AT_TUN_SRC = 20;
export const AT_TUN_DST = 21;
export const AT_TUN6_SRC = 22;
export const AT_TUN6_DST = 26;
export const AT_CT_STATE = 30;
export const AT_CT_ZONE = 31;
export const AT_CT_MARK = 32;
export const AT_CT_LABEL = 33;
export const AT_CONJ_ID = 37;
export const AT_IN_PORT = 38;
export const AT_TUN_TOS = 39;
export const AT_TUN_TTL = 40;
export const AT_TUN_FLAGS = 41;
export const AT_CT_SRC = 42;
export const AT_CT_DST = 43;
export const AT_CT6_SRC = 44;
export const AT_CT6_DST = 48;
export const AT_CT_PROTO = 52;
export const AT_CT_SPORT = 53;
export const AT_CT_DPORT = 54;
export const AT_ACTSET = 55;
export const AT_RECIRC = 56;
export const AT_IN_PORT_SELF = 57;
export const MEMORY_WORDS = 58;

const IP = 0x0800;
const ARP = 0x0806;
const IP6 = 0x86dd;

const FIELDS = new Map<string, OvsField>();

function field(
  names: string,
  bits: number,
  place: { readonly at?: number; readonly id?: number },
  form: OvsField["form"] = "number",
  ethType = 0,
  protocol = 0,
): void {
  const [name = "", ...others] = names.split(" ");
  const made: OvsField = {
    name,
    bits,
    words: Math.ceil(bits / 32),
    at: place.at ?? -1,
    id: place.id ?? 0,
    form,
    ethType,
    protocol,
  };
  for (const each of [name, ...others]) FIELDS.set(each, made);
}

field("eth_src dl_src NXM_OF_ETH_SRC OXM_OF_ETH_SRC", 48, { id: ETH_SRC }, "mac");
field("eth_dst dl_dst NXM_OF_ETH_DST OXM_OF_ETH_DST", 48, { id: ETH_DST }, "mac");
field("eth_type dl_type NXM_OF_ETH_TYPE OXM_OF_ETH_TYPE", 16, { id: ETH_TYPE });
field("vlan_tci NXM_OF_VLAN_TCI", 16, { id: VLAN_TCI });
field("vlan_vid OXM_OF_VLAN_VID", 13, { id: VLAN_TCI });
field("dl_vlan", 12, { id: DL_VLAN });
field("dl_vlan_pcp vlan_pcp OXM_OF_VLAN_PCP", 3, { id: NO_BITS });
field("nw_proto ip_proto NXM_OF_IP_PROTO OXM_OF_IP_PROTO", 8, { id: NW_PROTO });
field("nw_src ip_src NXM_OF_IP_SRC OXM_OF_IPV4_SRC ipv4_src", 32, { id: NW_SRC }, "ipv4", -1);
field("nw_dst ip_dst NXM_OF_IP_DST OXM_OF_IPV4_DST ipv4_dst", 32, { id: NW_DST }, "ipv4", -1);
field("ipv6_src NXM_NX_IPV6_SRC OXM_OF_IPV6_SRC", 128, { id: IPV6_SRC }, "ipv6", IP6);
field("ipv6_dst NXM_NX_IPV6_DST OXM_OF_IPV6_DST", 128, { id: IPV6_DST }, "ipv6", IP6);
field("ipv6_label NXM_NX_IPV6_LABEL OXM_OF_IPV6_FLABEL", 20, { id: NO_BITS }, "number", IP6);
field("nw_tos NXM_OF_IP_TOS", 8, { id: NW_TOS });
field("ip_dscp OXM_OF_IP_DSCP", 6, { id: IP_DSCP });
field("nw_ecn ip_ecn NXM_NX_IP_ECN OXM_OF_IP_ECN", 2, { id: NW_ECN });
field("nw_ttl NXM_NX_IP_TTL", 8, { id: NW_TTL });
field("ip_frag nw_frag NXM_NX_IP_FRAG", 2, { id: IP_FRAG }, "frag");
field("tp_src", 16, { id: TP_SRC });
field("tp_dst", 16, { id: TP_DST });
field("tcp_src NXM_OF_TCP_SRC OXM_OF_TCP_SRC", 16, { id: TP_SRC }, "number", 0, 6);
field("tcp_dst NXM_OF_TCP_DST OXM_OF_TCP_DST", 16, { id: TP_DST }, "number", 0, 6);
field("udp_src NXM_OF_UDP_SRC OXM_OF_UDP_SRC", 16, { id: TP_SRC }, "number", 0, 17);
field("udp_dst NXM_OF_UDP_DST OXM_OF_UDP_DST", 16, { id: TP_DST }, "number", 0, 17);
field("sctp_src OXM_OF_SCTP_SRC", 16, { id: TP_SRC }, "number", 0, 132);
field("sctp_dst OXM_OF_SCTP_DST", 16, { id: TP_DST }, "number", 0, 132);
field("tcp_flags NXM_NX_TCP_FLAGS OXM_OF_TCP_FLAGS", 12, { id: TCP_FLAGS }, "tcp-flags", 0, 6);
field("icmp_type NXM_OF_ICMP_TYPE OXM_OF_ICMPV4_TYPE", 8, { id: ICMP_TYPE }, "number", IP, 1);
field("icmp_code NXM_OF_ICMP_CODE OXM_OF_ICMPV4_CODE", 8, { id: ICMP_CODE }, "number", IP, 1);
field("icmpv6_type NXM_NX_ICMPV6_TYPE OXM_OF_ICMPV6_TYPE", 8, { id: ICMP_TYPE }, "number", IP6, 58);
field("icmpv6_code NXM_NX_ICMPV6_CODE OXM_OF_ICMPV6_CODE", 8, { id: ICMP_CODE }, "number", IP6, 58);
field("arp_op NXM_OF_ARP_OP OXM_OF_ARP_OP", 16, { id: ARP_OP }, "number", ARP);
field("arp_spa NXM_OF_ARP_SPA OXM_OF_ARP_SPA", 32, { id: NW_SRC }, "ipv4", ARP);
field("arp_tpa NXM_OF_ARP_TPA OXM_OF_ARP_TPA", 32, { id: NW_DST }, "ipv4", ARP);
field("arp_sha NXM_NX_ARP_SHA OXM_OF_ARP_SHA", 48, { id: ARP_SHA }, "mac", ARP);
field("arp_tha NXM_NX_ARP_THA OXM_OF_ARP_THA", 48, { id: ARP_THA }, "mac", ARP);
field("nd_target NXM_NX_ND_TARGET OXM_OF_IPV6_ND_TARGET", 128, { id: ND_TARGET }, "ipv6", IP6, 58);
field("nd_sll NXM_NX_ND_SLL OXM_OF_IPV6_ND_SLL", 48, { id: ND_SLL }, "mac", IP6, 58);
field("nd_tll NXM_NX_ND_TLL OXM_OF_IPV6_ND_TLL", 48, { id: ND_TLL }, "mac", IP6, 58);
field("pkt_mark NXM_NX_PKT_MARK", 32, { id: PKT_MARK });
field("skb_priority", 32, { id: NO_BITS });

field("in_port NXM_OF_IN_PORT", 16, { at: AT_IN_PORT }, "port");
field("in_port_oxm OXM_OF_IN_PORT", 32, { at: AT_IN_PORT }, "port");
for (let i = 0; i < 16; i++) field(`reg${i} NXM_NX_REG${i}`, 32, { at: AT_REG + i });
for (let i = 0; i < 8; i++) field(`xreg${i} OXM_OF_PKT_REG${i}`, 64, { at: AT_REG + 2 * i });
for (let i = 0; i < 4; i++) field(`xxreg${i} NXM_NX_XXREG${i}`, 128, { at: AT_REG + 4 * i });
field("metadata OXM_OF_METADATA", 64, { at: AT_METADATA });
field("tun_id tunnel_id NXM_NX_TUN_ID OXM_OF_TUNNEL_ID", 64, { at: AT_TUN_ID });
field("tun_src NXM_NX_TUN_IPV4_SRC", 32, { at: AT_TUN_SRC }, "ipv4");
field("tun_dst NXM_NX_TUN_IPV4_DST", 32, { at: AT_TUN_DST }, "ipv4");
field("tun_ipv6_src NXM_NX_TUN_IPV6_SRC", 128, { at: AT_TUN6_SRC }, "ipv6");
field("tun_ipv6_dst NXM_NX_TUN_IPV6_DST", 128, { at: AT_TUN6_DST }, "ipv6");
field("tun_tos", 8, { at: AT_TUN_TOS });
field("tun_ttl", 8, { at: AT_TUN_TTL });
field("tun_flags NXM_NX_TUN_FLAGS", 16, { at: AT_TUN_FLAGS });
field("ct_state NXM_NX_CT_STATE", 32, { at: AT_CT_STATE }, "ct-state");
field("ct_zone NXM_NX_CT_ZONE", 16, { at: AT_CT_ZONE });
field("ct_mark NXM_NX_CT_MARK", 32, { at: AT_CT_MARK });
field("ct_label NXM_NX_CT_LABEL", 128, { at: AT_CT_LABEL });
field("ct_nw_src NXM_NX_CT_NW_SRC", 32, { at: AT_CT_SRC }, "ipv4", IP);
field("ct_nw_dst NXM_NX_CT_NW_DST", 32, { at: AT_CT_DST }, "ipv4", IP);
field("ct_ipv6_src NXM_NX_CT_IPV6_SRC", 128, { at: AT_CT6_SRC }, "ipv6", IP6);
field("ct_ipv6_dst NXM_NX_CT_IPV6_DST", 128, { at: AT_CT6_DST }, "ipv6", IP6);
field("ct_nw_proto NXM_NX_CT_NW_PROTO", 8, { at: AT_CT_PROTO });
field("ct_tp_src NXM_NX_CT_TP_SRC", 16, { at: AT_CT_SPORT });
field("ct_tp_dst NXM_NX_CT_TP_DST", 16, { at: AT_CT_DPORT });
field("conj_id NXM_NX_CONJ_ID", 32, { at: AT_CONJ_ID });
field("actset_output OXM_OF_ACTSET_OUTPUT", 32, { at: AT_ACTSET }, "port");
field("recirc_id", 32, { at: AT_RECIRC });

/** A field by any of its names; undefined: none that is modelled. */
export function ovsField(name: string): OvsField | undefined {
  return FIELDS.get(name);
}
