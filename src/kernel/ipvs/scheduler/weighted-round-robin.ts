import { CHOICE_IPVS, type Chooser } from "../../chooser.ts";
import { NO_SERVER } from "../destination-table.ts";
import type { VirtualServiceState } from "../service-state.ts";
import type { Scheduler } from "./scheduler.ts";
import { greatestWeight, weightDivisor } from "./weights.ts";

/** `struct ip_vs_wrr_mark`: the server picked last (`NO_SERVER`: the head), the weight it now takes to be picked, the highest such, the step down. */
const CURRENT = 0;
const CURRENT_WEIGHT = 1;
const MAXIMUM = 2;
const STEP = 3;

/** `wrr` (ip_vs_wrr.c): rounds through the list, each for those at or above a weight that goes down from round to round. */
export const weightedRoundRobin: Scheduler = {
  name: "wrr",
  bind(service) {
    measure(service);
    service.cells.set(CURRENT, NO_SERVER);
    service.cells.set(CURRENT_WEIGHT, service.cells.data[MAXIMUM] as number);
  },
  added: changed,
  deleted: changed,
  updated: changed,
  schedule(service, _packet, { chooser }) {
    return service.positionKnown ? next(service) : begin(service, chooser);
  },
};

/** Any of the servers may be the next one, each as often as its weight says. */
function begin(service: VirtualServiceState, chooser: Chooser): number {
  const { order, destinations, cells } = service;
  const eligible = order.filter((dest) => destinations.isEligible(dest));
  if (eligible.length === 0) return NO_SERVER;
  const weights = Array.from(eligible, (dest) => destinations.weight(dest));
  const dest = eligible[chooser.flow(CHOICE_IPVS, service.number, 0, weights)] as number;
  service.settlePosition();
  cells.set(CURRENT, dest);
  cells.set(CURRENT_WEIGHT, Math.min(destinations.weight(dest), cells.data[MAXIMUM] as number));
  return dest;
}

function measure(service: VirtualServiceState): void {
  const step = weightDivisor(service) || 1;
  service.cells.set(STEP, step);
  service.cells.set(MAXIMUM, greatestWeight(service) - (step - 1));
}

/** `ip_vs_wrr_dest_changed`: the weight asked for stays, lowered to what is possible. */
function changed(service: VirtualServiceState): void {
  const { cells } = service;
  measure(service);
  cells.set(CURRENT, NO_SERVER);
  const current = cells.data[CURRENT_WEIGHT] as number;
  const maximum = cells.data[MAXIMUM] as number;
  const step = cells.data[STEP] as number;
  if (current > maximum || current === 0) cells.set(CURRENT_WEIGHT, maximum);
  else if (step > 1) cells.set(CURRENT_WEIGHT, Math.trunc(current / step) * step + 1);
}

/** `ip_vs_wrr_schedule`. */
function next(service: VirtualServiceState): number {
  const { cells, order, destinations } = service;
  const maximum = cells.data[MAXIMUM] as number;
  const step = cells.data[STEP] as number;
  if (maximum === 0) return NO_SERVER;
  let weight = cells.data[CURRENT_WEIGHT] as number;
  const last = order.indexOf(cells.data[CURRENT] as number);
  let at = last;
  let stop = -2;
  let restarted = false;
  let lastPass = false;
  for (;;) {
    for (at++; at < order.length; at++) {
      const dest = order[at] as number;
      if (!destinations.isOverloaded(dest) && destinations.weight(dest) >= weight) {
        cells.set(CURRENT, dest);
        cells.set(CURRENT_WEIGHT, weight);
        return dest;
      }
      if (at === stop) return nobody(service, dest, weight);
    }
    at = -1;
    weight -= step;
    if (weight <= 0) {
      weight = maximum;
      if (lastPass || last === -1) return nobody(service, NO_SERVER, weight);
      restarted = true;
    }
    lastPass = weight <= step;
    if (lastPass && restarted && last !== -1) stop = last;
  }
}

function nobody(service: VirtualServiceState, current: number, weight: number): number {
  service.cells.set(CURRENT, current);
  service.cells.set(CURRENT_WEIGHT, weight);
  return NO_SERVER;
}
