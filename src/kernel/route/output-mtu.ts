import { headerLength, type Packet } from "../../packet/packet.ts";
import { deviceMtu6, type NetDevice } from "../device/net-device.ts";
import type { Stack } from "../stack.ts";

/** `ip_skb_dst_mtu`, `ip6_skb_dst_mtu`: the route's MTU where it has one, else the device's. */
export function outputMtu(packet: Packet, out: NetDevice): number {
  if (packet.rtMtu !== 0) return Math.min(packet.rtMtu, 65535);
  return packet.family === 6 ? deviceMtu6(out) : out.mtu;
}

/** `net.ipv4.route.min_adv_mss`, `net.ipv6.route.min_adv_mss`: as they are without a word. */
const LEAST_MSS = 256;
const LEAST_MSS6 = 1220;

/**
 * `dst_metric_advmss`, `ipv4_default_advmss`, `ip6_default_advmss`: the segment size that the end of a connection whose packet was just routed asks the other
 * one for.
 */
export function advertisedMss(stack: Stack, packet: Packet): number {
  const said = stack.fibResult.route?.advmss ?? 0;
  if (said !== 0) return said;
  const out = stack.net.devices[packet.rtDev];
  if (out === undefined) return 0;
  const mtu = Math.min(outputMtu(packet, out), 0xffff + (packet.family === 6 ? 1 : 0));
  const headers = headerLength(packet) + 20;
  return Math.max(mtu - headers, packet.family === 6 ? LEAST_MSS6 : LEAST_MSS);
}
