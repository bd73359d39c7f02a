import { NO_SERVER } from "../destination-table.ts";
import type { VirtualServiceState } from "../service-state.ts";
import { leastWeighted } from "./least-connection.ts";
import { FORGETFUL, type Scheduler } from "./scheduler.ts";

/** Cell that counts how often a service has taken up one of these schedulers: each time with a table of its own. */
const TABLES = 4;

const WITH_TABLE: Pick<Scheduler, "bind" | "added" | "deleted" | "updated"> = {
  ...FORGETFUL,
  bind: ({ cells }) => cells.set(TABLES, (cells.data[TABLES] as number) + 1),
};

/** What a service's table of now is known by. */
function tableOf({ number, cells }: VirtualServiceState): number {
  return number + (cells.data[TABLES] as number) * 0x1_0000;
}

/** `lblc` (ip_vs_lblc.c): a destination's own server for as long as that is not overloaded; else the least loaded becomes it. */
export const localityLeastConnection: Scheduler = {
  ...WITH_TABLE,
  name: "lblc",
  schedule(service, packet, { locality, now, ipvsSettings }) {
    const { destinations } = service;
    const table = tableOf(service);
    const own = locality.server(table, packet.dst, now, ipvsSettings.lblcExpirationMs);
    if (
      own !== NO_SERVER &&
      destinations.isAvailable(own) &&
      destinations.weight(own) > 0 &&
      !isOverloaded(service, own)
    ) {
      return own;
    }
    const dest = leastWeighted(service);
    if (dest !== NO_SERVER) locality.setServer(table, packet.dst, dest, now);
    return dest;
  },
};

/** `lblcr` (ip_vs_lblcr.c): the least loaded of a destination's set of servers, which grows under load and shrinks with time. */
export const localityReplicated: Scheduler = {
  ...WITH_TABLE,
  name: "lblcr",
  schedule(service, packet, { locality, now, ipvsSettings }) {
    const table = tableOf(service);
    // One time for both: how long a destination is remembered unasked, and its set of servers may stay as it is.
    const expirationMs = ipvsSettings.lblcrExpirationMs;
    const set = locality.servers(table, packet.dst, now, expirationMs);
    if (set !== null) {
      const least = leastOf(service, set.servers);
      if (set.servers.length > 1 && now > set.modified + expirationMs) {
        const most = mostOf(service, set.servers);
        if (most !== NO_SERVER) locality.dropServer(table, packet.dst, most, now);
      }
      if (least !== NO_SERVER && !isOverloaded(service, least)) return least;
    }
    const dest = leastWeighted(service);
    if (dest !== NO_SERVER) locality.addServer(table, packet.dst, dest, now);
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
