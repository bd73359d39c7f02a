import { headerLength, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { outputMtu } from "../route/output-mtu.ts";
import type { Stack } from "../stack.ts";

/**
 * `__ip_append_data`, `__ip6_append_data`: what a socket sends is laid out in pieces for its first route, and cut so wherever it then
 * leaves. A socket that does not ask for the path's MTU lets it be cut (`ip_sk_ignore_df`).
 */
export function layOut(stack: Stack, packet: Packet): void {
  packet.ignoreDf = !packet.df;
  const mtu = outputMtu(packet, stack.net.devices[packet.rtDev] as NetDevice);
  const header = headerLength(packet);
  if (packet.length > mtu) packet.fragMaxSize = -(((mtu - header) & ~7) + header);
}
