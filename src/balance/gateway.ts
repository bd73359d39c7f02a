import { type Family, familyOfAddress, formatIp, type IpAddress } from "../address/ip.ts";
import type { Ipv4 } from "../address/ipv4.ts";
import type { Ipv6Words } from "../address/ipv6.ts";
import { socketAddressText } from "../address/socket-address.ts";
import type { Ruleset } from "../kernel/netfilter/rule.ts";
import { parseIptablesSave } from "../kernel/netfilter/save/parse.ts";
import type { Operation } from "../kernel/operation.ts";
import type { Origin } from "../kernel/origin.ts";
import type { RouteOf } from "../kernel/route/route.ts";
import type { OutsideAddress } from "./service-addresses.ts";

/** A node that packets are brought to, by its address of their family, and the gateway's device towards it. */
export interface Receiver<Address extends IpAddress = IpAddress> {
  readonly address: Address;
  readonly device: string;
}

/** Metric of a route of IPv6 that names none (`IP6_RT_PRIO_USER`). */
const USUAL_METRIC6 = 1024;

/** `VIP`: a route with a next hop for each node; without any node what comes is refused. */
export function routeToNodes(address: IpAddress, receivers: readonly Receiver[], origin: Origin): Operation {
  const route =
    typeof address === "number"
      ? routeTo(address, 32, 0, receivers.filter(isOf4), origin)
      : routeTo(address, 128, USUAL_METRIC6, receivers.filter(isOf6), origin);
  return { kind: "route-add", route };
}

function routeTo<Address extends IpAddress>(
  address: Address,
  length: number,
  metric: number,
  receivers: readonly Receiver<Address>[],
  origin: Origin,
): RouteOf<Address> {
  return {
    type: receivers.length === 0 ? "unreachable" : "unicast",
    dst: { address, length },
    table: "main",
    ...{ protocol: "static", scope: "global", prefsrc: null, metric, tos: 0, mtu: 0 },
    nextHops: receivers.map(({ address: gateway, device: dev }) => ({
      ...{ dev, gateway, weight: 1, onlink: false, dead: false },
    })),
    origin,
  };
}

function isOf4(receiver: Receiver): receiver is Receiver<Ipv4> {
  return typeof receiver.address === "number";
}

function isOf6(receiver: Receiver): receiver is Receiver<Ipv6Words> {
  return typeof receiver.address !== "number";
}

/**
 * `Proxy`: what a balancer that speaks for itself looks like to the node: each port of the Service goes to the node port of
 * one of the nodes, with an address of the balancer as its source.
 */
export function rulesToNodePorts(
  { address, service }: OutsideAddress,
  receivers: readonly Receiver[],
  origin: Origin,
): Operation[] {
  const lines: string[] = [];
  const family = familyOfAddress(address);
  const itself = `${formatIp(address)}/${family === 6 ? 128 : 32}`;
  for (const { port, nodePort = 0, protocol = "TCP" } of service.spec.ports ?? []) {
    const proto = protocol.toLowerCase();
    if (nodePort === 0 || (proto !== "tcp" && proto !== "udp")) continue;
    for (const [i, receiver] of receivers.entries()) {
      const left = receivers.length - i;
      const chance = left === 1 ? "" : ` -m statistic --mode random --probability ${(1 / left).toFixed(11)}`;
      const to = socketAddressText(formatIp(receiver.address), nodePort);
      lines.push(
        `-A PREROUTING -d ${itself} -p ${proto} -m ${proto} --dport ${port}${chance} -j DNAT --to-destination ${to}`,
      );
    }
  }
  if (lines.length === 0) return [];
  const masquerade = `-A POSTROUTING -m conntrack --ctstate DNAT --ctorigdst ${itself} -j MASQUERADE`;
  const ruleset = natRules([...lines, masquerade], family, origin);
  return [{ kind: "iptables-restore", family, ruleset, noflush: true }];
}

function natRules(lines: readonly string[], family: Family, origin: Origin): Ruleset {
  const chains = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((chain) => `:${chain} ACCEPT [0:0]`);
  const read = parseIptablesSave(["*nat", ...chains, ...lines, "COMMIT", ""].join("\n"), {
    origin: () => origin,
    family,
  });
  if (read.kind === "invalid")
    throw new Error(`a balancer's rule cannot be read: ${read.errors[0]?.message}`);
  return read.ruleset;
}
