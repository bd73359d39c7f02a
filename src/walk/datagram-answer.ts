import type { Family } from "../address/ip.ts";
import { isLinkLocal6 } from "../address/ip6-handle.ts";
import { emit } from "../kernel/emit.ts";
import { inputDevice6 } from "../kernel/icmp/send6.ts";
import { localOut } from "../kernel/path/local-out.ts";
import { routeOutput } from "../kernel/route/output-route.ts";
import { RTN_BROADCAST } from "../kernel/route/types.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import type { Stack } from "../kernel/stack.ts";
import { headerLength, IPPROTO_UDP, type Packet, PHASE_REPLY } from "../packet/packet.ts";
import { fillHopLimit, hasAddress, ofFamily } from "./client-packet.ts";
import { transparencyOf } from "./connection-end.ts";
import { dontFragment } from "./dont-fragment.ts";
import { LINE_BYTES, MESSAGE_BYTES } from "./packet-size.ts";

/**
 * A server's line back to whom a datagram came from, from the address that it came to. It is not sent where the host has no such address,
 * or no way back.
 *
 * @param family of the query
 * @param socket the server's; null: one that is merely assumed
 */
export function answerDatagram(stack: Stack, packet: Packet, family: Family, socket: Socket | null): void {
  const reply = ofFamily(stack.pool.take(), family);
  reply.protocol = IPPROTO_UDP;
  reply.src = packet.dst;
  reply.dst = packet.src;
  reply.sport = packet.dport;
  reply.dport = packet.sport;
  reply.df = true;
  reply.payload = LINE_BYTES;
  reply.length = headerLength(reply) + MESSAGE_BYTES + LINE_BYTES;
  reply.ttl = 0;
  reply.uid = 0;
  const bound = socket === null || socket.dev === null ? null : stack.net.deviceNamed(socket.dev);
  // Whom `recvmsg` names with a link is answered there; the socket is not bound to it, which a rule's new route asks (`ip6_route_me_harder`).
  const link = family === 6 && isLinkLocal6(reply.dst) ? inputDevice6(stack, packet) : 0;
  reply.boundDev = bound?.ifindex ?? 0;
  reply.id = stack.state.nextIpId();
  // From a broadcast address nobody can answer, and to one only a socket that asked for it (SO_BROADCAST).
  // So a socket may that speaks for others, however it came by the packet; a proxy's is taken to where the dump does not say.
  const forAnother = transparencyOf(socket) ?? packet.proxyPort > 0;
  if (
    !(forAnother || hasAddress(stack, family, reply.src)) ||
    routeOutput(stack, reply, bound?.ifindex ?? link, forAnother) !== 0 ||
    reply.rtType === RTN_BROADCAST
  ) {
    stack.pool.release(reply);
    return;
  }
  reply.df = dontFragment(stack, reply);
  fillHopLimit(stack, reply);
  localOut(stack, emit(stack, reply, PHASE_REPLY, packet.number));
}
