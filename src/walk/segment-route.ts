import { IP6_ANY } from "../address/ip6-handle.ts";
import { routeOutput } from "../kernel/route/output-route.ts";
import * as PAIR_MAP from "../kernel/session/pair-map.ts";
import type { Packet } from "../packet/packet.ts";
import type { TcpEnd } from "./tcp-end.ts";

const { ABSENT } = PAIR_MAP;

/**
 * Route what an end of a connection sends. A socket of IPv6 that no address was chosen for keeps the route it connected by, which no
 * rule about its source had a part in (`inet6_csk_route_socket`), until something is learned of its destination; one of IPv4 keeps
 * the default route that it has, of several.
 *
 * @returns 0, or the errno a sender sees
 */
export function routeSegment(end: TcpEnd, packet: Packet): number {
  const { stack, boundDev, forAnother, routedUnbound } = end;
  stack.flow.keptGateway = end.gateway;
  const { exceptions } = stack.state;
  const { src, dst } = packet;
  const stands =
    routedUnbound &&
    exceptions.pathMtu(6, dst, stack.now) === ABSENT &&
    exceptions.gateway(6, dst, stack.now) === ABSENT;
  if (!stands) return routeOutput(stack, packet, boundDev, forAnother);
  packet.src = IP6_ANY;
  const error = routeOutput(stack, packet, boundDev, forAnother);
  packet.src = src;
  return error;
}

/** Has a packet of an end just been routed, its socket keeps the way; what answers a SYN has no socket of its own yet. */
export function keepWay(end: TcpEnd, { family, rtUsesGateway, rtNextHop }: Packet): void {
  end.gateway = family === 4 && rtUsesGateway ? rtNextHop : 0;
}
