import type { Ipv4 } from "../../address/ipv4.ts";
import type { Packet } from "../../packet/packet.ts";
import * as PACKET from "../../packet/packet.ts";
import * as CHOOSER from "../chooser.ts";
import type { CompiledAddress, NetDevice } from "../device/net-device.ts";
import * as ERRNO from "../errno.ts";
import * as NEIGHBOUR from "../neighbour/neighbour.ts";
import { nudState } from "../neighbour/nud-state.ts";
import type { Stack } from "../stack.ts";
import { attach, attachWithExceptions, fail } from "./attach.ts";
import type { FibNextHop, FibRoute } from "./fib.ts";
import { multipathKey4 } from "./multipath-hash.ts";
import { routeMeHarder6, routeOutput6 } from "./output-route6.ts";
import { withRealms } from "./realms.ts";
import * as RT_SCOPE from "./rt-scope.ts";
import { selectDefault } from "./select-default.ts";
import * as ROUTE_TYPES from "./types.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPPROTO_ICMP, IPPROTO_TCP } = PACKET;
const { CHOICE_MULTIPATH } = CHOOSER;
const { EINVAL, ENETUNREACH } = ERRNO;
const { NUD_NONE, NUD_VALID } = NEIGHBOUR;
const { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } = RT_SCOPE;
const { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } = ROUTE_TYPES;

/** Routing of packets made here (`ip_route_output_key_hash_rcu`, net/ipv4/route.c). Runs per packet. */

export function isLoopback(address: Ipv4): boolean {
  return address >>> 24 === 127;
}
export function isMulticast(address: Ipv4): boolean {
  return address >>> 28 === 14;
}
/** `ipv4_is_local_multicast`: 224.0.0.0/24, which no router passes on. */
export function isLocalMulticast(address: Ipv4): boolean {
  return address >>> 8 === 0xe00000;
}
export function isLimitedBroadcast(address: Ipv4): boolean {
  return address === -1;
}
/** `ipv4_is_zeronet`: since Linux 5.3 only 0.0.0.0 itself; the rest of 0.0.0.0/8 is ordinary. */
export function isZeronet(address: Ipv4): boolean {
  return address === 0;
}

/**
 * Route a packet made here: chooses the source where `packet.src` is 0, and attaches the route.
 *
 * @param oif ifindex the socket is bound to, 0 none
 * @param inVrf the VRF to look into (ifindex), 0: that of the device it is to leave by
 * @param anySource the source need not be an address of this host (`FLOWI_FLAG_ANYSRC`)
 * @returns 0, or the errno a sender sees
 */
export function routeOutput(
  stack: Stack,
  packet: Packet,
  oif: number,
  anySource: boolean,
  inVrf = 0,
): number {
  if (packet.family === 6) return routeOutput6(stack, packet, oif, inVrf);
  const kept = stack.flow.keptGateway;
  stack.flow.keptGateway = 0;
  stack.routeLookups++;
  packet.dropRoute();
  let daddr = packet.dst;
  let saddr = packet.src;
  if (saddr !== 0) {
    if (isMulticast(saddr) || isLimitedBroadcast(saddr) || (isZeronet(saddr) && !anySource))
      return fail(stack, packet, EINVAL);
    if (!anySource && !stack.isLocal(saddr)) return fail(stack, packet, ENETUNREACH);
  }
  const bound = oif === 0 ? null : stack.device(oif);
  if (bound !== null) {
    if (!bound.up) return fail(stack, packet, ENETUNREACH);
    const isGroup = isMulticast(daddr);
    if (isLocalMulticast(daddr) || isLimitedBroadcast(daddr)) {
      // The device is the route, whatever the tables say.
      if (saddr === 0) packet.src = selectAddress(stack, bound, 0, RT_SCOPE_LINK);
      return attach(stack, packet, isGroup ? RTN_MULTICAST : RTN_BROADCAST, bound, daddr, false, 0);
    }
    if (saddr === 0 && isGroup) saddr = selectAddress(stack, bound, 0, RT_SCOPE_UNIVERSE);
  }
  if (daddr === 0) {
    daddr = saddr === 0 ? (127 << 24) | 1 : saddr;
    packet.dst = daddr;
    if (saddr === 0) saddr = daddr;
  }
  if (oif === 0 && saddr !== 0 && (isMulticast(daddr) || isLimitedBroadcast(daddr))) {
    // "user can direct multicasts and limited broadcast via necessary interface": the one that has the source
    const owner = stack.net.devices.find((dev) => dev.addresses.some(({ address }) => address === saddr));
    if (owner === undefined) return fail(stack, packet, ENETUNREACH);
    const type = isMulticast(daddr) ? RTN_MULTICAST : RTN_BROADCAST;
    return attach(stack, packet, type, owner, daddr, false, 0);
  }
  const flow = stack.flow;
  flow.daddr = daddr;
  flow.saddr = saddr;
  flow.oif = oif;
  flow.inVrf = inVrf;
  flow.iif = stack.net.loopback?.ifindex ?? 1;
  flow.mark = packet.mark;
  flow.tos = routedTos(packet.tos);
  flow.proto = packet.protocol;
  flow.uid = Math.max(packet.uid, 0);
  flow.hasPorts = packet.hasTransport && packet.protocol !== IPPROTO_ICMP;
  flow.sport = packet.sport;
  flow.dport = packet.dport;
  const result = stack.fibResult;
  stack.net.fib.lookup(flow, result, stack.deviceName);
  if (oif === 0 && result.error === 0 && stack.net.fib.hasDefaults) selectDefault(stack, kept);
  const route = result.route;
  if (result.error !== 0 || route === null) {
    if (bound !== null && result.error === ENETUNREACH && (isMulticast(daddr) || flow.vrf === 0)) {
      // "Apparently, routing tables are wrong. Assume, that the destination is on link."
      if (saddr === 0) saddr = selectAddress(stack, bound, 0, RT_SCOPE_LINK);
      packet.src = saddr;
      return attach(stack, packet, RTN_UNICAST, bound, daddr, false, 0);
    }
    return fail(stack, packet, result.error);
  }
  if (route.type === RTN_LOCAL) {
    if (saddr === 0) saddr = route.hasPrefsrc ? route.prefsrc : daddr;
    packet.src = saddr;
    // "L3 master device is the loopback for that domain"
    const lo = route.nextHops[0]?.dev?.vrf ?? stack.net.loopback;
    if (lo === null) return fail(stack, packet, ENETUNREACH);
    attach(stack, packet, RTN_LOCAL, lo, daddr, false, 0);
    packet.rtRealms = withRealms(route.nextHops[0]?.realms ?? 0, result.realms);
    return 0;
  }
  const hop = selectHop(stack, packet, route, oif, saddr, daddr, false);
  const dev = hop.dev;
  if (dev === null) return fail(stack, packet, ENETUNREACH);
  if (saddr === 0)
    saddr = route.hasPrefsrc ? route.prefsrc : selectAddress(stack, dev, hop.gateway, route.scope);
  packet.src = saddr;
  if (isLoopback(saddr) && !dev.isLoopback && dev.kind !== "vrf" && !dev.conf.routeLocalnet)
    return fail(stack, packet, EINVAL);
  let type = route.type;
  if (isLimitedBroadcast(daddr)) type = RTN_BROADCAST;
  else if (isMulticast(daddr)) type = RTN_MULTICAST;
  else if (isZeronet(daddr)) return fail(stack, packet, EINVAL);
  // "If multicast route do not exist use default one, but do not gateway in this case. Yes, it is hack."
  if (type === RTN_BROADCAST || (type === RTN_MULTICAST && route.length < 4))
    return attach(stack, packet, type, dev, daddr, false, 0);
  attachWithExceptions(stack, packet, type, dev, hop, daddr, route.mtu);
  packet.rtRealms = withRealms(hop.realms, result.realms);
  return 0;
}

/**
 * `ip_route_connect`: a socket that connects is routed once to choose its source, and again with that source, which policy
 * rules may send another way.
 *
 * @param choosesPort no port is bound: of TCP it is routed once more when one is chosen (`ip_route_newports`)
 * @returns 0, or the errno that `connect` gives
 */
export function routeConnect(stack: Stack, packet: Packet, choosesPort = false): number {
  const asksAgain = packet.family === 4 && (packet.src === 0 || packet.dst === 0);
  const error = routeOutput(stack, packet, packet.boundDev, false);
  const { asksSource, hasDefaults } = stack.net.fib;
  // Without such a rule the answer is the same: of several next hops the one that has the source (`fib_select_multipath`).
  if (error !== 0 || !(asksSource || hasDefaults)) return error;
  const times = +asksAgain + +(hasDefaults && choosesPort && packet.protocol === IPPROTO_TCP);
  for (let i = 0; i < times; i++) {
    const again = routeOutput(stack, packet, packet.boundDev, false);
    if (again !== 0) return again;
  }
  return 0;
}

/** `fib_dscp_masked_match`: of the TOS what it was before there were code points and congestion marks. */
export function routedTos(tos: number): number {
  return tos & 0x1c;
}

/**
 * `fib_select_path`, `ip_mkroute_input`: the only next hop, or one of several by the flow's hash.
 *
 * @param cameIn the packet came in
 */
export function selectHop(
  stack: Stack,
  packet: Packet,
  route: FibRoute,
  oif: number,
  saddr: Ipv4,
  daddr: Ipv4,
  cameIn: boolean,
): FibNextHop {
  const hops = route.nextHops;
  if (hops.length === 1) return hops[0] as FibNextHop;
  if (oif !== 0) {
    for (const hop of hops) if (hop.dev?.ifindex === oif) return hop;
  }
  const key = multipathKey4(stack, packet, saddr, daddr, cameIn);
  const chosen = stack.chooser.flow(CHOICE_MULTIPATH, key[0] as number, key[1] as number, route.weights);
  return hops[stack.net.multipathUsesNeighbours ? goodFrom(stack, hops, chosen) : chosen] as FibNextHop;
}

/** `fib_multipath_use_neigh`: the hop itself where its gateway may be there, else the next that may, else the first. */
function goodFrom(stack: Stack, hops: readonly FibNextHop[], chosen: number): number {
  for (let i = chosen; i < hops.length; i++) if (isGood(stack, hops[i] as FibNextHop)) return i;
  return Math.max(
    hops.findIndex((hop) => isGood(stack, hop)),
    0,
  );
}

/** `fib_good_nh`. */
function isGood(stack: Stack, { dev, gateway, hasGateway }: FibNextHop): boolean {
  if (dev === null || !hasGateway) return dev !== null;
  const state = nudState(stack, dev, 4, gateway);
  return state === NUD_NONE || (state & NUD_VALID) !== 0;
}

/** `inet_select_addr`: the address of a device to speak with towards `dst` (0: whoever), 0 when there is none. */
export function selectAddress(stack: Stack, dev: NetDevice, dst: Ipv4, scope: number): Ipv4 {
  const localnetScope = dev.conf.routeLocalnet ? RT_SCOPE_LINK : RT_SCOPE_HOST;
  let found = 0;
  const addresses = dev.addresses;
  for (let i = 0; i < addresses.length; i++) {
    const entry = addresses[i] as CompiledAddress;
    if (entry.secondary || Math.min(entry.scope, localnetScope) > scope) continue;
    if (dst === 0 || ((dst ^ entry.prefixAddress) & entry.mask) === 0) return entry.address;
    if (found === 0) found = entry.address;
  }
  if (found !== 0) return found;
  const { vrf } = dev;
  if (vrf !== null && vrf !== dev) {
    // "For VRFs, the VRF device takes the place of the loopback device, with addresses on it being preferred."
    const own = vrf.addresses.find((entry) => isChosen(entry, scope));
    if (own !== undefined) return own.address;
  }
  // Any other device's will do.
  for (const other of stack.net.devices) {
    if (other.vrf !== vrf) continue;
    for (const entry of other.addresses) {
      if (isChosen(entry, scope)) return entry.address;
    }
  }
  return 0;
}

/** `in_dev_select_addr`. */
function isChosen(entry: CompiledAddress, scope: number): boolean {
  return !entry.secondary && entry.scope !== RT_SCOPE_LINK && entry.scope <= scope;
}

/**
 * `ip_route_me_harder`: route a packet made here again, after OUTPUT changed what routing depends on.
 *
 * @param ownSource its source is one of this host's, whatever the local table says
 * @returns 0, or an errno that drops the packet
 */
export function routeMeHarder(stack: Stack, packet: Packet, ownSource = false): number {
  if (packet.family === 6) return routeMeHarder6(stack, packet);
  const dev = packet.rtDev < 0 ? null : (stack.net.devices[packet.rtDev] ?? null);
  const type = ownSource ? RTN_LOCAL : stack.addressTypeBy(packet.src, dev);
  const keep = packet.src;
  const unicast = type === RTN_LOCAL || type === RTN_UNICAST;
  if (!unicast) packet.src = 0;
  const error = routeOutput(stack, packet, packet.boundDev, unicast, dev?.vrf?.ifindex ?? 0);
  packet.src = keep;
  return error;
}
