import {
  isNeighbourDiscovery,
  PACKET_HOST,
  PACKET_LOOPBACK,
  type Packet,
  RT_LOCAL_DELIVER,
} from "../../packet/packet.ts";
import { CT_NONE, CT_UNTRACKED } from "../conntrack/status.ts";
import type { NetDevice } from "../device/net-device.ts";
import {
  NF_ACCEPT,
  NF_DROP,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
} from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import { reason } from "../reason.ts";
import { routeInput } from "../route/input-route.ts";
import { isLimitedBroadcast, isMulticast, routeOutput } from "../route/output-route.ts";
import { needsDevice } from "../route/output-route6.ts";
import type { Stack } from "../stack.ts";
import { DIR_OUT, OP_FRAME } from "../tape.ts";

/**
 * VRFs (drivers/net/vrf.c, include/net/l3mdev.h). What comes in by a device of one, or leaves by it, goes through the VRF's
 * own hooks as well: on the way in after PREROUTING of the device, on the way out before its OUTPUT. INPUT and FORWARD see
 * the VRF alone. A VRF's captures show both as leaving (`dev_queue_xmit_nit`).
 */

const NO_ROUTE = reason("no-route");

/**
 * `l3mdev_ip_rcv`, `l3mdev_ip6_rcv`: a packet that came in by a device of a VRF, past PREROUTING.
 *
 * @returns the device that it is in from now on; null when it has ended
 */
export function vrfReceive(stack: Stack, dev: NetDevice, vrf: NetDevice, packet: Packet): NetDevice | null {
  const six = packet.family === 6;
  const looped = packet.pktType === PACKET_LOOPBACK;
  const discovery = isNeighbourDiscovery(packet);
  const strict = six && needsDevice(packet.dst);
  const own = discovery && !looped ? dev : vrf;
  if (own === vrf) {
    packet.l3Slave = packet.iif === 0 ? dev.ifindex : packet.iif;
    packet.dev = vrf.ifindex;
    packet.iif = vrf.ifindex;
  }
  if (looped) {
    packet.pktType = PACKET_HOST;
    return own;
  }
  if (strict) {
    // `vrf_ip6_input_dst`: such an address is looked up by the device it came in by.
    const dropped = routeInput(stack, packet, dev);
    if (dropped >= 0) {
      stack.kill(packet, dropped);
      return null;
    }
    if (!discovery) return own;
  }
  if (!six && isMulticast(packet.dst)) return own;
  if (!discovery) tap(stack, vrf, packet);
  const verdict = nfHook(stack, NF_INET_PRE_ROUTING, packet, vrf.ifindex, 0);
  if (verdict === NF_ACCEPT) return own;
  if (verdict === NF_DROP) stack.pool.release(packet);
  return null;
}

/**
 * `l3mdev_ip_out`, `l3mdev_ip6_out`: a packet made here that is to leave by a device of a VRF, before OUTPUT. Conntrack leaves
 * it alone until then.
 *
 * @returns false when it has ended, which its sender does not hear of
 */
export function vrfOut(stack: Stack, vrf: NetDevice, packet: Packet): boolean {
  const { dst } = packet;
  if (packet.family === 6 ? needsDevice(dst) : isMulticast(dst) || isLimitedBroadcast(dst)) return true;
  if (packet.ct === CT_NONE) packet.ct = CT_UNTRACKED;
  packet.dev = vrf.ifindex;
  let verdict = nfHook(stack, NF_INET_LOCAL_OUT, packet, 0, vrf.ifindex);
  if (verdict === NF_ACCEPT) verdict = nfHook(stack, NF_INET_POST_ROUTING, packet, 0, vrf.ifindex);
  if (verdict !== NF_ACCEPT) {
    if (verdict === NF_DROP) stack.pool.release(packet);
    return false;
  }
  const { framed, ethSrc, ethDst } = packet;
  packet.framed = true;
  packet.ethSrc = vrf.mac;
  packet.ethDst = 0;
  tap(stack, vrf, packet);
  packet.framed = framed;
  packet.ethSrc = ethSrc;
  packet.ethDst = ethDst;
  if (packet.ct === CT_UNTRACKED) packet.ct = CT_NONE;
  return true;
}

/**
 * `vrf_xmit`: a packet leaves by the VRF itself, as a route of another table says or because it is for one of its own
 * addresses. It is routed in the VRF's table: out again, or up. Takes the packet over.
 */
export function vrfTransmit(stack: Stack, vrf: NetDevice, packet: Packet): void {
  const { mark } = packet;
  // Of IPv4 the mark is not looked at (`vrf_process_v4_outbound`).
  if (packet.family !== 6) packet.mark = 0;
  const error = routeOutput(stack, packet, 0, true, vrf.ifindex);
  packet.mark = mark;
  if (error !== 0) {
    stack.kill(packet, NO_ROUTE);
    return;
  }
  if (packet.rtDev === vrf.slot) {
    packet.pktType = PACKET_LOOPBACK;
    packet.rtInput = RT_LOCAL_DELIVER;
    stack.outbox.receive(stack, vrf, packet);
    return;
  }
  packet.framed = false;
  packet.forwarded = false;
  packet.dev = vrf.ifindex;
  if (packet.ct === CT_UNTRACKED) packet.ct = CT_NONE;
  stack.path.localOutHook(stack, packet);
}

function tap(stack: Stack, vrf: NetDevice, packet: Packet): void {
  stack.engine.tape?.frame(OP_FRAME, stack.host, vrf.ifindex, DIR_OUT, packet);
}
