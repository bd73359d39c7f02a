import type { Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import { RTN_MULTICAST } from "./types.ts";

/** What a packet made here sets out with, when its sender says nothing (`ip4_dst_hoplimit`, `ip6_dst_hoplimit`). It was just routed. */
export function hopLimit(stack: Stack, packet: Packet): number {
  // `__ip_make_skb`: to a group by IP_MULTICAST_TTL, which nobody sets
  if (packet.family !== 6 && packet.rtType === RTN_MULTICAST) return 1;
  return unicastHopLimit(stack, packet);
}

/** The same of a TCP connection's segments, which know no groups (`ip_select_ttl`). */
export function unicastHopLimit(stack: Stack, packet: Packet): number {
  const said = stack.fibResult.route?.hopLimit ?? 0;
  if (said !== 0) return said;
  if (packet.family !== 6) return stack.net.defaultTtl;
  return stack.net.devices[packet.rtDev]?.conf6.hopLimit ?? 64;
}
