import { ENETUNREACH } from "../kernel/route/fib.ts";
import { routeOutput } from "../kernel/route/output-route.ts";
import { RTN_BROADCAST, RTN_MULTICAST } from "../kernel/route/types.ts";
import type { Stack } from "../kernel/stack.ts";
import { IPPROTO_SCTP, type Packet } from "../packet/packet.ts";
import { fillHopLimit } from "./client-packet.ts";
import type { Conversation } from "./conversation.ts";

/**
 * `connect`: the first packet of a connection is routed, and with it the client's address is bound. A connection has one other
 * end, so a broadcast or a group is unreachable.
 *
 * @returns false: the query has failed, and the packet is released
 */
export function routeFirst(owner: Conversation, packet: Packet): boolean {
  const stack = owner.client;
  const error = routeConnected(stack, packet);
  const toMany = error === 0 && (packet.rtType === RTN_BROADCAST || packet.rtType === RTN_MULTICAST);
  if (error !== 0 || toMany) {
    stack.pool.release(packet);
    if (toMany) owner.fail("unreachable", ENETUNREACH);
    else owner.failErrno(error);
    return false;
  }
  fillHopLimit(stack, packet);
  owner.bound(packet.src, packet.dst);
  return true;
}

/**
 * `ip_route_connect`: a route is looked for by the destination, and once more with the source it gave, for which policy rules may
 * have another.
 *
 * @returns 0, or the errno a sender sees
 */
export function routeConnected(stack: Stack, packet: Packet): number {
  const isOpen = packet.family !== 6 && packet.src === 0 && packet.protocol !== IPPROTO_SCTP;
  const error = routeOutput(stack, packet, packet.boundDev, false);
  return error === 0 && isOpen ? routeOutput(stack, packet, packet.boundDev, false) : error;
}
