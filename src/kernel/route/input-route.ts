import type { Ipv4 } from "../../address/ipv4.ts";
import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import { hasPorts } from "../../packet/ports.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as ERRNO from "../errno.ts";
import { type ReasonName, reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import { attachError, attachWithExceptions } from "./attach.ts";
import type { FibNextHop } from "./fib.ts";
import { routeInput6 } from "./input-route6.ts";
import {
  isLimitedBroadcast,
  isLocalMulticast,
  isLoopback,
  isMulticast,
  isZeronet,
  routedTos,
  selectHop,
} from "./output-route.ts";
import { realmsOfSource, withRealms } from "./realms.ts";
import * as RT_SCOPE from "./rt-scope.ts";
import * as ROUTE_TYPES from "./types.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPPROTO_IGMP, RT_FORWARD, RT_LOCAL_DELIVER } = PACKET;
const { OP_ROUTE } = TAPE;
const { EHOSTUNREACH } = ERRNO;
const { RT_SCOPE_HOST } = RT_SCOPE;
const { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } = ROUTE_TYPES;

/** Routing of packets that came in (`ip_route_input_slow`, net/ipv4/route.c). Runs per packet. */

const OK = -1;
const MARTIAN_SOURCE = reason("martian-source" satisfies ReasonName);
const MARTIAN_DESTINATION = reason("martian-destination");
const RP_FILTER = reason("rp-filter");
const NOT_FOR_FORWARDING = reason("not-for-forwarding");

/** 224.0.0.1 */
const ALL_HOSTS = (224 << 24) | 1;

/**
 * Route a packet that came in by a device and attach the route: local delivery, forwarding, or an error route.
 *
 * @returns -1, or the reason to drop it silently
 */
export function routeInput(stack: Stack, packet: Packet, dev: NetDevice): number {
  if (packet.family === 6) return routeInput6(stack, packet, dev);
  stack.routeLookups++;
  const ways = stack.inputWays;
  if (ways.attach(stack, dev, packet)) return OK;
  packet.dropRoute();
  const saddr = packet.src;
  const daddr = packet.dst;
  if (isMulticast(saddr) || isLimitedBroadcast(saddr)) return MARTIAN_SOURCE;
  if (isMulticast(daddr)) {
    if (!isMember(stack, daddr, dev)) return NOT_FOR_FORWARDING;
    // `ip_mc_validate_source`: from nobody only to groups of the link, and IGMP
    const nobody = saddr === 0 && !isLocalMulticast(daddr) && packet.protocol !== IPPROTO_IGMP;
    if (nobody || (isLoopback(saddr) && !dev.conf.routeLocalnet)) return MARTIAN_SOURCE;
    return broadcastInput(stack, packet, dev, RTN_MULTICAST);
  }
  if (isLimitedBroadcast(daddr) || (saddr === 0 && daddr === 0))
    return broadcastInput(stack, packet, dev, RTN_BROADCAST);
  if (isZeronet(saddr)) return MARTIAN_SOURCE;
  if (isZeronet(daddr)) return MARTIAN_DESTINATION;
  if (isLoopback(daddr) && !dev.conf.routeLocalnet && !dev.isLoopback) return MARTIAN_DESTINATION;
  if (isLoopback(saddr) && !dev.conf.routeLocalnet && !dev.isLoopback) return MARTIAN_SOURCE;

  const flow = stack.flow;
  flow.daddr = daddr;
  flow.saddr = saddr;
  flow.oif = 0;
  flow.iif = dev.ifindex;
  flow.mark = packet.mark;
  flow.tos = routedTos(packet.tos);
  flow.proto = packet.protocol;
  flow.uid = 0;
  // Not those of a first fragment either (`skb_flow_dissect_flow_keys`).
  flow.hasPorts = hasPorts(packet.protocol) && !packet.isFragment;
  flow.sport = packet.sport;
  flow.dport = packet.dport;
  const result = stack.fibResult;
  stack.net.fib.lookup(flow, result, stack.deviceName);
  const route = result.route;
  if (result.error !== 0 || route === null) {
    return errorRoute(stack, packet, dev.conf.forwarding ? result.error : EHOSTUNREACH);
  }
  if (route.type === RTN_BROADCAST) {
    if (!dev.conf.bcForwarding) {
      return broadcastInput(stack, packet, dev, RTN_BROADCAST);
    }
  } else if (route.type === RTN_LOCAL) {
    const index = route.index;
    const source = validateSource(stack, packet, dev, stack.net.loopback?.ifindex ?? 1, daddr);
    if (source < 0) return -source;
    packet.rtType = RTN_LOCAL;
    packet.rtInput = RT_LOCAL_DELIVER;
    packet.rtDev = (route.nextHops[0]?.dev?.vrf ?? stack.net.loopback ?? dev).slot;
    packet.rtNextHop = daddr;
    packet.rtRealms = realmsOfTheSource;
    stack.tape?.words8(OP_ROUTE, stack.host, packet.number, daddr, RTN_LOCAL, dev.ifindex, daddr, 0, index);
    ways.remember(stack, dev, packet, dev.ifindex, index);
    return OK;
  }
  // What `bc_forwarding` sends on asks for no other forwarding.
  if (!dev.conf.forwarding && route.type !== RTN_BROADCAST) return errorRoute(stack, packet, EHOSTUNREACH);
  if (route.type !== RTN_UNICAST && route.type !== RTN_BROADCAST) return MARTIAN_DESTINATION;
  const hop: FibNextHop = selectHop(stack, packet, route, 0, saddr, daddr, true);
  const out = hop.dev;
  if (out === null) return errorRoute(stack, packet, EHOSTUNREACH);
  const type = route.type;
  const mtu = route.mtu;
  const realms = withRealms(hop.realms, result.realms);
  const source = validateSource(stack, packet, dev, out.ifindex, daddr);
  if (source < 0) return -source;
  // The look-up for the source used the same result; the destination's route is what is attached.
  result.route = route;
  attachWithExceptions(stack, packet, type, out, hop, daddr, mtu);
  packet.rtRealms = withRealms(realms, realmsOfTheSource);
  packet.rtInput = RT_FORWARD;
  if (out === dev && source === 1 && out.conf.sendRedirects) {
    if (out.conf.sharedMedia || onLink(out, saddr, hop.hasGateway ? hop.gateway : 0))
      packet.rtDoRedirect = true;
  }
  if (route.nextHops.length === 1) ways.remember(stack, dev, packet, out.ifindex, route.index);
  return OK;
}

/** `ip_check_mc_rcu`: the group of all hosts is joined everywhere, others where somebody listens. */
export function isMember(stack: Stack, group: number, dev: NetDevice): boolean {
  return group === ALL_HOSTS || stack.net.groups.isJoined(group, dev.ifindex);
}

/** An error route: dropped, or answered with an ICMP error where this device forwards (`ip_error`). */
function errorRoute(stack: Stack, packet: Packet, errno: number): number {
  attachError(stack, packet, errno);
  return OK;
}

function broadcastInput(stack: Stack, packet: Packet, dev: NetDevice, type: number): number {
  if (packet.src !== 0) {
    const source = validateSource(stack, packet, dev, 0, 0);
    if (source < 0) return -source;
  }
  packet.rtType = type;
  packet.rtInput = RT_LOCAL_DELIVER;
  packet.rtDev = dev.slot;
  packet.rtNextHop = packet.dst;
  packet.rtRealms = packet.src === 0 ? 0 : realmsOfTheSource;
  stack.tape?.words8(OP_ROUTE, stack.host, packet.number, packet.dst, type, dev.ifindex, packet.dst, 0, -1);
  return OK;
}

/** What the last look at a packet's source said (`itag`): `realms.ts`. */
let realmsOfTheSource = 0;

/**
 * `fib_validate_source`: reverse path filtering and own addresses as source.
 *
 * @param oif where the packet will go, ifindex; 0 for a broadcast
 * @param daddr where it is for; 0 for a broadcast and a group
 * @returns 0; 1 when the source is on link (a redirect may be due); minus the reason to drop
 */
function validateSource(stack: Stack, packet: Packet, dev: NetDevice, oif: number, daddr: Ipv4): number {
  const conf = dev.conf;
  const fib = stack.net.fib;
  const src = packet.src;
  realmsOfTheSource = 0;
  if (conf.rpFilter === 0 && !fib.hasRealms && (dev.ifindex !== oif || !conf.sendRedirects)) {
    if (conf.acceptLocal) return 0;
    if (!fib.hasCustomLocalRoutes && !fib.hasCustomRules)
      return isOwnAddress(stack, src) && !dev.isLoopback ? -MARTIAN_SOURCE : 0;
  }
  // __fib_validate_source: the route a packet to the source would take
  const flow = stack.flow;
  flow.daddr = src;
  flow.saddr = daddr;
  flow.oif = 0;
  flow.iif = oif === 0 ? (stack.net.loopback?.ifindex ?? 1) : oif;
  flow.inVrf = dev.vrf?.ifindex ?? 0;
  flow.mark = conf.srcValidMark ? packet.mark : 0;
  flow.tos = routedTos(packet.tos);
  // Rules on ports see those of the packet that would go back (`fib4_rules_early_flow_dissect`).
  flow.proto = packet.protocol;
  flow.hasPorts = hasPorts(packet.protocol) && !packet.isFragment;
  flow.sport = packet.dport;
  flow.dport = packet.sport;
  const result = stack.fibResult;
  fib.lookup(flow, result, stack.deviceName);
  const noAddress = dev.addresses.length === 0;
  const route = result.route;
  if (result.error !== 0 || route === null) return conf.rpFilter !== 0 ? -RP_FILTER : 0;
  if (route.type !== RTN_UNICAST && (route.type !== RTN_LOCAL || !conf.acceptLocal)) {
    return dev.isLoopback && route.type === RTN_LOCAL ? 0 : -MARTIAN_SOURCE;
  }
  realmsOfTheSource = realmsOfSource((route.nextHops[0] as FibNextHop).realms, result.realms);
  for (const hop of route.nextHops) {
    if (usesDevice(hop, dev)) return (route.nextHops[0] as FibNextHop).scope >= RT_SCOPE_HOST ? 1 : 0;
  }
  if (route.type === RTN_LOCAL && dev.isLoopback) return 0;
  if (noAddress) {
    realmsOfTheSource = 0;
    return conf.rpFilter !== 0 ? -RP_FILTER : 0;
  }
  if (conf.rpFilter === 1) return -RP_FILTER;
  flow.oif = dev.ifindex;
  flow.inVrf = dev.vrf?.ifindex ?? 0;
  fib.lookup(flow, result, stack.deviceName);
  const bound = result.route;
  if (result.error === 0 && bound !== null && bound.type === RTN_UNICAST) {
    return (bound.nextHops[0] as FibNextHop).scope >= RT_SCOPE_HOST ? 1 : 0;
  }
  return 0;
}

/** `inet_lookup_ifaddr_rcu`: an address of a device itself, not of a range that is the host's (127.0.0.0/8). */
function isOwnAddress(stack: Stack, address: Ipv4): boolean {
  if (!stack.isLocal(address)) return false;
  return stack.net.devices.some(({ addresses }) => addresses.some((entry) => entry.address === address));
}

/** `nhc_l3mdev_matches_dev`: does a way lead by the device, or by one of the VRF that it is? */
function usesDevice({ dev: out }: FibNextHop, dev: NetDevice): boolean {
  return out === dev || (out !== null && out.vrf === dev);
}

/** `inet_addr_onlink`: do both addresses lie in one prefix of the device? */
function onLink(dev: NetDevice, a: Ipv4, b: Ipv4): boolean {
  for (const entry of dev.addresses) {
    if (
      ((a ^ entry.prefixAddress) & entry.mask) === 0 &&
      (b === 0 || ((b ^ entry.prefixAddress) & entry.mask) === 0)
    ) {
      return true;
    }
  }
  return false;
}
