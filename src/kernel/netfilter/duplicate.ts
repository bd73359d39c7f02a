import type { Packet } from "../../packet/packet.ts";
import { CT_UNTRACKED } from "../conntrack/status.ts";
import { shareBridge } from "../path/sabotage.ts";
import { reason } from "../reason.ts";
import { routeOutput } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import { NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING } from "./hook.ts";

const NO_ROUTE = reason("no-route");

/**
 * `nf_dup_ipv4`, `nf_dup_ipv6`: a copy, which no connection knows, goes out by way of a gateway; of a copy none is made. Runs per
 * packet.
 *
 * @param gateway as the path holds it
 * @param oif ifindex of the device it leaves by, 0 the route's
 */
export function duplicate(stack: Stack, packet: Packet, hook: number, gateway: number, oif: number): void {
  if (stack.duplicates) return;
  const copy = stack.pool.clone(packet);
  copy.ct = CT_UNTRACKED;
  // `pskb_copy` leaves the socket behind.
  copy.uid = -1;
  copy.socket = -1;
  copy.boundDev = 0;
  // A datagram's pieces are shared with the packet it was copied of: it is cut anew (`ip_do_fragment`).
  if (copy.fragMaxSize < 0) copy.fragMaxSize = 0;
  copy.pieces = null;
  // Of IPv6 there is no such bit, but nobody cuts what is no socket's here.
  copy.df = true;
  if (hook === NF_INET_PRE_ROUTING || hook === NF_INET_LOCAL_IN) copy.ttl--;
  shareBridge(packet, copy);
  stack.duplicates = true;
  if (routeTo(stack, copy, gateway, oif)) stack.path.localOut(stack, copy);
  else stack.kill(copy, NO_ROUTE);
  stack.duplicates = false;
  stack.hasCopied = true;
}

/**
 * `nf_dup_ipv4_route`, `nf_dup_ipv6_route`: the route is to the gateway (FLOWI_FLAG_KNOWN_NH), asked for with the gateway's
 * address alone: whatever mark, protocol or ports the packet has, no rule sees them. The packet stays as it was.
 */
function routeTo(stack: Stack, copy: Packet, gateway: number, oif: number): boolean {
  const { src, dst, mark, protocol, sport, dport, tos } = copy;
  copy.src = 0;
  copy.dst = gateway;
  copy.mark = 0;
  copy.protocol = 0;
  copy.sport = 0;
  copy.dport = 0;
  // Of IPv6's traffic class the flow label has no bits.
  if (copy.family === 6) copy.tos = 0;
  const error = routeOutput(stack, copy, oif, true);
  copy.src = src;
  copy.dst = dst;
  copy.mark = mark;
  copy.protocol = protocol;
  copy.sport = sport;
  copy.dport = dport;
  copy.tos = tos;
  copy.rtHopStands = true;
  return error === 0;
}
