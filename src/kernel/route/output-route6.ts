import { IP6_ANY, IP6_LOOPBACK, type Ip6, isLinkLocal6, isMulticast6 } from "../../address/ip6-handle.ts";
import { IPPROTO_ICMPV6, type Packet } from "../../packet/packet.ts";
import { CHOICE_MULTIPATH } from "../chooser.ts";
import { EADDRNOTAVAIL, ENETUNREACH } from "../errno.ts";
import type { Stack } from "../stack.ts";
import { attach, attachWithExceptions, fail } from "./attach.ts";
import type { FibNextHop, FibRoute } from "./fib.ts";
import { hasFailed } from "./fib6-select.ts";
import { multipathKey6 } from "./multipath-hash.ts";
import { selectSource6 } from "./select-source6.ts";
import { RTN_ANYCAST, RTN_LOCAL, RTN_MULTICAST } from "./types.ts";

/** Routing of packets of IPv6 made here (`ip6_dst_lookup_tail`, `ip6_route_output_flags`). Runs per packet. */

/** `rt6_need_strict`: an address that says nothing without its device. */
export function needsDevice(address: Ip6): boolean {
  return isMulticast6(address) || isLinkLocal6(address) || address === IP6_LOOPBACK;
}

/**
 * Route a packet made here: chooses the source where `packet.src` is `::`, and attaches the route.
 *
 * @param oif ifindex it is to leave by, 0 none; its sender may be bound to it or only prefer it
 * @returns 0, or the errno a sender sees
 */
export function routeOutput6(stack: Stack, packet: Packet, wantedOif: number, inVrf = 0): number {
  stack.routeLookups++;
  packet.dropRoute();
  if (packet.dst === IP6_ANY) packet.dst = IP6_LOOPBACK;
  const result = stack.fibResult;
  const withoutSource = packet.src === IP6_ANY;
  const bound = wantedOif === 0 ? null : stack.device(wantedOif);
  if (bound?.kind === "vrf" && (isMulticast6(packet.dst) || isLinkLocal6(packet.dst))) {
    // "VRF device does not have a link-local address": nothing of one link goes by it (`vrf_link_scope_lookup`).
    return fail(stack, packet, ENETUNREACH);
  }
  // A VRF as the way out only names its table.
  const oif = bound?.kind === "vrf" ? 0 : wantedOif;
  const vrf = oif === wantedOif ? inVrf : wantedOif;
  lookUp(stack, packet, oif, withoutSource && oif !== 0, vrf);
  let hop = usedHop(stack, packet, oif);
  if (withoutSource) {
    const route = hop === null ? null : result.route;
    const by = hop === null ? null : route?.type === RTN_LOCAL ? (hop.dev?.vrf ?? hop.dev) : hop.dev;
    const source = route?.hasPrefsrc ? route.prefsrc : selectSource6(stack, by, packet.dst);
    if (source === IP6_ANY) return fail(stack, packet, EADDRNOTAVAIL);
    packet.src = source;
    if (hop === null) {
      // "If we had an erroneous initial result, pretend it never existed and let the SA-enabled version take over."
      lookUp(stack, packet, oif, oif !== 0, vrf);
      hop = usedHop(stack, packet, oif);
    }
    if (hop === null) packet.src = IP6_ANY;
  }
  if (hop === null) return fail(stack, packet, result.error === 0 ? ENETUNREACH : result.error);
  return attachRoute(stack, packet, result.route as FibRoute, hop);
}

/** Has the route that a packet without a source would take a preferred one? */
export function prefersSource6(stack: Stack, packet: Packet, oif: number): boolean {
  lookUp(stack, packet, oif, oif !== 0, 0);
  const { error, route } = stack.fibResult;
  return error === 0 && route?.hasPrefsrc === true;
}

function lookUp(stack: Stack, packet: Packet, oif: number, viaOnly: boolean, inVrf: number): void {
  const { flow, net } = stack;
  flow.daddr = packet.dst;
  flow.saddr = packet.src;
  flow.oif = oif;
  flow.inVrf = inVrf;
  flow.iif = net.loopback?.ifindex ?? 1;
  flow.mark = packet.mark;
  flow.tos = packet.tos & 0xfc;
  flow.proto = packet.protocol;
  flow.uid = Math.max(packet.uid, 0);
  flow.hasPorts = packet.hasTransport && packet.protocol !== IPPROTO_ICMPV6;
  flow.sport = packet.sport;
  flow.dport = packet.dport;
  flow.via = oif;
  flow.viaOnly = viaOnly || packet.boundDev !== 0 || needsDevice(packet.dst);
  flow.neighbours = net.forwarding6 ? null : stack.failedNeighbours;
  net.fib6.lookup(flow, stack.fibResult, stack.deviceName);
}

/** The next hop of the route just found, null where there is none. */
function usedHop(stack: Stack, packet: Packet, oif: number): FibNextHop | null {
  const { error, route } = stack.fibResult;
  return error !== 0 || route === null ? null : selectHop6(stack, packet, route, oif, false);
}

/** Put a usable route on a packet: where it leads, and what is done with what comes in by it (`ip6_rt_init_dst`). */
export function attachRoute(stack: Stack, packet: Packet, route: FibRoute, hop: FibNextHop): number {
  const { dst } = packet;
  const { type, mtu } = route;
  if (type === RTN_LOCAL || type === RTN_ANYCAST) {
    const lo = loopbackOf6(hop.dev, dst) ?? stack.net.loopback;
    return lo === null ? fail(stack, packet, ENETUNREACH) : attach(stack, packet, type, lo, dst, false, 0);
  }
  if (hop.dev === null) return fail(stack, packet, ENETUNREACH);
  if (!isMulticast6(dst)) return attachWithExceptions(stack, packet, type, hop.dev, hop, dst, mtu);
  return attach(stack, packet, RTN_MULTICAST, hop.dev, dst, false, mtu);
}

/** `ip6_rt_get_dev_rcu`: the VRF is the loopback of its domain, but not for what says nothing without its device. */
function loopbackOf6(dev: FibNextHop["dev"], dst: Ip6): FibNextHop["dev"] {
  return dev === null || (dev.vrf !== dev && needsDevice(dst)) ? null : dev.vrf;
}

/**
 * `fib6_select_path`: the next hop that was found, or by the flow's hash one of its siblings.
 *
 * @param cameIn the packet came in: its flow label, made of the ports by who sent it, is part of the hash
 */
export function selectHop6(
  stack: Stack,
  packet: Packet,
  route: FibRoute,
  oif: number,
  cameIn: boolean,
): FibNextHop {
  const hops = route.nextHops;
  const found = hops[stack.fibResult.hop] as FibNextHop;
  if (hops.length === 1) return found;
  const key = multipathKey6(stack, packet, cameIn);
  const chosen = hops[
    stack.chooser.flow(CHOICE_MULTIPATH, key[0] as number, key[1] as number, route.weights)
  ] as FibNextHop;
  const { flow } = stack;
  const { dev, gateway } = chosen;
  if (flow.viaOnly && oif !== 0 && dev?.ifindex !== oif) return found;
  return dev?.up && !hasFailed(flow, dev, gateway) ? chosen : found;
}

/** `ip6_route_me_harder`: route a packet made here again. @returns 0, or an errno that drops the packet */
export function routeMeHarder6(stack: Stack, packet: Packet): number {
  const strict = isMulticast6(packet.dst) || isLinkLocal6(packet.dst);
  const before = packet.rtDev < 0 ? 0 : (stack.net.devices[packet.rtDev]?.ifindex ?? 0);
  const oif = packet.boundDev !== 0 ? packet.boundDev : strict ? before : 0;
  const dev = packet.rtDev < 0 ? null : stack.net.devices[packet.rtDev];
  return routeOutput6(stack, packet, oif, dev?.vrf?.ifindex ?? 0);
}
