import { IPV6 } from "../../address/family.ts";
import type { Ipv4 } from "../../address/ipv4.ts";
import type { Ipv6Words } from "../../address/ipv6.ts";
import { contains, lastOf, networkOf } from "../../address/prefix.ts";
import type { Device, InterfaceAddress, InterfaceAddress6, Scope } from "../device/device.ts";
import type { Route, Route6, RouteType } from "./route.ts";
import { tableName } from "./rt-table.ts";

/**
 * The routes that the kernel makes itself for a device's addresses (`fib_add_ifaddr`, `net/ipv4/fib_frontend.c`): one to the
 * address, and while the device is up one to its network and to its broadcast addresses. A route made for two addresses
 * comes once.
 *
 * @param vrfTable the table of the device's VRF, where they then all are (`vrfTableOf`)
 */
export function kernelRoutes(
  device: Device,
  addresses: readonly InterfaceAddress[],
  vrfTable: string | null,
): Route[] {
  const routes = new Map<string, Route>();
  for (const address of addresses) {
    if (address.dev !== device.name) continue;
    for (const made of routesOfAddress(device, address, primaryOf(address, addresses))) {
      const route = vrfTable === null ? made : { ...made, table: vrfTable };
      const key = `${route.type} ${route.table} ${route.dst.address}/${route.dst.length}`;
      if (!routes.has(key)) routes.set(key, route);
    }
  }
  return [...routes.values()];
}

/** The table of the VRF that a device is, or is one of; null outside of all (`l3mdev_fib_table`). */
export function vrfTableOf({ master, detail }: Device, devices: readonly Device[]): string | null {
  if (detail.kind === "vrf") return tableName(String(detail.table));
  const vrf = master === null ? undefined : devices.find(({ name }) => name === master)?.detail;
  return vrf?.kind === "vrf" ? tableName(String(vrf.table)) : null;
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

/**
 * The same of IPv6 (`inet6_addr_add`, `addrconf_prefix_route`, `addrconf_add_mroute`, net/ipv6/addrconf.c): while the device is
 * up one to the address, one to its network, one to all groups by the device, and where the device forwards one to the
 * network's own address, which all its routers answer to (RFC 4291 2.6.1). A device that asks nobody whether an address is
 * taken (`addrconf_dad_begin`) has those to its addresses while it is down as well.
 */
export function kernelRoutes6(
  device: Device,
  addresses: readonly InterfaceAddress6[],
  forwards: boolean,
  vrfTable: string | null,
): Route6[] {
  const own = addresses.filter(({ dev }) => dev === device.name);
  const [first] = own;
  if (first === undefined) return [];
  if (!device.up)
    return device.noArp ? own.map((one) => kernelRoute6(device, one, "local", one.address, 128)) : [];
  const routes = new Map<string, Route6>();
  const add = (made: Route6): void => {
    const route = vrfTable === null ? made : { ...made, table: vrfTable };
    const key = `${route.type} ${IPV6.format(route.dst.address)}/${route.dst.length}`;
    if (!routes.has(key)) routes.set(key, route);
  };
  for (const address of own) for (const route of routesOfAddress6(device, address, forwards)) add(route);
  if (device.detail.kind !== "loopback") add(kernelRoute6(device, first, "multicast", ALL_GROUPS, 8));
  return [...routes.values()];
}

/** ff00::. */
const ALL_GROUPS: Ipv6Words = [0xff00_0000, 0, 0, 0];

function routesOfAddress6(device: Device, address: InterfaceAddress6, forwards: boolean): Route6[] {
  const make = (type: RouteType, dst: Ipv6Words, length: number): Route6 =>
    kernelRoute6(device, address, type, dst, length);
  const { length, peer } = address;
  const network = IPV6.networkOf({ address: address.address, length });
  const isNetwork = !address.flags.includes("noprefixroute");
  return [
    make("local", address.address, 128),
    ...(isNetwork ? [make("unicast", network.address, length)] : []),
    ...(isNetwork && peer !== null ? [make("unicast", peer, 128)] : []),
    ...(forwards && length < 127 && !IPV6.same(network.address, IPV6.any)
      ? [make("anycast", network.address, 128)]
      : []),
  ];
}

/** `IP6_RT_PRIO_ADDRCONF` is 256. */
function kernelRoute6(
  device: Device,
  { origin }: InterfaceAddress6,
  type: RouteType,
  address: Ipv6Words,
  length: number,
): Route6 {
  return {
    type,
    dst: { address, length },
    table: type === "unicast" ? "main" : "local",
    protocol: "kernel",
    scope: "global",
    prefsrc: null,
    metric: type === "local" || type === "anycast" ? 0 : 256,
    tos: 0,
    mtu: 0,
    nextHops: [{ dev: device.name, gateway: null, weight: 1, onlink: false, dead: false }],
    origin,
  };
}
