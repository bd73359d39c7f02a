import type { InterfaceAddress, InterfaceAddress6, Neighbour, Neighbour6 } from "./device/device.ts";
import type { Route, Route6 } from "./route/route.ts";

/** Which family the value of an operation is of: its address says it. */

export function isOf4(address: InterfaceAddress | InterfaceAddress6): address is InterfaceAddress {
  return typeof address.address === "number";
}

export function isRoute4(route: Route | Route6): route is Route {
  return typeof route.dst.address === "number";
}

export function isNeighbour4(neighbour: Neighbour | Neighbour6): neighbour is Neighbour {
  return typeof neighbour.dst === "number";
}
