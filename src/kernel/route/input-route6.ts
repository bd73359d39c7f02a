import { type Packet, RT_FORWARD, RT_LOCAL_DELIVER } from "../../packet/packet.ts";
import { hasPorts } from "../../packet/ports.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { attachError } from "./attach.ts";
import { attachRoute, needsDevice, selectHop6 } from "./output-route6.ts";
import { RTN_MULTICAST, RTN_UNICAST } from "./types.ts";

const NOT_FOR_FORWARDING = reason("not-for-forwarding");

/**
 * Route a packet of IPv6 that came in by a device and attach the route (`ip6_route_input`, `ip6_mc_input`): there is no
 * reverse path filter. Runs per packet.
 *
 * @returns -1, or the reason to drop it silently
 */
export function routeInput6(stack: Stack, packet: Packet, dev: NetDevice): number {
  stack.routeLookups++;
  packet.dropRoute();
  const { flow, net, fibResult: result } = stack;
  flow.daddr = packet.dst;
  flow.saddr = packet.src;
  flow.oif = 0;
  flow.iif = dev.ifindex;
  flow.mark = packet.mark;
  flow.tos = packet.tos & 0xfc;
  flow.proto = packet.protocol;
  flow.uid = 0;
  flow.hasPorts = hasPorts(packet.protocol) && !packet.isFragment;
  flow.sport = packet.sport;
  flow.dport = packet.dport;
  flow.via = dev.ifindex;
  flow.viaOnly = needsDevice(packet.dst);
  flow.neighbours = net.forwarding6 ? null : stack.failedNeighbours;
  net.fib6.lookup(flow, result, stack.deviceName);
  const { route } = result;
  let { error } = result;
  if (error === 0 && route !== null) {
    error = attachRoute(stack, packet, route, selectHop6(stack, packet, route, dev.ifindex, true));
  }
  if (error !== 0) {
    attachError(stack, packet, error);
    return -1;
  }
  if (packet.rtType === RTN_MULTICAST) {
    if (!net.groups.isJoined6(packet.dst, dev.ifindex)) return NOT_FOR_FORWARDING;
    packet.rtInput = RT_LOCAL_DELIVER;
  } else if (packet.rtType === RTN_UNICAST) packet.rtInput = RT_FORWARD;
  return -1;
}
