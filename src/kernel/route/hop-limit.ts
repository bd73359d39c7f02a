import type { Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";

/** What a packet made here sets out with, when its sender says nothing (`ip4_dst_hoplimit`, `ip6_dst_hoplimit`). It is routed. */
export function hopLimit(stack: Stack, packet: Packet): number {
  if (packet.family !== 6) return stack.net.defaultTtl;
  return stack.net.devices[packet.rtDev]?.conf6.hopLimit ?? 64;
}
