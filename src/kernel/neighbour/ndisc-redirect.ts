import { type Ip6, isLinkLocal6 } from "../../address/ip6-handle.ts";
import { MAC_ZERO } from "../../address/mac.ts";
import { deviceKey, NDISC_REDIRECT, type Packet, PHASE_NOTICE } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { tellEmitted } from "../emit.ts";
import { peerAllows } from "../icmp/error-rate.ts";
import { quote } from "../icmp/quote.ts";
import { RTN_LOCAL } from "../route/types.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { lastLinkLocal, messageTo, sendMessage } from "./ndisc-send.ts";

/** At most one a second to a host, after a burst. */
const LIMIT_MS = 1000;
/** IPv6 header; ICMPv6 header with target and destination. */
const BARE = 40 + 40;
/** The option with the target's MAC, and the head of the one that quotes the packet. */
const OPTION = 8;
const AT_MOST = 1280;

/**
 * `ndisc_send_redirect`: tell a packet's sender, a neighbour, of a better next hop. The packet stays the caller's.
 *
 * @param dev the device it came in by
 * @param out the one it leaves by: the same, or by br_netfilter's doing another, whose neighbour the target is
 * @param target the next hop: a router's link-local address, or the destination itself
 */
export function sendRedirect6(
  stack: Stack,
  dev: NetDevice,
  out: NetDevice,
  cause: Packet,
  target: Ip6,
): void {
  const source = lastLinkLocal(dev);
  if (source < 0 || (target !== cause.dst && !isLinkLocal6(target))) return;
  const way = wayTo(stack, dev, cause.src);
  if (way === null || !peerAllows(stack, 6, cause.src, LIMIT_MS)) return;
  const key = deviceKey(6, out.ifindex);
  const mac = stack.state.neighbours.get(key, target);
  const known = mac === ABSENT ? stack.net.neighbours.mac(key, target) : mac;
  const message = messageTo(stack, cause.src, known >= 0 ? known : MAC_ZERO);
  message.icmpType = NDISC_REDIRECT;
  tellEmitted(stack, message, PHASE_NOTICE, cause.number);
  message.src = source;
  message.ndTarget = target;
  message.ndDst = cause.dst;
  quote(stack, message, cause);
  const before = BARE + (known >= 0 ? OPTION : 0);
  message.length = before + (Math.min(AT_MOST - before, cause.length + OPTION) & ~7);
  sendMessage(stack, way, message);
}

/**
 * The device by which an address is somebody's neighbour, rather this one; null where the way leads through somebody else, or
 * nowhere.
 */
function wayTo(stack: Stack, dev: NetDevice, address: Ip6): NetDevice | null {
  const { flow, fibResult: result, net } = stack;
  flow.daddr = address;
  flow.saddr = 0;
  flow.oif = dev.ifindex;
  flow.iif = net.loopback?.ifindex ?? 1;
  flow.mark = 0;
  flow.via = dev.ifindex;
  flow.viaOnly = false;
  flow.neighbours = null;
  flow.hasPorts = false;
  net.fib6.lookup(flow, result, stack.deviceName);
  // Who is told may be this host itself, whose packet came back to it (`ip6_rt_get_dev_rcu`).
  if (result.error === 0 && result.route?.type === RTN_LOCAL) return net.loopback;
  const hop = result.error === 0 ? result.route?.nextHops[result.hop] : undefined;
  return hop?.hasGateway === false ? hop.dev : null;
}
