import * as PACKET from "./packet.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } = PACKET;

/** Does a header of this protocol begin with two ports (`proto_ports_offset`)? Of those whose ports a packet here has. */
export function hasPorts(protocol: number): boolean {
  return protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_SCTP;
}
