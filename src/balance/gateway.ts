import { formatIpv4, type Ipv4 } from "../address/ipv4.ts";
import type { Ruleset } from "../kernel/netfilter/rule.ts";
import { parseIptablesSave } from "../kernel/netfilter/save/parse.ts";
import type { Operation } from "../kernel/operation.ts";
import type { Origin } from "../kernel/origin.ts";
import type { NextHop } from "../kernel/route/route.ts";
import type { OutsideAddress } from "./service-addresses.ts";

/** A node that packets are brought to, and the gateway's device towards it. */
export interface Receiver {
  readonly address: Ipv4;
  readonly device: string;
}

/** `VIP`: a route with a next hop for each node; without any node what comes is refused. */
export function routeToNodes(address: Ipv4, receivers: readonly Receiver[], origin: Origin): Operation {
  const nextHops = receivers.map(
    ({ address: gateway, device: dev }): NextHop => ({ dev, gateway, weight: 1, onlink: false, dead: false }),
  );
  return {
    kind: "route-add",
    route: {
      ...{
        type: nextHops.length === 0 ? "unreachable" : "unicast",
        dst: { address, length: 32 },
        table: "main",
      },
      ...{ protocol: "static", scope: "global", prefsrc: null, metric: 0, tos: 0, mtu: 0 },
      nextHops,
      origin,
    },
  };
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
  for (const { port, nodePort = 0, protocol = "TCP" } of service.spec.ports ?? []) {
    const proto = protocol.toLowerCase();
    if (nodePort === 0 || (proto !== "tcp" && proto !== "udp")) continue;
    for (const [i, receiver] of receivers.entries()) {
      const left = receivers.length - i;
      const chance = left === 1 ? "" : ` -m statistic --mode random --probability ${(1 / left).toFixed(11)}`;
      const to = `${formatIpv4(receiver.address)}:${nodePort}`;
      lines.push(
        `-A PREROUTING -d ${formatIpv4(address)}/32 -p ${proto} -m ${proto} --dport ${port}${chance} -j DNAT --to-destination ${to}`,
      );
    }
  }
  if (lines.length === 0) return [];
  const masquerade = `-A POSTROUTING -m conntrack --ctstate DNAT --ctorigdst ${formatIpv4(address)}/32 -j MASQUERADE`;
  return [{ kind: "iptables-restore", ruleset: natRules([...lines, masquerade], origin), noflush: true }];
}

function natRules(lines: readonly string[], origin: Origin): Ruleset {
  const chains = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((chain) => `:${chain} ACCEPT [0:0]`);
  const read = parseIptablesSave(["*nat", ...chains, ...lines, "COMMIT", ""].join("\n"), {
    origin: () => origin,
  });
  if (read.kind === "invalid")
    throw new Error(`a balancer's rule cannot be read: ${read.errors[0]?.message}`);
  return read.ruleset;
}
