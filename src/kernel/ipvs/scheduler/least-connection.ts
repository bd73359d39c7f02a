import { NO_SERVER } from "../destination-table.ts";
import type { VirtualServiceState } from "../service-state.ts";
import { FORGETFUL, type Scheduler } from "./scheduler.ts";

/** `lc` (ip_vs_lc.c): the fewest connections, an active one counting 256 inactive ones; the first of equals. */
export const leastConnection: Scheduler = {
  ...FORGETFUL,
  name: "lc",
  schedule({ order, destinations }) {
    let least = NO_SERVER;
    let load = 0;
    for (let i = 0; i < order.length; i++) {
      const dest = order[i] as number;
      if (!destinations.isEligible(dest)) continue;
      const own = destinations.overhead(dest);
      if (least === NO_SERVER || own < load) {
        least = dest;
        load = own;
      }
    }
    return least;
  },
};

/** `wlc` (ip_vs_wlc.c): the fewest connections for its weight. */
export const weightedLeastConnection: Scheduler = {
  ...FORGETFUL,
  name: "wlc",
  schedule: leastWeighted,
};

/** The choice of wlc, which lblc and lblcr make too. */
export function leastWeighted({ order, destinations }: VirtualServiceState): number {
  let least = NO_SERVER;
  let load = 0;
  for (let i = 0; i < order.length; i++) {
    const dest = order[i] as number;
    if (destinations.isOverloaded(dest)) continue;
    if (least === NO_SERVER) {
      if (destinations.weight(dest) <= 0) continue;
      least = dest;
      load = destinations.overhead(dest);
      continue;
    }
    const own = destinations.overhead(dest);
    if (load * destinations.weight(dest) > own * destinations.weight(least)) {
      least = dest;
      load = own;
    }
  }
  return least;
}
