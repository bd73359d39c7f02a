import { type Family, familyOfAddress, formatIp, type IpAddress, parseIp, sameIp } from "../../address/ip.ts";
import { formatIpPrefix, type IpPrefix, liesIn, networkOfIp } from "../../address/ip-prefix.ts";
import type { Host } from "../../kernel/host.ts";
import { type Case, type Diagnosis, fault, ipOf } from "./fault.ts";

const LOST: ReadonlySet<string> = new Set([
  "no-route",
  "left-model",
  "no-neighbour",
  "ttl-exceeded",
  "loop-budget",
  "not-forwarding",
  "rule-drop",
  "rp-filter",
]);

/** A node on the way knows no route to the pods of another, so what is for them leaves by the default route or not at all. */
export const missingPodRoute: Diagnosis = (at) => {
  const { decision, names } = at;
  const packet = decision.packet?.inner ?? decision.packet;
  const target = parseIp(packet?.ip.dst ?? "");
  if (!LOST.has(decision.reason) || target === undefined) return undefined;
  const network = names.podNetworkOf(target);
  const there = network === undefined ? undefined : names.world.hosts.get(network.node);
  if (network === undefined || there === undefined) return undefined;
  const here = nodesOnWay(at).find((host) => host.name !== there.name && !hasRoute(host, target));
  if (here === undefined) return undefined;
  const prefix = formatIpPrefix(networkOfIp(network.prefix));
  const down = here.devices.find(
    (device) => !device.up && tunnelEnd(there, device.name, familyOfAddress(target)) !== undefined,
  );
  const command = routeCommand(here, there, network.prefix);
  const up = { text: `Set ${down?.name} up.`, command: `ip link set ${down?.name} up`, host: here.name };
  const lost = down === undefined ? "" : `: ${down.name} is down, and its routes are gone`;
  const headline = `${here.name} has no route to ${prefix}, the pods of ${there.name}${lost}`;
  return fault(headline, ...(down === undefined ? [] : [up]), {
    text: `Give ${here.name} the route (flanneld writes it, while it runs there).`,
    ...(command === undefined ? {} : { command }),
    host: here.name,
  });
};

/** The nodes that routed the packet that was lost, in order. */
function nodesOnWay({ outcome, decision, names }: Case): readonly Host[] {
  const hosts = outcome.steps.flatMap(({ kind, packet, host }) =>
    kind === "route" && (packet === decision.step?.packet || decision.step === null) ? [host] : [],
  );
  return [...new Set(hosts)].flatMap((name) => {
    const host = names.world.hosts.get(name);
    return host?.kind === "node" ? [host] : [];
  });
}

/** One that says more than the default route does. */
function hasRoute({ routes, routes6 }: Host, target: IpAddress): boolean {
  return [...routes, ...routes6].some(
    ({ dst, table }) => table === "main" && dst.length > 0 && liesIn(dst, target),
  );
}

/** The address that a host's end of a tunnel of this name has, in the family of an address. */
function tunnelEnd(host: Host, name: string, family: Family): IpAddress | undefined {
  const device = host.devices.find((each) => each.name === name && each.detail.kind === "vxlan");
  return addressesOf(host, family).find(({ dev }) => dev === device?.name)?.address;
}

/** Those that others know a host by. */
function addressesOf(
  { addresses, addresses6 }: Host,
  family: Family,
): readonly (IpPrefix & { readonly dev: string })[] {
  return (family === 6 ? addresses6 : addresses).filter(({ scope }) => scope === "global");
}

/** As the routes to the other nodes' pods are: through the tunnel, or by the node's address on a common network. */
function routeCommand(here: Host, there: Host, network: IpPrefix): string | undefined {
  const family = familyOfAddress(network.address);
  const add = `${ipOf(family)} route add ${formatIpPrefix(networkOfIp(network))}`;
  for (const { name, detail } of here.devices) {
    const end = detail.kind === "vxlan" ? tunnelEnd(there, name, family) : undefined;
    if (end !== undefined) return `${add} via ${formatIp(end)} dev ${name} onlink`;
  }
  const link = commonNetwork(here, there, family);
  return link === undefined ? undefined : `${add} via ${formatIp(link.address)} dev ${link.dev}`;
}

/** The other's address on a network that both are on, and the device that leads there. */
export function commonNetwork(
  here: Host,
  there: Host,
  family: Family,
): { readonly address: IpAddress; readonly dev: string } | undefined {
  for (const own of addressesOf(here, family)) {
    if (own.length >= (family === 6 ? 127 : 31)) continue;
    const other = addressesOf(there, family).find(
      ({ address, length }) => length === own.length && liesIn(own, address) && !sameIp(address, own.address),
    );
    if (other !== undefined) return { address: other.address, dev: own.dev };
  }
  return undefined;
}
