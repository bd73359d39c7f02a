import { failsChecksum } from "../../packet/checksum.ts";
import type { Packet } from "../../packet/packet.ts";
import * as STATUS from "../conntrack/status.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as ERROR from "../icmp/error.ts";
import { tellSender } from "../icmp/error.ts";
import { geneveReceive } from "../path/geneve.ts";
import { ovsTunnelReceive } from "../path/ovs-tunnel.ts";
import { vxlanReceive } from "../path/vxlan.ts";
import { reason } from "../reason.ts";
import * as ROUTE_TYPES from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { deliver } from "./deliver.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { CT_NONE } = STATUS;
const { PORT_UNREACHABLE } = ERROR;
const { RTN_BROADCAST, RTN_MULTICAST } = ROUTE_TYPES;

const BAD_CHECKSUM = reason("bad-checksum");
const NO_LISTENER = reason("no-listener-udp");

/** `udp_rcv`, `udpv6_rcv`: to a tunnel, to a socket, or an ICMP port unreachable. Takes the packet over. */
export function udpReceive(stack: Stack, _dev: NetDevice, packet: Packet): void {
  if (failsChecksum(packet)) {
    stack.kill(packet, BAD_CHECKSUM);
    return;
  }
  if (vxlanReceive(stack, packet)) return;
  if (stack.net.geneves.length > 0 && geneveReceive(stack, packet)) return;
  if (stack.net.ovsTunnels.length > 0 && ovsTunnelReceive(stack, packet)) return;
  if (stack.net.tunSockets.length > 0 && stack.outbox.toTun(stack, packet)) return;
  if (stack.outbox.upcalls.udp(stack, packet)) {
    deliver(stack, packet);
    return;
  }
  refuseDatagram(stack, packet);
}

/** `__udp4_lib_rcv`, `__udp6_lib_rcv` of what no socket takes: who sent it to one host is told. Takes the packet over. */
export function refuseDatagram(stack: Stack, packet: Packet): void {
  if (packet.rtType === RTN_BROADCAST || packet.rtType === RTN_MULTICAST) {
    stack.kill(packet, NO_LISTENER);
    return;
  }
  // `nf_reset_ct`: the error belongs to no connection before it is looked up by what it quotes.
  packet.ct = CT_NONE;
  packet.ctInfo = 0;
  tellSender(stack, packet, PORT_UNREACHABLE, 0);
  stack.kill(packet, NO_LISTENER);
}
