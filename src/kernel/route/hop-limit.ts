import type { Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import { RTN_MULTICAST } from "./types.ts";

/** What a packet made here sets out with, when its sender says nothing (`ip4_dst_hoplimit`, `ip6_dst_hoplimit`). It is routed. */
export function hopLimit(stack: Stack, packet: Packet): number {
  // `__ip_make_skb`: to a group by IP_MULTICAST_TTL, which nobody sets
  if (packet.family !== 6) return packet.rtType === RTN_MULTICAST ? 1 : stack.net.defaultTtl;
  return stack.net.devices[packet.rtDev]?.conf6.hopLimit ?? 64;
}
