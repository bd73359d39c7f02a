import { headerLength, type Packet } from "../../packet/packet.ts";
import { deviceMtu6, type NetDevice } from "../device/net-device.ts";
import type { Stack } from "../stack.ts";

/**
 * `ip_skb_dst_mtu`, `ip6_skb_dst_mtu`: the route's MTU where it has one, else the device's; of IPv4 what is forwarded knows no learned
 * one.
 */
export function outputMtu(packet: Packet, out: NetDevice): number {
  return packet.forwarded && packet.family !== 6 ? forwardMtu(packet, out) : dstMtu(packet, out);
}

/**
 * `ip_dst_mtu_maybe_forward`, `ip6_dst_mtu_maybe_forward`: what a packet that is forwarded must not exceed: of IPv4 the route's MTU or
 * the device's, of IPv6 the route's only where it is locked.
 */
export function forwardMtu(packet: Packet, out: NetDevice): number {
  const { rtMtu, rtMtuLocked, rtForwardMtu } = packet;
  if (packet.family === 6)
    return rtMtuLocked && rtMtu !== 0 ? Math.max(rtMtu, IPV6_MIN_MTU) : deviceMtu6(out);
  return rtForwardMtu !== 0 ? Math.min(rtForwardMtu, 65535) : out.mtu;
}

/** What every link of IPv6 takes (RFC 8200 5). */
const IPV6_MIN_MTU = 1280;

/** `dst_mtu`: what the way takes by all that is known of it. */
export function dstMtu(packet: Packet, out: NetDevice): number {
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
