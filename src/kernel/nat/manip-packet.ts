import * as PACKET from "../../packet/packet.ts";
import { isIcmp, type Packet } from "../../packet/packet.ts";
import { hasPorts } from "../../packet/ports.ts";
import * as STATUS from "../conntrack/status.ts";
import { ctInfoDirection } from "../conntrack/status.ts";
import type { ConntrackTable } from "../conntrack/table.ts";
import type { NfVerdict } from "../netfilter/hook.ts";
import * as HOOK from "../netfilter/hook.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import type { Manip } from "./manip.ts";
import * as MANIP from "./manip.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { KEY_IPV6 } = PACKET;
const { IPS_DST_NAT, IPS_NAT_MASK, IPS_SRC_NAT } = STATUS;
const { NF_ACCEPT } = HOOK;
const { OP_REWRITE } = TAPE;
const { NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } = MANIP;

/** How a packet is given what its connection is bound to (`nf_nat_packet`, net/netfilter/nf_nat_proto.c). Runs per packet. */

/** `nf_nat_packet`: rewrite a packet of a bound connection, where this hook's half of the translation applies. */
export function natPacket(stack: Stack, packet: Packet, manip: Manip): NfVerdict {
  const table = stack.conntrack;
  const ct = packet.ct;
  const reply = ctInfoDirection(packet.ctInfo) === 1;
  let bit = manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT;
  if (reply) bit ^= IPS_NAT_MASK;
  if ((table.status(ct) & bit) === 0) return NF_ACCEPT;
  const address = boundAddress(table, ct, manip, reply);
  const port = boundPort(table, ct, isIcmp(packet) ? NF_NAT_MANIP_DST : manip, reply);
  const free = manip === NF_NAT_MANIP_SRC && table.freePort(ct) && !reply;
  rewrite(stack, packet, packet, manip, address, port, free);
  return NF_ACCEPT;
}

/** The address a packet is given: one end of the other direction's tuple, inverted. */
export function boundAddress(table: ConntrackTable, ct: number, manip: Manip, reply: boolean): number {
  if (manip === NF_NAT_MANIP_SRC) return reply ? table.origDst(ct) : table.replyDst(ct);
  return reply ? table.origSrc(ct) : table.replySrc(ct);
}

/** The port beside it; an echo's number is the source's of both tuples: of ICMP `NF_NAT_MANIP_DST` is asked for, whichever end is set. */
export function boundPort(table: ConntrackTable, ct: number, manip: Manip, reply: boolean): number {
  if (manip === NF_NAT_MANIP_SRC) return reply ? table.origDport(ct) : table.replyDport(ct);
  return reply ? table.origSport(ct) : table.replySport(ct);
}

/**
 * `nf_nat_ipv4_manip_pkt`, `nf_nat_ipv6_manip_pkt`: set one end of a packet.
 *
 * @param shown the packet whose rewriting the trace tells of; differs from `packet` for the one quoted in an error
 */
export function rewrite(
  stack: Stack,
  shown: Packet,
  packet: Packet,
  manip: Manip,
  address: number,
  port: number,
  free: boolean,
): void {
  const protocol = packet.protocol;
  const ports = hasPorts(protocol);
  const tape = stack.tape;
  if (tape !== null && shown === packet) {
    const oldPort = ports ? (manip === NF_NAT_MANIP_SRC ? packet.sport : packet.dport) : -1;
    const old = manip === NF_NAT_MANIP_SRC ? packet.src : packet.dst;
    if (old !== address || (ports && oldPort !== port)) {
      tape.words8(
        OP_REWRITE,
        stack.host,
        packet.number,
        manip | (free ? 2 : 0) | (packet.family === 6 ? KEY_IPV6 : 0),
        old,
        oldPort,
        address,
        ports ? port : -1,
        stack.hook,
      );
    }
  }
  if (manip === NF_NAT_MANIP_SRC) {
    packet.src = address;
    if (ports) packet.sport = port;
  } else {
    packet.dst = address;
    if (ports) packet.dport = port;
  }
  if (isIcmp(packet) && packet.inner === null) packet.icmpId = port;
}
