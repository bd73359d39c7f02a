import type { NetDevice } from "../device/net-device.ts";
import * as NEIGHBOUR from "../neighbour/neighbour.ts";
import { nudState } from "../neighbour/nud-state.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import type { FibRoute, FibTable } from "./fib.ts";
import * as RT_SCOPE from "./rt-scope.ts";
import * as ROUTE_TYPES from "./types.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ABSENT } = PAIR_MAP;
const { NUD_INCOMPLETE, NUD_NONE, NUD_REACHABLE, NUD_VALID } = NEIGHBOUR;
const { RT_SCOPE_LINK } = RT_SCOPE;
const { RTN_UNICAST } = ROUTE_TYPES;

/** None was taken yet (`fa_default`). */
const NONE = -1;

/** What is left when every gateway looks dead. */
class LastResort {
  order = NONE;
  route: FibRoute | null = null;
}

/**
 * `fib_select_default`: which of several default routes of one TOS and metric a packet made here takes. The one whose gateway
 * is known to be there; of those that are only thought to be, another one at each look-up. Puts it into `result`.
 *
 * @param kept the gateway of the way that the asking socket has already, 0 none
 */
export function selectDefault(stack: Stack, kept: number): void {
  const { fibResult: result, flow } = stack;
  const found = result.route as FibRoute;
  const table = result.table as FibTable;
  if (found.length !== 0 || found.type !== RTN_UNICAST || found.nextHops.length > 1) return;
  const routes = table.columns?.routes ?? [];
  let first = routes.length;
  while (first > 0 && (routes[first - 1] as FibRoute).length === 0) first--;
  if (routes.length - first < 2) return;
  if (kept !== 0) {
    // A socket keeps the way that it has.
    const same = routes.find((route, i) => i >= first && route.nextHops[0]?.gateway === kept);
    if (same !== undefined) result.route = same;
    return;
  }

  const { defaultTaken } = stack.state;
  const where = table.key ^ Math.imul(found.tos, 0x0100_0193);
  const gateway = found.nextHops[0]?.gateway ?? 0;
  const before = defaultTaken.get(where, gateway);
  const taken = before === ABSENT ? NONE : before;
  const last = new LastResort();
  let order = NONE;
  let candidate: FibRoute | null = null;
  let lastTos = 0;
  let lastMetric = found.metric;
  for (let i = first; i < routes.length; i++) {
    const route = routes[i] as FibRoute;
    if (route.tos !== 0 && route.tos !== flow.tos) continue;
    if (route.metric > lastMetric && route.tos === lastTos) {
      if (lastTos !== 0) continue;
      break;
    }
    if (isDead(route)) continue;
    lastTos = route.tos;
    lastMetric = route.metric;
    if (route.scope !== found.scope || route.type !== RTN_UNICAST) continue;
    const hop = route.nextHops[0];
    if (hop === undefined || !hop.hasGateway || hop.scope !== RT_SCOPE_LINK) continue;
    if (candidate === null) {
      if (route !== found) break;
    } else if (!looksDead(stack, candidate, order, last, taken)) {
      result.route = candidate;
      defaultTaken.set(where, gateway, order);
      return;
    }
    candidate = route;
    order++;
  }
  if (candidate === null) return;
  if (order <= 0) {
    if (before !== ABSENT) defaultTaken.set(where, gateway, NONE);
    return;
  }
  if (!looksDead(stack, candidate, order, last, taken)) {
    result.route = candidate;
    defaultTaken.set(where, gateway, order);
    return;
  }
  if (last.route !== null) result.route = last.route;
  defaultTaken.set(where, gateway, last.order);
}

/** `fib_detect_death`. */
function looksDead(stack: Stack, route: FibRoute, order: number, last: LastResort, taken: number): boolean {
  const hop = route.nextHops[0];
  const state = nudState(stack, hop?.dev as NetDevice, 4, hop?.gateway ?? 0);
  if (state === NUD_NONE || state === NUD_REACHABLE) return false;
  const isValid = (state & NUD_VALID) !== 0;
  if (isValid && order !== taken) return false;
  if (isValid || (last.order < 0 && order > taken && state !== NUD_INCOMPLETE)) {
    last.order = order;
    last.route = route;
  }
  return true;
}

/** RTNH_F_DEAD of the route: none of its devices is up. */
function isDead({ nextHops }: FibRoute): boolean {
  return nextHops.length > 0 && !nextHops.some(({ dev }) => dev?.up);
}
