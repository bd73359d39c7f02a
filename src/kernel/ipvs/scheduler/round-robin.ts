import { CHOICE_IPVS, type Chooser } from "../../chooser.ts";
import { NO_SERVER } from "../destination-table.ts";
import type { VirtualServiceState } from "../service-state.ts";
import type { Scheduler } from "./scheduler.ts";

/** Cell of the server picked last, `NO_SERVER` for the head of the list. */
const LAST = 0;

/** `rr` (ip_vs_rr.c): the next server of the list that takes connections. */
export const roundRobin: Scheduler = {
  name: "rr",
  bind: (service) => service.cells.set(LAST, NO_SERVER),
  added: () => {},
  updated: () => {},
  deleted(service, dest, previous) {
    if (service.cells.data[LAST] === dest) service.cells.set(LAST, previous);
  },
  schedule(service, _packet, { chooser }) {
    const { order, destinations, cells } = service;
    if (!service.positionKnown) return begin(service, chooser);
    const count = order.length;
    const last = order.indexOf(cells.data[LAST] as number);
    for (let i = 1; i <= count; i++) {
      const dest = order[(last + i) % count] as number;
      if (destinations.isEligible(dest)) return hit(service, dest);
    }
    return NO_SERVER;
  },
};

/** Any of the servers may be the next one. */
function begin(service: VirtualServiceState, chooser: Chooser): number {
  const { order, destinations } = service;
  const eligible = order.filter((dest) => destinations.isEligible(dest));
  if (eligible.length === 0) return NO_SERVER;
  const taken = chooser.flow(CHOICE_IPVS, service.number, 0, new Array(eligible.length).fill(1));
  return hit(service, eligible[taken] as number);
}

function hit(service: VirtualServiceState, dest: number): number {
  service.settlePosition();
  service.cells.set(LAST, dest);
  return dest;
}
