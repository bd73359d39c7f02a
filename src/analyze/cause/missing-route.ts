import { formatIpv4, type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import { contains, formatPrefix4, networkOf, type Prefix4 } from "../../address/prefix.ts";
import type { Host } from "../../kernel/host.ts";
import { type Case, type Diagnosis, fault } from "./fault.ts";

const LOST: ReadonlySet<string> = new Set([
  "no-route",
  "left-model",
  "no-neighbour",
  "ttl-exceeded",
  "loop-budget",
  "unreachable-error",
  "not-forwarding",
  "rule-drop",
  "rp-filter",
]);

/** A node on the way knows no route to the pods of another, so what is for them leaves by the default route or not at all. */
export const missingPodRoute: Diagnosis = (at) => {
  const { decision, names } = at;
  const packet = decision.packet?.inner ?? decision.packet;
  const target = parseIpv4(packet?.ip.dst ?? "");
  if (!LOST.has(decision.reason) || target === undefined) return undefined;
  const network = names.podNetworkOf(target);
  const there = network === undefined ? undefined : names.world.hosts.get(network.node);
  if (network === undefined || there === undefined) return undefined;
  const here = nodesOnWay(at).find((host) => host.name !== there.name && !hasRoute(host, target));
  if (here === undefined) return undefined;
  const prefix = formatPrefix4(networkOf(network.prefix));
  const down = here.devices.find(({ detail, up }) => detail.kind === "vxlan" && !up);
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
function hasRoute({ routes }: Host, target: Ipv4): boolean {
  return routes.some(({ dst, table }) => table === "main" && dst.length > 0 && contains(dst, target));
}

/** As the routes to the other nodes' pods are: through the tunnel, or by the node's address on a common network. */
function routeCommand(here: Host, there: Host, network: Prefix4): string | undefined {
  const prefix = formatPrefix4(networkOf(network));
  const tunnel = here.devices.find(({ detail }) => detail.kind === "vxlan");
  const far = there.devices.find(({ detail }) => detail.kind === "vxlan");
  const end = there.addresses.find(({ dev }) => dev === far?.name);
  if (tunnel !== undefined && end !== undefined)
    return `ip route add ${prefix} via ${formatIpv4(end.address)} dev ${tunnel.name} onlink`;
  const link = commonNetwork(here, there);
  return link === undefined
    ? undefined
    : `ip route add ${prefix} via ${formatIpv4(link.address)} dev ${link.dev}`;
}

/** The other's address on a network that both are on, and the device that leads there. */
export function commonNetwork(
  here: Host,
  there: Host,
): { readonly address: Ipv4; readonly dev: string } | undefined {
  for (const own of here.addresses) {
    if (own.scope !== "global" || own.length >= 31) continue;
    const network = networkOf(own);
    const other = there.addresses.find(
      ({ address, length }) => length === own.length && contains(network, address) && address !== own.address,
    );
    if (other !== undefined) return { address: other.address, dev: own.dev };
  }
  return undefined;
}
