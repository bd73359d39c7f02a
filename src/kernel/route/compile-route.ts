import { addressOnPath, network6 } from "../../address/ip6-handle.ts";
import type { NetDevice } from "../device/net-device.ts";
import type { FibRoute } from "./fib.ts";
import { LOCK } from "./metrics.ts";
import { realmsNumber } from "./realms.ts";
import type { Route, Route6, RouteType } from "./route.ts";
import { RT_SCOPE_BY_NAME, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_NOWHERE } from "./rt-scope.ts";
import { RTN_BY_NAME, RTN_UNICAST } from "./types.ts";

/** A route with its devices, and addresses as the path holds them. */
export function compileRoute(
  route: Route | Route6,
  index: number,
  device: (name: string) => NetDevice | null,
): FibRoute {
  const local = route.type === "local";
  const { length } = route.dst;
  const six = typeof route.dst.address !== "number";
  const mask = six || length === 0 ? 0 : (-1 << (32 - length)) | 0;
  const address = addressOnPath(route.dst.address);
  // RTNH_F_DEAD: a device that goes down takes its share of the ways with it.
  const isDown = (name: string | null) => name !== null && device(name)?.up === false;
  const several = route.nextHops.length > 1;
  const alive = route.nextHops.filter((hop) => !hop.dead && !(several && isDown(hop.dev)));
  return {
    index,
    type: RTN_BY_NAME[route.type satisfies RouteType],
    scope: RT_SCOPE_BY_NAME[route.scope],
    prefsrc: route.prefsrc === null ? 0 : addressOnPath(route.prefsrc),
    hasPrefsrc: route.prefsrc !== null,
    mtu: route.mtu,
    mtuLocked: route.metrics?.[LOCK] === "mtu",
    advmss: numberOf(route.metrics?.["advmss"]),
    hopLimit: numberOf(route.metrics?.["hoplimit"]),
    metric: route.metric,
    tos: route.tos,
    address: six ? network6(address, length) : address & mask,
    mask,
    length,
    ...source(route as Route6),
    preference: route.preference === "high" ? 3 : route.preference === "low" ? 1 : 2,
    nextHops: alive.map((hop) => ({
      dev: hop.dev === null ? null : device(hop.dev),
      gateway: hop.gateway === null ? 0 : addressOnPath(hop.gateway),
      hasGateway: hop.gateway !== null,
      onlink: hop.onlink,
      weight: hop.weight,
      realms: six ? 0 : realmsNumber(hop.realms),
      scope: local ? RT_SCOPE_NOWHERE : hop.gateway !== null ? RT_SCOPE_LINK : RT_SCOPE_HOST,
    })),
    weights: alive.map((hop) => hop.weight),
  };
}

function numberOf(metric: number | string | null | undefined): number {
  return typeof metric === "number" ? metric : 0;
}

function source({ from }: Route6): Pick<FibRoute, "srcAddress" | "srcLength"> {
  if (from === undefined || from.length === 0) return { srcAddress: 0, srcLength: 0 };
  return { srcAddress: network6(addressOnPath(from.address), from.length), srcLength: from.length };
}

/**
 * Routes of IPv6 through gateways that agree in prefix and metric are one of several ways (`rt6_qualify_for_ecmp`), however they
 * were added; `ip -6 route` prints them as one.
 */
export function withSiblings(list: readonly FibRoute[]): FibRoute[] {
  const merged: FibRoute[] = [];
  for (const route of list) {
    const before = merged.at(-1);
    if (
      before !== undefined &&
      before.address === route.address &&
      before.length === route.length &&
      before.srcLength === route.srcLength &&
      before.srcAddress === route.srcAddress &&
      before.metric === route.metric &&
      isThroughGateways(before) &&
      isThroughGateways(route)
    ) {
      // `rt6_multipath_rebalance`: what is dead has no share.
      if (!isUp(route)) continue;
      if (!isUp(before)) {
        merged[merged.length - 1] = route;
        continue;
      }
      merged[merged.length - 1] = {
        ...before,
        nextHops: [...before.nextHops, ...route.nextHops],
        weights: [...before.weights, ...route.weights],
      };
    } else merged.push(route);
  }
  return merged;
}

function isUp({ nextHops }: FibRoute): boolean {
  return nextHops.some(({ dev }) => dev?.up);
}

function isThroughGateways({ type, nextHops }: FibRoute): boolean {
  return type === RTN_UNICAST && nextHops.length > 0 && nextHops.every(({ hasGateway }) => hasGateway);
}
