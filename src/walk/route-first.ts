import { ENETUNREACH } from "../kernel/errno.ts";
import { routeConnect, routeOutput } from "../kernel/route/output-route.ts";
import { RTN_BROADCAST, RTN_MULTICAST } from "../kernel/route/types.ts";
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
  const error =
    packet.protocol === IPPROTO_SCTP
      ? routeOutput(stack, packet, packet.boundDev, false)
      : routeConnect(stack, packet, owner.query.sport === null);
  const toMany = error === 0 && (packet.rtType === RTN_BROADCAST || packet.rtType === RTN_MULTICAST);
  if (error !== 0 || toMany) {
    stack.pool.release(packet);
    if (toMany) {
      owner.asksMany = true;
      owner.fail("unreachable", ENETUNREACH);
    } else owner.failErrno(error);
    return false;
  }
  fillHopLimit(stack, packet);
  owner.bound(packet.src, packet.dst);
  return true;
}
