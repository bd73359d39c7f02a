import { NO_SERVER } from "../destination-table.ts";
import type { VirtualServiceState } from "../service-state.ts";
import { leastWeighted } from "./least-connection.ts";
import { FORGETFUL, type Scheduler } from "./scheduler.ts";

/** `sysctl_lblcr_expiration`: how long a destination's set of servers may stay as it is, milliseconds. */
const SET_EXPIRES_MS = 86_400_000;

/** `lblc` (ip_vs_lblc.c): a destination's own server for as long as that is not overloaded; else the least loaded becomes it. */
export const localityLeastConnection: Scheduler = {
  ...FORGETFUL,
  name: "lblc",
  schedule(service, packet, { locality, now }) {
    const { number, destinations } = service;
    const own = locality.server(number, packet.dst, now);
    if (
      own !== NO_SERVER &&
      destinations.isAvailable(own) &&
      destinations.weight(own) > 0 &&
      !isOverloaded(service, own)
    ) {
      return own;
    }
    const dest = leastWeighted(service);
    if (dest !== NO_SERVER) locality.setServer(number, packet.dst, dest, now);
    return dest;
  },
};

/** `lblcr` (ip_vs_lblcr.c): the least loaded of a destination's set of servers, which grows under load and shrinks with time. */
export const localityReplicated: Scheduler = {
  ...FORGETFUL,
  name: "lblcr",
  schedule(service, packet, { locality, now }) {
    const { number } = service;
    const set = locality.servers(number, packet.dst);
    if (set !== null) {
      const least = leastOf(service, set.servers);
      if (set.servers.length > 1 && now > set.modified + SET_EXPIRES_MS) {
        const most = mostOf(service, set.servers);
        if (most !== NO_SERVER) locality.dropServer(number, packet.dst, most, now);
      }
      if (least !== NO_SERVER && !isOverloaded(service, least)) return least;
    }
    const dest = leastWeighted(service);
    if (dest !== NO_SERVER) locality.addServer(number, packet.dst, dest, now);
    return dest;
  },
};

/** `is_overloaded`: more active connections than weight, while another has less than half. */
function isOverloaded({ order, destinations }: VirtualServiceState, dest: number): boolean {
  if (destinations.active(dest) <= destinations.weight(dest)) return false;
  for (let i = 0; i < order.length; i++) {
    const other = order[i] as number;
    if (destinations.active(other) * 2 < destinations.weight(other)) return true;
  }
  return false;
}

/** `ip_vs_dest_set_min`. */
function leastOf({ destinations }: VirtualServiceState, servers: readonly number[]): number {
  let least = NO_SERVER;
  let load = 0;
  for (const dest of servers) {
    if (destinations.isOverloaded(dest) || !destinations.isAvailable(dest)) continue;
    const own = destinations.overhead(dest);
    const better =
      least === NO_SERVER
        ? destinations.weight(dest) > 0
        : load * destinations.weight(dest) > own * destinations.weight(least);
    if (!better) continue;
    least = dest;
    load = own;
  }
  return least;
}

/** `ip_vs_dest_set_max`. */
function mostOf({ destinations }: VirtualServiceState, servers: readonly number[]): number {
  let most = NO_SERVER;
  let load = 0;
  for (const dest of servers) {
    if (destinations.weight(dest) <= 0) continue;
    const own = destinations.overhead(dest);
    if (most !== NO_SERVER && load * destinations.weight(dest) >= own * destinations.weight(most)) continue;
    most = dest;
    load = own;
  }
  return most;
}
