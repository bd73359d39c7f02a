import { formatIpv4, type Ipv4 } from "../address/ipv4.ts";
import { formatMac, type Mac } from "../address/mac.ts";
import { lastOf, type Prefix4 } from "../address/prefix.ts";
import { applyOperations } from "../kernel/apply-operation.ts";
import type { Device, InterfaceAddress } from "../kernel/device/device.ts";
import type { Host } from "../kernel/host.ts";
import type { Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE } from "../kernel/origin.ts";
import { kernelRoutes } from "../kernel/route/kernel-routes.ts";
import type { Route } from "../kernel/route/route.ts";
import { DHCP_FIELD, dhcpOf } from "../world/dhcp/configuration.ts";
import type { GivenLease } from "../world/dhcp/exchange.ts";
import { lengthOfClass } from "../world/dhcp/route-class.ts";
import type { World } from "../world/world.ts";
import { Link, macAsId, WALKED_DHCP } from "./dhcp.ts";

/** A device that DHCP was asked for, and what came of it, in words. */
export interface Configured {
  readonly host: string;
  readonly text: string;
}

/**
 * Hosts that configure devices of theirs by DHCP (`dhcp.clients`), as they are once they have come up: one after another, with
 * the address, routes and MTU of a lease, or without an answer with an address of the link's own (RFC 3927). A device that has
 * an address was configured when the snapshot was taken.
 */
export function configuredByDhcp(world: World): {
  readonly world: World;
  readonly configured: readonly Configured[];
} {
  let current = world;
  const configured: Configured[] = [];
  for (const [name, host] of world.hosts) {
    for (const device of dhcpOf(host).clients) {
      const [next, text] = configure(current, name, device);
      current = next;
      if (text !== null) configured.push({ host: name, text });
    }
  }
  return { world: current, configured };
}

function configure(world: World, name: string, dev: string): readonly [World, string | null] {
  const host = world.hosts.get(name);
  const device = host?.devices.find((one) => one.name === dev);
  if (host === undefined || device === undefined) return [world, null];
  if (host.addresses.some((own) => own.dev === dev)) return [world, null];
  const up = apply(world, name, [{ kind: "link-set", name: dev, up: true }]);
  const client = { host: name, device: dev };
  const given = WALKED_DHCP.acquire(up, { client, id: macAsId(device.mac), now: 0 });
  if (given === null) return withLinkLocal(up, client, { ...device, up: true });
  const told = apply(up, given.at.host, [{ kind: "unmodelled", name: DHCP_FIELD, value: given.memory }]);
  const { mtu, subnet } = given.server;
  const text = `${dev} was given ${formatIpv4(given.address)}/${subnet.length} by DHCP from ${given.at.host}`;
  const changes: Operation[] = [
    ...(mtu === null ? [] : [{ kind: "link-change" as const, name: dev, change: { mtu } }]),
    ...addressed({ ...device, up: true }, { address: given.address, length: subnet.length }, "global"),
    ...routesOf(given).map((route) => learnt(dev, route)),
  ];
  return [apply(told, name, changes), text];
}

function apply(world: World, name: string, operations: readonly Operation[]): World {
  const host = world.hosts.get(name) as Host;
  const applied = applyOperations(host, operations);
  if (applied.kind === "invalid") return world;
  return { ...world, hosts: new Map(world.hosts).set(name, applied.host) };
}

function addressed(device: Device, net: Prefix4, scope: InterfaceAddress["scope"]): readonly Operation[] {
  const address: InterfaceAddress = {
    ...{ dev: device.name, address: net.address, length: net.length, broadcast: lastOf(net), scope },
    ...{ secondary: false, peer: null, label: device.name, origin: ORIGIN_NONE },
  };
  const routes = kernelRoutes(device, [address], null);
  return [
    { kind: "address-add", address },
    ...routes.map((route): Operation => ({ kind: "route-add", route })),
  ];
}

interface LearntRoute {
  readonly dst: Prefix4;
  /** 0: on the link itself. */
  readonly gw: Ipv4;
}

/** RFC 3442: with classless routes the others do not count. */
function routesOf({ server }: GivenLease): readonly LearntRoute[] {
  const { classlessRoutes, staticRoutes, routers } = server;
  if (classlessRoutes.length > 0) return classlessRoutes;
  const [gw] = routers;
  return [
    ...staticRoutes.map((route) => ({
      dst: { address: route.dst, length: lengthOfClass(route.dst) },
      gw: route.gw,
    })),
    ...(gw === undefined ? [] : [{ dst: { address: 0, length: 0 }, gw }]),
  ];
}

function learnt(dev: string, { dst, gw }: LearntRoute): Operation {
  const route: Route = {
    ...{ type: "unicast", dst, table: "main", protocol: "dhcp", scope: gw === 0 ? "link" : "global" },
    ...{ prefsrc: null, metric: 0, tos: 0, mtu: 0, origin: ORIGIN_NONE },
    nextHops: [{ dev, gateway: gw === 0 ? null : gw, weight: 1, onlink: false, dead: false }],
  };
  return { kind: "route-add", route };
}

/** 169.254/16 without its first and last 256 addresses (RFC 3927, 2.1). */
const LINK_LOCAL_FIRST = 0xa9fe_0100;
const LINK_LOCAL_COUNT = 0xfe00;
const LINK_LOCAL_LENGTH = 16;
/** `MAX_CONFLICTS`: after so many a host goes on slowly, and here gives up. */
const MAX_CONFLICTS = 10;

/** An address drawn by the link address, so that the same host draws the same; one that somebody answers for is left to them. */
function withLinkLocal(
  world: World,
  client: { readonly host: string; readonly device: string },
  device: Device,
): readonly [World, string] {
  const link = new Link(world);
  const none = `${device.name} asked for an address by DHCP, and nobody answered`;
  for (let turn = 0; turn < MAX_CONFLICTS; turn++) {
    const address = linkLocalOf(device.mac, turn);
    if (link.isTaken(client, address)) continue;
    const net = { address, length: LINK_LOCAL_LENGTH };
    const text = `${none}: it took ${formatIpv4(address)}/${LINK_LOCAL_LENGTH} (RFC 3927)`;
    return [apply(world, client.host, addressed(device, net, "link")), text];
  }
  return [world, `${none}; ${MAX_CONFLICTS} link-local addresses it tried are taken, so it has none`];
}

/** FNV-1a over the link address and the number of the attempt. */
function linkLocalOf(mac: Mac, turn: number): Ipv4 {
  let hash = 0x811c_9dc5;
  for (const letter of `${formatMac(mac)} ${turn}`) {
    hash = Math.imul(hash ^ letter.charCodeAt(0), 0x0100_0193);
  }
  return (LINK_LOCAL_FIRST + (((hash ^ (hash >>> 16)) >>> 0) % LINK_LOCAL_COUNT)) | 0;
}
