import { type Ip6, isLinkLocal6, isMulticast6 } from "../../address/ip6-handle.ts";
import type { Packet } from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import type { FibResult } from "./fib.ts";
import { needsDevice } from "./output-route6.ts";
import { RTN_ANYCAST, RTN_LOCAL, RTN_UNREACHABLE } from "./types.ts";

/** What rules of IPv6 ask the routing tables (xt_addrtype.c, ip6t_rpfilter.c). Runs per packet. */

/**
 * `match_lookup_rt6`: what the way to an address says it is, as bits `1 << RTN_*` of LOCAL, ANYCAST and UNREACHABLE; none of
 * them for an address elsewhere.
 *
 * @param ifindex the device the address is to be on, 0 any
 */
export function routedAs6(stack: Stack, address: Ip6, ifindex: number): number {
  const { net, flow, fibResult: result } = stack;
  ask(stack, address, 0, 0);
  flow.oif = ifindex;
  flow.via = ifindex;
  flow.viaOnly = ifindex !== 0 || needsDevice(address);
  flow.neighbours = net.forwarding6 ? null : stack.failedNeighbours;
  net.fib6.lookup(flow, result, stack.deviceName);
  if (result.error !== 0 || result.route === null) return 1 << RTN_UNREACHABLE;
  const { type } = result.route;
  if (type === RTN_ANYCAST) return 1 << RTN_ANYCAST;
  if (ifindex === 0) return type === RTN_LOCAL ? 1 << RTN_LOCAL : 0;
  const own = net.device(ifindex)?.addresses6.some((entry) => entry.address === address) ?? false;
  return own ? 1 << RTN_LOCAL : 0;
}

/**
 * `rpfilter_lookup_reverse6`: the route back to a packet's sender.
 *
 * @param dev ifindex it came in by
 * @param loose any device will do
 * @returns `RTN_*`, or -1 where there is none; `viaDevice` is added where it leaves by the device it came in by
 */
export function reverseRoute6(
  stack: Stack,
  packet: Packet,
  dev: number,
  loose: boolean,
  mark: number,
  viaDevice: number,
): number {
  const { flow, fibResult: result } = stack;
  const { src, dst } = packet;
  ask(stack, src, isMulticast6(dst) ? 0 : dst, mark);
  flow.tos = packet.tos & 0xfc;
  flow.proto = packet.protocol;
  flow.via = loose && !isLinkLocal6(src) ? 0 : dev;
  flow.oif = flow.via;
  flow.viaOnly = isLinkLocal6(src);
  flow.neighbours = null;
  stack.net.fib6.lookup(flow, result, stack.deviceName);
  const { route } = result;
  if (result.error !== 0 || route === null) return -1;
  const by =
    route.nextHops[result.hop]?.dev?.ifindex === dev || (flow.via !== 0 && anotherLeavesBy(result, dev));
  return by ? route.type | viaDevice : route.type;
}

/** `rt6_device_match`: the device decides among all routes of the prefix, whatever their metrics. */
function anotherLeavesBy({ route, table }: FibResult, dev: number): boolean {
  if (route === null || table?.columns == null) return false;
  for (const other of table.columns.routes) {
    if (other.length !== route.length || other.address !== route.address) continue;
    for (const hop of other.nextHops) if (hop.dev?.ifindex === dev) return true;
  }
  return false;
}

function ask({ flow, net }: Stack, daddr: Ip6, saddr: Ip6, mark: number): void {
  flow.daddr = daddr;
  flow.saddr = saddr;
  flow.iif = net.loopback?.ifindex ?? 1;
  flow.mark = mark;
  flow.tos = 0;
  flow.proto = 0;
  flow.uid = 0;
  flow.hasPorts = false;
}
