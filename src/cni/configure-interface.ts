import { fail } from "./cni-error.ts";
import {
  containsIp,
  formatIp,
  formatIpNet,
  fromWords,
  type Ip,
  type IpNet,
  isDefault,
  networkOf,
  sameIp,
} from "./ip.ts";
import type { Netns } from "./netns.ts";
import type { NewRoute } from "./new-route.ts";
import type { CniIp, CniResult, CniRoute } from "./result.ts";

/**
 * Gives a container's interface its addresses and routes. A route without a gateway goes by the first gateway of its
 * family.
 */
export function configureInterface(
  netns: Netns,
  ifName: string,
  result: CniResult,
  setUp: () => void = () => netns.setUp(ifName),
): void {
  for (const { address, gateway } of result.ips) {
    if (netns.hasAddress(ifName, address))
      fail(`failed to add IP addr ${goIp(address, gateway)} to ${goName(ifName)}: file exists`);
    netns.addAddress(ifName, address);
  }
  // Only with its addresses: who fails before leaves it down.
  setUp();
  for (const route of result.routes) {
    const { dst, gw } = route;
    const way = gw ?? gatewayOf(result.ips, dst.ip.family);
    const refuse = (reason: string) =>
      fail(
        `failed to add route '${goNet(route)} via ${way === null ? "<nil>" : formatIp(way)} dev ${ifName}': ${reason}`,
      );
    if (way !== null && way.family !== dst.ip.family) {
      refuse("gateway, source, and destination ip are not the same IP family");
    }
    if (way !== null && way.value !== 0n && !isReachable(netns, ifName, way)) {
      refuse(way.family === 6 ? "no route to host" : "network is unreachable");
    }
    // The kernel wants the network itself; of IPv6 it takes the bits beyond the prefix away.
    if (dst.ip.family === 4 && networkOf(dst).ip.value !== dst.ip.value) refuse("invalid argument");
    const made: NewRoute =
      way === null || way.value === 0n
        ? { dst, gw: null, dev: ifName, scope: way === null ? "link" : "global" }
        : { dst, gw: way, dev: ifName };
    if (!netns.prependRoute(made)) refuse("file exists");
  }
}

/** As Go prints the structure of an address, but for where in memory its first field lies. */
function goIp({ ip, length }: IpNet, gateway: Ip | null): string {
  const way = gateway === null ? "<nil>" : formatIp(gateway);
  return `{Interface:0xc000000000 Address:{IP:${formatIp(ip)} Mask:${maskText({ ip, length })}} Gateway:${way}}`;
}

/** As Go prints the structure of a network. */
function goNet({ dst, isMade }: CniRoute): string {
  // The plugins make their own IPv4 default route with the mask of an IPv4 address inside an IPv6 one.
  const mask = isMade === true && dst.ip.family === 4 ? "00000000000000000000ffff00000000" : maskText(dst);
  return `{${formatIp(dst.ip)} ${mask}}`;
}

function maskText({ ip, length }: IpNet): string {
  const bits = ip.family === 4 ? 32 : 128;
  const mask = ((1n << BigInt(bits)) - 1n) ^ ((1n << BigInt(bits - length)) - 1n);
  return mask.toString(16).padStart(bits / 4, "0");
}

function goName(name: string): string {
  return JSON.stringify(name);
}

function gatewayOf(ips: readonly CniIp[], family: 4 | 6): Ip | null {
  return ips.find(({ gateway }) => gateway?.family === family)?.gateway ?? null;
}

/** A gateway must be a neighbour: within a network of the interface, or with a link route of its own. */
export function isReachable(netns: Netns, ifName: string, gateway: Ip): boolean {
  if (netns.netsOf(ifName).some((net) => containsIp(net, gateway))) return true;
  if (gateway.family === 6) return gateway.value >> 118n === 0x3fan;
  return netns.host.routes.some(
    ({ dst, nextHops, type }) =>
      type === "unicast" &&
      nextHops.some((hop) => hop.dev === ifName && hop.gateway === null) &&
      containsIp({ ip: { family: 4, value: BigInt(dst.address >>> 0) }, length: dst.length }, gateway),
  );
}

/** CHECK: every address of an earlier result is on the interface. */
export function checkAddresses(netns: Netns, ifName: string, ips: readonly CniIp[]): void {
  const own = netns.netsOf(ifName);
  for (const { address, gateway } of ips) {
    if (!own.some((net) => sameIp(net.ip, address.ip) && net.length === address.length)) {
      fail(`Failed to match addr ${formatIpNet(address)} on interface ${ifName}`);
    }
    // A gateway is there when there is a route to its network (`ValidateExpectedInterfaceIPs`), in the main table.
    const network = formatIpNet(networkOf(address));
    if (!routesOf(netns).some(({ dst }) => dst === network)) {
      const named = gateway === null ? "<nil>" : formatIp(gateway);
      fail(`Failed to find Gateway ${named} for interface ${ifName}`);
    }
  }
}

/**
 * CHECK: every route of an earlier result is in the table. Looked for by destination and gateway both, a route without a
 * gateway is only found if it really has none; a default route is looked for by its destination alone.
 */
export function checkRoutes(netns: Netns, routes: readonly CniRoute[]): void {
  for (const { dst, gw } of routes) {
    const wanted = isDefault(dst) ? "default" : formatIpNet(dst);
    const found = routesOf(netns).some(
      (route) =>
        route.dst === wanted &&
        route.family === dst.ip.family &&
        (wanted === "default" || route.gateway === (gw === null ? null : formatIp(gw))),
    );
    if (!found) fail(`Expected Route ${goRoute({ dst, gw })} not found in routing table`);
  }
}

interface RouteText {
  readonly family: 4 | 6;
  readonly dst: string;
  readonly gateway: string | null;
}

function routesOf(netns: Netns): readonly RouteText[] {
  const four = netns.host.routes
    .filter(({ table }) => table === "main")
    .map(({ dst, nextHops }): RouteText => {
      const gateway = nextHops[0]?.gateway ?? null;
      const net = { ip: { family: 4 as const, value: BigInt(dst.address >>> 0) }, length: dst.length };
      return {
        family: 4,
        dst: dst.length === 0 ? "default" : formatIpNet(net),
        gateway: gateway === null ? null : formatIp({ family: 4, value: BigInt(gateway >>> 0) }),
      };
    });
  const six = netns.host.routes6
    .filter(({ table }) => table === "main")
    .map(({ dst, nextHops }): RouteText => {
      const gateway = nextHops[0]?.gateway ?? null;
      return {
        family: 6,
        dst: dst.length === 0 ? "default" : formatIpNet({ ip: fromWords(dst.address), length: dst.length }),
        gateway: gateway === null ? null : formatIp(fromWords(gateway)),
      };
    });
  return [...four, ...six];
}

/** As Go prints the structure. */
function goRoute({ dst, gw }: Pick<CniRoute, "dst" | "gw">): string {
  return `{Dst:{IP:${formatIp(dst.ip)} Mask:${maskText(dst)}} GW:${gw === null ? "<nil>" : formatIp(gw)}}`;
}
