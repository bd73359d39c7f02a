import { NO_SERVER } from "../destination-table.ts";
import { FORGETFUL, type Scheduler } from "./scheduler.ts";

/** `sed` (ip_vs_sed.c): the shortest delay to be expected, (active connections + 1) / weight. */
export const shortestExpectedDelay: Scheduler = {
  ...FORGETFUL,
  name: "sed",
  schedule({ order, destinations }) {
    let least = NO_SERVER;
    let load = 0;
    for (let i = 0; i < order.length; i++) {
      const dest = order[i] as number;
      if (!destinations.isEligible(dest)) continue;
      const own = destinations.active(dest) + 1;
      if (least === NO_SERVER || load * destinations.weight(dest) > own * destinations.weight(least)) {
        least = dest;
        load = own;
      }
    }
    return least;
  },
};

/** `nq` (ip_vs_nq.c): an idle server if there is one, else as sed. */
export const neverQueue: Scheduler = {
  ...FORGETFUL,
  name: "nq",
  schedule(service, packet, situation) {
    const { order, destinations } = service;
    for (let i = 0; i < order.length; i++) {
      const dest = order[i] as number;
      if (destinations.isEligible(dest) && destinations.active(dest) === 0) return dest;
    }
    return shortestExpectedDelay.schedule(service, packet, situation);
  },
};
