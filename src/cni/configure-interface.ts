import { fail } from "./cni-error.ts";
import { containsIp, formatIp, formatIpNet, type Ip, isDefault, sameIp } from "./ip.ts";
import type { Netns } from "./netns.ts";
import type { CniIp, CniResult, CniRoute } from "./result.ts";

/**
 * Gives a container's interface its addresses and routes. A route without a gateway goes by the first gateway of its
 * family; one that is there already is passed over.
 */
export function configureInterface(netns: Netns, ifName: string, result: CniResult): void {
  netns.setUp(ifName);
  for (const { address } of result.ips) {
    if (netns.hasAddress(ifName, address))
      fail(`failed to add IP addr ${formatIpNet(address)} to ${goName(ifName)}: file exists`);
    netns.addAddress(ifName, address);
  }
  for (const { dst, gw } of result.routes) {
    const way = gw ?? gatewayOf(result.ips, dst.ip.family);
    if (way !== null && !isReachable(netns, ifName, way)) {
      fail(
        `failed to add route '${formatIpNet(dst)} via ${formatIp(way)} dev ${ifName}': network is unreachable`,
      );
    }
    netns.addRoute({ dst, gw: way, dev: ifName });
  }
}

function goName(name: string): string {
  return JSON.stringify(name);
}

function gatewayOf(ips: readonly CniIp[], family: 4 | 6): Ip | null {
  return ips.find(({ gateway }) => gateway?.family === family)?.gateway ?? null;
}

/** A gateway must be a neighbour: within a network of the interface, or with a link route of its own. */
function isReachable(netns: Netns, ifName: string, gateway: Ip): boolean {
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
  for (const { address } of ips) {
    if (own.some((net) => sameIp(net.ip, address.ip) && net.length === address.length)) continue;
    fail(`Failed to match addr ${formatIpNet(address)} on interface ${ifName}`);
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
  const six = netns.kept("routes").map(
    ({ dst, gateway }): RouteText => ({
      family: 6,
      dst: String(dst),
      gateway: String(gateway ?? "") || null,
    }),
  );
  return [...four, ...six];
}

/** As Go prints the structure. */
function goRoute({ dst, gw }: Pick<CniRoute, "dst" | "gw">): string {
  const bits = dst.ip.family === 4 ? 32 : 128;
  const mask = ((1n << BigInt(bits)) - 1n) ^ ((1n << BigInt(bits - dst.length)) - 1n);
  const hex = mask.toString(16).padStart(bits / 4, "0");
  return `{Dst:{IP:${formatIp(dst.ip)} Mask:${hex}} GW:${gw === null ? "<nil>" : formatIp(gw)}}`;
}
