import * as PACKET from "../../packet/packet.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_ROUTER_SOLICITATION,
} = PACKET;

/** ICMP and ICMPv6 as connection tracking sees them (nf_conntrack_proto_icmp.c, nf_conntrack_proto_icmpv6.c). */

const ICMP_TIMESTAMP = 13;
const ICMP_ADDRESS_REPLY = 18;
const ICMPV6_MULTICAST_QUERY = 130;
const ICMPV6_MULTICAST_DONE = 132;
const ICMPV6_NODE_QUERY = 139;
const ICMPV6_NODE_REPLY = 140;
const ICMPV6_MULTICAST_REPORT_2 = 143;

/** Is a type an error that quotes a packet? */
export function isIcmpError(type: number, family = 4): boolean {
  if (family === 6) return type < ICMPV6_ECHO_REQUEST;
  return (
    type === ICMP_DEST_UNREACH ||
    type === 4 ||
    type === ICMP_REDIRECT ||
    type === ICMP_TIME_EXCEEDED ||
    type === ICMP_PARAMETERPROB
  );
}

/** The request's type for a reply's and the reverse (`invmap`), -1 for types without one. */
export function inverseType(type: number, family: number): number {
  if (family === 6) {
    if (type === ICMPV6_ECHO_REQUEST) return ICMPV6_ECHO_REPLY;
    if (type === ICMPV6_ECHO_REPLY) return ICMPV6_ECHO_REQUEST;
    if (type === ICMPV6_NODE_QUERY) return ICMPV6_NODE_REPLY;
    return type === ICMPV6_NODE_REPLY ? ICMPV6_NODE_QUERY : -1;
  }
  if (type === ICMP_ECHO) return ICMP_ECHOREPLY;
  if (type === ICMP_ECHOREPLY) return ICMP_ECHO;
  if (type < ICMP_TIMESTAMP || type > ICMP_ADDRESS_REPLY) return -1;
  // Timestamp, information and address mask: the request is odd, its reply follows it.
  return (type & 1) === 1 ? type + 1 : type - 1;
}

/** Only a request begins something (`valid_new`). */
export function beginsConnection(type: number, family: number): boolean {
  if (family === 6) return type === ICMPV6_ECHO_REQUEST || type === ICMPV6_NODE_QUERY;
  return type === ICMP_ECHO || (type >= ICMP_TIMESTAMP && type <= ICMP_ADDRESS_REPLY && (type & 1) === 1);
}

/** Neighbour discovery and multicast listeners, which are never tracked (`noct_valid_new`); a redirect is no part of them. */
export function isUntrackedIcmp6(type: number): boolean {
  return (
    (type >= NDISC_ROUTER_SOLICITATION && type <= NDISC_NEIGHBOUR_ADVERTISEMENT) ||
    (type >= ICMPV6_MULTICAST_QUERY && type <= ICMPV6_MULTICAST_DONE) ||
    type === ICMPV6_MULTICAST_REPORT_2
  );
}
