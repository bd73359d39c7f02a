import type { Route, Route6 } from "../kernel/route/route.ts";
import { networkOf, toIpv4 } from "./ip.ts";
import { route6, sameRoute6 } from "./ipv6-state.ts";
import { NetnsState } from "./netns-state.ts";
import type { NewRoute } from "./new-route.ts";

/** A namespace's routes, as `ip route` is told to add and delete them. */
export class NetnsRoutes extends NetnsState {
  /** False when there is a route to the same network, of the same metric and in the same table already (`NLM_F_EXCL`). */
  addRoute(route: NewRoute): boolean {
    if (route.dst.ip.family === 6) return this.#addSixRoute(route);
    const made = this.routeOf(route);
    if (this.#rivalsOf(made).length > 0) return false;
    this.do({ kind: "route-add", route: made });
    return true;
  }

  /**
   * `ip route prepend`, as the plugins add a configuration's IPv4 routes (`NLM_F_CREATE` alone): before others to the same
   * network. False when this very route is there already.
   */
  prependRoute(route: NewRoute): boolean {
    if (route.dst.ip.family === 6) return this.#addSixRoute(route);
    const made = this.routeOf(route);
    const rivals = this.#rivalsOf(made);
    if (rivals.some((other) => isSameWay(other, made))) return false;
    for (const other of rivals) this.do({ kind: "route-delete", route: other });
    for (const one of [made, ...rivals]) this.do({ kind: "route-add", route: one });
    return true;
  }

  /** IPv4 routes to the same network, of the same metric and in the same table. */
  #rivalsOf(made: Route): Route[] {
    return this.host.routes.filter(
      ({ dst, table, metric, tos }) =>
        dst.address === made.dst.address &&
        dst.length === made.dst.length &&
        table === made.table &&
        metric === made.metric &&
        tos === made.tos,
    );
  }

  deleteRoute(matches: (route: Route) => boolean): void {
    for (const route of this.host.routes) {
      if (matches(route)) this.do({ kind: "route-delete", route });
    }
  }

  /** An IPv4 route as the kernel would hold it, for operations of one's own. */
  routeOf({ dst, gw, dev, scope, src, table, protocol, onlink }: NewRoute): Route {
    const { ip, length } = networkOf(dst);
    return {
      type: "unicast",
      dst: { address: toIpv4(ip), length },
      table: table ?? "main",
      protocol: protocol ?? null,
      scope: scope ?? (gw === null ? "link" : "global"),
      prefsrc: src === undefined ? null : toIpv4(src),
      metric: 0,
      tos: 0,
      mtu: 0,
      nextHops: [
        {
          dev,
          gateway: gw === null ? null : toIpv4(gw),
          weight: 1,
          onlink: onlink ?? false,
          dead: false,
        },
      ],
      origin: this.origin,
    };
  }

  protected hasRoute(route: Route): boolean {
    return this.host.routes.some((other) => sameRoute(other, route));
  }

  #addSixRoute(given: NewRoute): boolean {
    const route = route6(given, this.origin);
    if (this.hasRoute6(route)) return false;
    this.do({ kind: "route-add", route });
    return true;
  }

  protected hasRoute6(route: Route6): boolean {
    return this.host.routes6.some((other) => sameRoute6(other, route));
  }
}

/** What makes two routes the same to `ip route add`. */
export function sameRoute(a: Route, b: Route): boolean {
  return (
    a.dst.address === b.dst.address &&
    a.dst.length === b.dst.length &&
    a.type === b.type &&
    a.table === b.table &&
    a.prefsrc === b.prefsrc &&
    a.scope === b.scope &&
    a.nextHops.length === b.nextHops.length &&
    a.nextHops.every(({ dev, gateway }, i) => {
      const other = b.nextHops[i];
      return dev === other?.dev && gateway === other.gateway;
    })
  );
}

/** By the same device and gateway, from the same source, in the same scope. */
function isSameWay(a: Route, b: Route): boolean {
  const [one] = a.nextHops;
  const [other] = b.nextHops;
  return (
    a.scope === b.scope &&
    a.prefsrc === b.prefsrc &&
    (a.protocol ?? "boot") === (b.protocol ?? "boot") &&
    one?.dev === other?.dev &&
    one?.gateway === other?.gateway
  );
}
