import { samePrefix6 } from "../../address/ip6-handle.ts";
import { deviceKey } from "../../packet/packet.ts";
import type { FibColumns, FibNextHop, FibResult, FibRoute, Flow } from "./fib.ts";
import { RTN_BLACKHOLE, RTN_LOCAL, RTN_THROW } from "./types.ts";

/** How a table of IPv6 is asked (`fib6_table_lookup`, net/ipv6/route.c). Runs per packet. */

/** A next hop that must not be taken; those that may score 0 or more. */
const NOT_AT_ALL = -1;

/**
 * Find the longest prefix with a route that may be taken; among its routes the least metric, and there the one whose device is
 * the one asked for. Routes that look unreachable are taken only when nothing else can be.
 *
 * @returns false when there is none
 */
export function select6(columns: FibColumns, flow: Flow, result: FibResult): boolean {
  if (flow.neighbours === null) return find(columns, flow, result, false);
  return find(columns, flow, result, true) || find(columns, flow, result, false);
}

function find({ routes, keys, longest }: FibColumns, flow: Flow, result: FibResult, wary: boolean): boolean {
  const { daddr } = flow;
  const { length } = routes;
  let first = 0;
  if (longest !== null) {
    first = longest.lookup(daddr);
    if (first < 0) return false;
  }
  while (first < length) {
    const address = keys[2 * first] as number;
    const bits = keys[2 * first + 1] as number;
    if (!samePrefix6(daddr, address, bits)) {
      first++;
      continue;
    }
    // `fib6_node_lookup_1`: of a prefix with routes for some senders alone those for all are hidden, but from a sender whose own
    // cannot be taken.
    let isSourced = false;
    let isFor = false;
    do {
      const { srcAddress, srcLength } = routes[first] as FibRoute;
      let end = first + 1;
      while (end < length && keys[2 * end] === address && keys[2 * end + 1] === bits) {
        const other = routes[end] as FibRoute;
        if (other.srcLength !== srcLength || other.srcAddress !== srcAddress) break;
        end++;
      }
      let isAsked: boolean = !isSourced || isFor;
      if (srcLength !== 0) {
        isSourced = true;
        isAsked = samePrefix6(flow.saddr, srcAddress, srcLength);
        isFor ||= isAsked;
      }
      if (isAsked && selectAmong(routes, first, end, flow, result, wary)) return true;
      first = end;
    } while (first < length && keys[2 * first] === address && keys[2 * first + 1] === bits);
  }
  return false;
}

/** `find_rr_leaf`: of the least metric the best; if none of those, the best of all others. */
function selectAmong(
  routes: readonly FibRoute[],
  first: number,
  end: number,
  flow: Flow,
  result: FibResult,
  wary: boolean,
): boolean {
  const { metric } = routes[first] as FibRoute;
  let best = NOT_AT_ALL;
  for (let i = first; i < end; i++) {
    const route = routes[i] as FibRoute;
    if (route.metric !== metric && best !== NOT_AT_ALL && (result.route as FibRoute).metric === metric) break;
    const hops = route.nextHops;
    if (hops.length === 0 && isReject(route.type) && !flow.viaOnly && best === NOT_AT_ALL) {
      best = MEDIUM;
      result.route = route;
      result.hop = 0;
    }
    for (let at = 0; at < hops.length; at++) {
      const points = score(hops[at] as FibNextHop, route, flow, wary);
      if (points <= best) continue;
      best = points;
      result.route = route;
      result.hop = at;
    }
  }
  return best !== NOT_AT_ALL;
}

function isReject(type: number): boolean {
  return type >= RTN_BLACKHOLE && type <= RTN_THROW;
}

/** `IPV6_DECODE_PREF`, and where the score has it: above what the device counts. */
const PREFERENCE = 4;
const MEDIUM = 2 * PREFERENCE;

/** `rt6_score_route`. */
function score(
  { dev, gateway, hasGateway }: FibNextHop,
  { type, preference }: FibRoute,
  flow: Flow,
  wary: boolean,
): number {
  const isThere = type === RTN_LOCAL ? dev?.holdsAddresses6 : dev?.up;
  if (!isReject(type) && !(isThere && !dev?.conf6.disabled)) return NOT_AT_ALL;
  const preferred = flow.via === 0 || dev?.ifindex === flow.via;
  if (!preferred && flow.viaOnly) return NOT_AT_ALL;
  if (wary && hasGateway && hasFailed(flow, dev as FibNextHop["dev"], gateway)) return NOT_AT_ALL;
  return preference * PREFERENCE + (preferred ? 2 : 0);
}

/** `rt6_check_neigh`: a gateway nobody has answered for (NUD_FAILED). */
export function hasFailed(flow: Flow, dev: FibNextHop["dev"], gateway: number): boolean {
  return dev !== null && flow.neighbours?.has(deviceKey(6, dev.ifindex), gateway) === true;
}
