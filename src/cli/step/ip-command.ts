import { type AddressFamily, IPV4, IPV6 } from "../../address/family.ts";
import { internMac } from "../../address/mac.ts";
import { contains, networkOf, type Prefix4 } from "../../address/prefix.ts";
import type { Device, InterfaceAddress, InterfaceAddress6 } from "../../kernel/device/device.ts";
import { addVrf, enslaveToVrf } from "../../kernel/device/vrf-link.ts";
import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import { kernelRoutes, kernelRoutes6, vrfTableOf } from "../../kernel/route/kernel-routes.ts";
import type { Route, Route6, RouteOf } from "../../kernel/route/route.ts";
import { Sysctl } from "../../kernel/sysctl.ts";
import { parseWhole } from "../number-text.ts";
import { invalid, ok, type Result } from "../result.ts";
import { readNeighbour } from "./ip-neigh-command.ts";
import { readRoute } from "./ip-route-command.ts";
import { readRuleCommand } from "./ip-rule-command.ts";
import { findDevice, isShort, readPrefix } from "./ip-words.ts";

/** `ip [-4|-6] OBJECT COMMAND …`, with the effects that the kernel adds of its own. The words tell the family too. */
export function readIp(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const [object = "", ...rest] = words[0] === "-4" || words[0] === "-6" ? words.slice(1) : words;
  const family = words[0] === "-6" || rest.some((word) => word.includes(":")) ? 6 : 4;
  if (isShort(object, "route", 1)) return readRoute(host, rest, family, origin);
  if (isShort(object, "link", 1)) return readLink(host, rest, origin);
  if (isShort(object, "address", 1)) return readAddress(host, rest, origin);
  if (isShort(object, "neighbour", 1) || isShort(object, "neighbor", 1))
    return readNeighbour(host, rest, origin);
  if (isShort(object, "rule", 2)) return readRuleCommand(host, rest, family, origin);
  if (object === "vrf" && isShort(rest[0] ?? "show", "show", 1)) return ok([]);
  return invalid(
    `ip: ${JSON.stringify(object)} is not built yet: route, rule, link, addr, neigh and vrf show are`,
  );
}

function readLink(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const [command = "", ...rest] = words;
  if (isShort(command, "add", 1)) return readLinkAdd(host, rest, origin);
  if (!isShort(command, "set", 1))
    return invalid(`ip link ${command}: is not built yet: ip link set DEV up|down and ip link add are`);
  const [name = "", state, ...more] = rest[0] === "dev" ? rest.slice(1) : rest;
  const device = findDevice(host, name);
  if (device.kind === "invalid") return device;
  if (state === "master" || state === "vrf") return readMaster(host, device.value, more);
  if (state === "nomaster" && more.length === 0) {
    const before = host.devices.find((each) => each.name === device.value.master);
    return before === undefined || before.detail.kind === "vrf"
      ? ok(enslaveToVrf(host, device.value, null))
      : invalid(`ip link set ${name} nomaster: is not built yet but for devices of a VRF`);
  }
  if ((state !== "up" && state !== "down") || more.length > 0) {
    return invalid(
      `ip link set ${name}: up, down, master VRF or nomaster is expected, nothing else is built yet`,
    );
  }
  return ok(state === "up" ? setUp(host, device.value) : setDown(host, device.value));
}

/** `ip link add [dev|name] NAME type vrf table N`. */
function readLinkAdd(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const rest = words[0] === "dev" || words[0] === "name" ? words.slice(1) : words;
  const [name = "", type, kind, word, text = "", ...more] = rest;
  if (type !== "type" || kind !== "vrf" || word !== "table" || more.length > 0)
    return invalid("ip link add: NAME type vrf table N is expected, nothing else is built yet");
  const table = parseWhole(text, "table", 1, 0xffff_ffff);
  if (table.kind === "invalid") return table;
  if (host.devices.some((device) => device.name === name))
    return invalid(`ip link add: there is a device ${JSON.stringify(name)} already`);
  const mac = internMac(
    `02:76:72:66:${table.value.toString(16).padStart(8, "0").slice(-4).replace(/../, "$&:")}`,
  );
  return ok(addVrf(host, { name, table: table.value, mac, origin }));
}

function readMaster(
  host: Host,
  device: Device,
  [name = "", ...more]: readonly string[],
): Result<Operation[]> {
  const master = findDevice(host, name);
  if (master.kind === "invalid") return master;
  if (master.value.detail.kind !== "vrf" || more.length > 0)
    return invalid(`ip link set ${device.name} master ${name}: is not built yet but for a VRF`);
  return ok(enslaveToVrf(host, device, name));
}

/** With the device come the routes of its addresses (`fib_netdev_event`). */
function setUp(host: Host, device: Device): Operation[] {
  if (device.up) return [];
  const routes = kernelRoutes({ ...device, up: true }, host.addresses, vrfTableOf(device, host.devices));
  return [{ kind: "link-set", name: device.name, up: true }, ...missingRoutes(host, routes)];
}

/** With the device go all routes through it but those to its own addresses (`fib_disable_ip`). */
function setDown(host: Host, device: Device): Operation[] {
  if (!device.up) return [];
  const isThrough = (route: Route | Route6): boolean => route.nextHops.some((hop) => hop.dev === device.name);
  // IPv6 loses its addresses as well, and with them all routes (`addrconf_ifdown`).
  const gone = [
    ...host.routes.filter((route) => route.type !== "local" && isThrough(route)),
    ...host.routes6.filter(isThrough),
  ];
  const lost = host.addresses6.filter(({ dev }) => dev === device.name);
  return [
    { kind: "link-set", name: device.name, up: false },
    ...gone.map((route): Operation => ({ kind: "route-delete", route })),
    ...lost.map((address): Operation => ({ kind: "address-delete", address })),
  ];
}

function missingRoutes(host: Host, routes: readonly Route[]): Operation[] {
  return routes
    .filter((route) => !host.routes.some((other) => sameRoute(IPV4, other, route)))
    .map((route): Operation => ({ kind: "route-add", route }));
}

function sameRoute<Address>(of: AddressFamily<Address>, a: RouteOf<Address>, b: RouteOf<Address>): boolean {
  return (
    a.type === b.type &&
    a.table === b.table &&
    of.same(a.dst.address, b.dst.address) &&
    a.dst.length === b.dst.length &&
    a.nextHops[0]?.dev === b.nextHops[0]?.dev
  );
}

function readAddress(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const [command = "", text = "", ...rest] = words;
  const adds = isShort(command, "add", 1);
  if (!adds && !isShort(command, "delete", 1)) {
    return invalid(`ip addr ${command}: is not built yet: ip addr add|del ADDRESS/LENGTH dev DEV is`);
  }
  const [word, name = "", ...more] = rest;
  const six = text.includes(":");
  if (word !== "dev" || more.some((each) => !six || each !== "nodad"))
    return invalid("ip addr: ADDRESS/LENGTH dev DEV is expected, nothing else is built yet");
  if (six) return readAddress6(host, adds, text, name, origin);
  const prefix = readPrefix(IPV4, text);
  if (prefix.kind === "invalid") return prefix;
  const device = findDevice(host, name);
  if (device.kind === "invalid") return device;
  return ok(
    adds
      ? addAddress(host, device.value, prefix.value, origin)
      : deleteAddress(host, device.value, prefix.value),
  );
}

/** Duplicates are looked for in no time here: the address can be used at once. */
function readAddress6(
  host: Host,
  adds: boolean,
  text: string,
  name: string,
  origin: Origin,
): Result<Operation[]> {
  const prefix = readPrefix(IPV6, text);
  if (prefix.kind === "invalid") return prefix;
  const device = findDevice(host, name);
  if (device.kind === "invalid") return device;
  const { address, length } = prefix.value;
  const own = host.addresses6.find(
    (other) => other.dev === name && other.length === length && IPV6.same(other.address, address),
  );
  const scope = address[0] >>> 22 === 0x3fa ? "link" : "global";
  const entry = own ?? { dev: name, address, length, scope, peer: null, flags: [], origin };
  const forwards = new Sysctl(host.sysctl).device6(name).forwarding;
  const made = (addresses: readonly InterfaceAddress6[]): Route6[] =>
    kernelRoutes6(device.value, addresses, forwards, vrfTableOf(device.value, host.devices));
  if (adds) {
    const routes = made([...host.addresses6, entry]).filter(
      (route) => !host.routes6.some((other) => sameRoute(IPV6, other, route)),
    );
    return ok([
      { kind: "address-add", address: entry },
      ...routes.map((route): Operation => ({ kind: "route-add", route })),
    ]);
  }
  const kept = made(host.addresses6.filter((other) => other !== own));
  const gone = made(host.addresses6).filter((route) => !kept.some((other) => sameRoute(IPV6, other, route)));
  return ok([
    { kind: "address-delete", address: entry },
    ...host.routes6
      .filter((route) => gone.some((other) => sameRoute(IPV6, other, route)))
      .map((route): Operation => ({ kind: "route-delete", route })),
  ]);
}

function addAddress(host: Host, device: Device, prefix: Prefix4, origin: Origin): Operation[] {
  const network = networkOf(prefix);
  const secondary = host.addresses.some(
    (other) =>
      other.dev === device.name && other.length === prefix.length && contains(network, other.address),
  );
  const address: InterfaceAddress = {
    dev: device.name,
    address: prefix.address,
    length: prefix.length,
    broadcast: null,
    scope: "global",
    secondary,
    peer: null,
    label: null,
    origin,
  };
  const routes = kernelRoutes(device, [...host.addresses, address], vrfTableOf(device, host.devices));
  return [{ kind: "address-add", address }, ...missingRoutes(host, routes)];
}

/**
 * `__inet_del_ifa`: with the first address of a network go the others of it, or the next one takes its place
 * (`promote_secondaries`); routes go that none of the addresses left has, and those that prefer one that went.
 */
function deleteAddress(host: Host, device: Device, prefix: Prefix4): Operation[] {
  const address = host.addresses.find(
    (other) =>
      other.dev === device.name && other.address === prefix.address && other.length === prefix.length,
  );
  if (address === undefined) {
    const absent = {
      dev: device.name,
      ...prefix,
      broadcast: null,
      scope: "global",
      secondary: false,
    } as const;
    return [{ kind: "address-delete", address: { ...absent, peer: null, label: null, origin: ORIGIN_NONE } }];
  }
  const { dev, length } = address;
  const network = networkOf({ address: address.peer ?? address.address, length });
  const behind = address.secondary
    ? []
    : host.addresses.filter(
        (other) =>
          other.secondary &&
          other.dev === dev &&
          other.length === length &&
          contains(network, other.peer ?? other.address),
      );
  const [next] = new Sysctl(host.sysctl).device(dev).promoteSecondaries ? behind : [];
  const promoted = next === undefined ? [] : [{ ...next, secondary: false }];
  const gone = next === undefined ? [address, ...behind] : [address, next];
  const left = [...host.addresses.filter((other) => !gone.includes(other)), ...promoted];
  const lost = gone.filter(({ address: own }) => left.every((other) => other.address !== own));
  const table = vrfTableOf(device, host.devices);
  const [before, after] = [host.addresses, left].map((all) => kernelRoutes(device, all, table)) as [
    Route[],
    Route[],
  ];
  const isIn = (routes: readonly Route[], route: Route): boolean =>
    routes.some((other) => sameRoute(IPV4, other, route) && other.prefsrc === route.prefsrc);
  const taken = before.filter((route) => !isIn(after, route));
  const unwanted = host.routes.filter((route) =>
    route.protocol === "kernel"
      ? taken.some((other) => sameRoute(IPV4, other, route))
      : lost.some(({ address: own }) => route.prefsrc === own),
  );
  return [
    ...gone.map((one): Operation => ({ kind: "address-delete", address: one })),
    ...promoted.map((one): Operation => ({ kind: "address-add", address: one })),
    ...unwanted.map((route): Operation => ({ kind: "route-delete", route })),
    ...after
      .filter((route) => !isIn(before, route))
      .map((route): Operation => ({ kind: "route-add", route })),
  ];
}

/** `ip vrf show [NAME]` prints the VRFs and their tables (iproute2, `ip/ipvrf.c`); other commands print nothing. */
export function printIp({ devices }: Host, [object, ...rest]: readonly string[]): string {
  if (object !== "vrf") return "";
  const vrfs = devices.flatMap(({ name, detail }) =>
    detail.kind === "vrf" ? [{ name, table: detail.table }] : [],
  );
  const [wanted] = isShort(rest[0] ?? "show", "show", 1) ? rest.slice(1) : rest;
  if (wanted !== undefined) {
    const found = vrfs.find(({ name }) => name === wanted);
    return found === undefined ? "Invalid VRF\n" : `${found.name} ${found.table}\n`;
  }
  const lines = vrfs.map(({ name, table }) => `${name.padEnd(16)}  ${String(table).padStart(5)}\n`);
  const all = lines.length === 0 ? ["No VRF has been configured\n"] : lines;
  return ["Name              Table\n", "-----------------------\n", ...all].join("");
}
