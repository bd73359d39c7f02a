import { NO_SERVER } from "../destination-table.ts";
import { FORGETFUL, type Scheduler } from "./scheduler.ts";

/** `ovf` (ip_vs_ovf.c): the highest weight among those whose active connections are not above their weight. */
export const overflow: Scheduler = {
  ...FORGETFUL,
  name: "ovf",
  schedule({ order, destinations }) {
    let highest = NO_SERVER;
    for (let i = 0; i < order.length; i++) {
      const dest = order[i] as number;
      if (!destinations.isEligible(dest) || destinations.active(dest) > destinations.weight(dest)) continue;
      if (highest === NO_SERVER || destinations.weight(dest) > destinations.weight(highest)) highest = dest;
    }
    return highest;
  },
};

/** `fo` (ip_vs_fo.c): the highest weight. */
export const failover: Scheduler = {
  ...FORGETFUL,
  name: "fo",
  schedule({ order, destinations }) {
    let highest = NO_SERVER;
    for (let i = 0; i < order.length; i++) {
      const dest = order[i] as number;
      if (!destinations.isEligible(dest)) continue;
      if (highest === NO_SERVER || destinations.weight(dest) > destinations.weight(highest)) highest = dest;
    }
    return highest;
  },
};
