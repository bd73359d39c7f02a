import type { Ipv4 } from "../../address/ipv4.ts";
import { contains, lastOf, networkOf } from "../../address/prefix.ts";
import type { Device, InterfaceAddress, Scope } from "../device/device.ts";
import type { Route, RouteType } from "./route.ts";

/**
 * The routes that the kernel makes itself for a device's addresses (`fib_add_ifaddr`, `net/ipv4/fib_frontend.c`): one to the
 * address, and while the device is up one to its network and to its broadcast addresses. A route made for two addresses
 * comes once.
 */
export function kernelRoutes(device: Device, addresses: readonly InterfaceAddress[]): Route[] {
  const routes = new Map<string, Route>();
  for (const address of addresses) {
    if (address.dev !== device.name) continue;
    for (const route of routesOfAddress(device, address, primaryOf(address, addresses))) {
      const key = `${route.type} ${route.table} ${route.dst.address}/${route.dst.length}`;
      if (!routes.has(key)) routes.set(key, route);
    }
  }
  return [...routes.values()];
}

/** A secondary address has no network of its own, and its routes prefer the first of its network as source. */
function primaryOf(address: InterfaceAddress, all: readonly InterfaceAddress[]): InterfaceAddress {
  if (!address.secondary) return address;
  const found = all.find(
    (other) =>
      other.dev === address.dev &&
      !other.secondary &&
      other.length === address.length &&
      contains({ address: other.address, length: other.length }, address.address),
  );
  return found ?? address;
}

function routesOfAddress(device: Device, address: InterfaceAddress, primary: InterfaceAddress): Route[] {
  const loopback = device.detail.kind === "loopback";
  const make = (type: RouteType, dst: Ipv4, length: number, scope: Scope): Route => ({
    type,
    dst: { address: dst, length },
    table: type === "unicast" ? "main" : "local",
    protocol: "kernel",
    scope,
    prefsrc: primary.address,
    metric: 0,
    tos: 0,
    mtu: 0,
    nextHops: [{ dev: device.name, gateway: null, weight: 1, onlink: false, dead: false }],
    origin: address.origin,
  });

  const routes = [make("local", address.address, 32, "host")];
  if (!device.up) return routes;
  const { broadcast, length } = address;
  if (broadcast !== null && broadcast !== -1) routes.push(make("broadcast", broadcast, 32, "link"));
  const of = address.peer ?? address.address;
  const network = networkOf({ address: of, length });
  const isZeroNetwork = network.address === 0;
  if (isZeroNetwork || address.secondary || (length === 32 && address.peer === null)) return routes;

  routes.push(
    loopback
      ? make("local", network.address, length, "host")
      : make("unicast", network.address, length, "link"),
  );
  if (length < 31) routes.push(make("broadcast", lastOf(network), 32, "link"));
  return routes;
}
