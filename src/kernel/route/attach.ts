import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import type { FibNextHop } from "./fib.ts";
import * as ROUTE_TYPES from "./types.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { KEY_IPV6, RT_ERROR, RT_LOCAL_DELIVER, RT_OUTPUT } = PACKET;
const { ABSENT } = PAIR_MAP;
const { OP_ROUTE } = TAPE;
const { RTN_ANYCAST, RTN_BROADCAST, RTN_LOCAL, RTN_UNREACHABLE } = ROUTE_TYPES;

/** Putting the route found on a packet, with what exceptions say of its destination (`skb_dst_set`). Runs per packet. */

/** Put a usable route's next hop on the packet, after what redirects and path MTU errors taught about the destination. */
export function attachWithExceptions(
  stack: Stack,
  packet: Packet,
  type: number,
  dev: NetDevice,
  hop: FibNextHop,
  daddr: number,
  routeMtu: number,
): 0 {
  let gateway = hop.gateway;
  let hasGateway = hop.hasGateway;
  let mtu = routeMtu;
  let locked = stack.fibResult.route?.mtuLocked ?? false;
  let stands = false;
  const exceptions = stack.state.exceptions;
  if (exceptions.size > 0) {
    const redirected = exceptions.gateway(packet.family, daddr, stack.now);
    if (redirected !== ABSENT && (hasGateway || packet.family === 6)) {
      gateway = redirected;
      // Of IPv6 a host may learn that the destination itself is on link.
      hasGateway = redirected !== daddr;
    }
    const pathMtu = exceptions.pathMtu(packet.family, daddr, stack.now);
    if (pathMtu !== ABSENT) {
      mtu = pathMtu;
      locked ||= packet.family === 4 && exceptions.isPathMtuLocked(daddr);
    }
    stands = redirected !== ABSENT || pathMtu !== ABSENT;
  }
  attach(stack, packet, type, dev, hasGateway ? gateway : daddr, hasGateway, mtu);
  packet.rtHopStands = stands;
  packet.rtMtuLocked = locked;
  // `ip_dst_mtu_maybe_forward`
  if (!(locked || stack.net.forwardUsePmtu)) packet.rtForwardMtu = routeMtu;
  return 0;
}

/**
 * `rt_nexthop`, `rt6_nexthop`: of whom a packet's MAC is asked. Where its destination is on link that is whom it is for by now,
 * which rules may have changed since it was routed.
 */
export function nextHopOf({ rtUsesGateway, rtHopStands, rtNextHop, dst }: Packet): number {
  return rtUsesGateway || rtHopStands ? rtNextHop : dst;
}

export function attach(
  stack: Stack,
  packet: Packet,
  type: number,
  dev: NetDevice,
  nextHop: number,
  usesGateway: boolean,
  mtu: number,
): 0 {
  packet.rtType = type;
  // A broadcast that leaves by loopback comes in by the same route (`RTCF_LOCAL`, __mkroute_output).
  const isOwn = type === RTN_LOCAL || type === RTN_ANYCAST || (type === RTN_BROADCAST && dev.isLoopback);
  packet.rtInput = isOwn ? RT_LOCAL_DELIVER : RT_OUTPUT;
  packet.rtDev = dev.slot;
  packet.rtNextHop = nextHop;
  packet.rtUsesGateway = usesGateway;
  packet.rtHopStands = false;
  packet.rtMtu = mtu;
  packet.rtMtuLocked = false;
  packet.rtForwardMtu = mtu;
  packet.rtHopLimit = stack.fibResult.route?.hopLimit ?? 0;
  packet.rtError = 0;
  stack.tape?.words8(
    OP_ROUTE,
    stack.host,
    packet.number,
    packet.dst,
    packet.family === 6 ? type | KEY_IPV6 : type,
    dev.ifindex,
    nextHop,
    0,
    routeIndex(stack),
  );
  return 0;
}

/** No route: the tape says so. */
export function fail(stack: Stack, packet: Packet, errno: number): number {
  const type = packet.family === 6 ? KEY_IPV6 : 0;
  stack.tape?.words8(OP_ROUTE, stack.host, packet.number, packet.dst, type, 0, 0, errno, routeIndex(stack));
  return errno;
}

/** Which of the host's routes the last look-up found, -1 none. */
function routeIndex(stack: Stack): number {
  return stack.fibResult.route?.index ?? -1;
}

/** An error route on a packet that came in: dropped, or answered with an ICMP error. */
export function attachError(stack: Stack, packet: Packet, errno: number): void {
  packet.rtInput = RT_ERROR;
  packet.rtType = RTN_UNREACHABLE;
  packet.rtError = errno;
  fail(stack, packet, errno);
}
