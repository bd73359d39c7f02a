import { describe, expect, it } from "vitest";
import { formatOnPath } from "../../../src/address/ip6-handle.ts";
import { NEIGH_FAILED } from "../../../src/kernel/neighbour/neighbour.ts";
import { routeOutput } from "../../../src/kernel/route/output-route.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import { onPath, sessionOf } from "../../walk/asking.ts";
import type { HostSpec } from "../../walk/small-world.ts";
import { twoNetworks } from "../path/two-networks.ts";

/**
 * Next hops that are not taken. Namespace kf8-h (Linux 6.18): `ip route add 10.9.0.0/16 nexthop via 10.1.0.11 nexthop via
 * 10.1.0.12 nexthop via 10.1.0.13`, `ip neigh replace … nud failed`, `ip link set … down`, and `ip route get` to 200 addresses.
 */

function stackOf(spec: HostSpec): Stack {
  const session = sessionOf(twoNetworks(spec));
  return session.stack(session.network.hostNumber("r"));
}

/** The next hop, by the choice that the flow's hash makes. */
function taken(stack: Stack, dst: string): string[] {
  const found: string[] = [];
  let ways = 1;
  for (let choice = 0; choice < ways; choice++) {
    stack.engine.chooser = {
      ...stack.engine.chooser,
      flow: (_kind, _a, _b, weights) => {
        ways = weights.length;
        return choice;
      },
    };
    const packet = stack.pool.take();
    packet.family = dst.includes(":") ? 6 : 4;
    packet.dst = onPath(dst);
    expect(routeOutput(stack, packet, 0, false)).toBe(0);
    found.push(formatOnPath(packet.family, packet.rtNextHop));
    stack.pool.release(packet);
  }
  return found;
}

describe("gateways that did not answer", () => {
  const routes = ["10.9.0.0/16 nexthop via 10.1.0.11 nexthop via 10.1.0.12 nexthop via 10.1.0.13"];
  const [one, two, three] = ["10.1.0.11", "10.1.0.12", "10.1.0.13"];

  it.each<readonly [number, readonly string[], readonly string[]]>([
    [0, [one], [one, two, three]],
    [1, [], [one, two, three]],
    [1, [one], [two, two, three]],
    [1, [two], [one, three, three]],
    [1, [three], [one, two, one]],
    [1, [one, two], [three, three, three]],
    [1, [one, two, three], [one, one, one]],
  ])("fib_multipath_use_neigh=%i, failed %j: %j", (use, failed, expected) => {
    const stack = stackOf({ routes, sysctl: { "net.ipv4.fib_multipath_use_neigh": use } });
    const dev = stack.net.deviceNamed("eth1")?.ifindex ?? 0;
    for (const gateway of failed) stack.state.neighbours.set(dev, onPath(gateway), NEIGH_FAILED);
    expect(taken(stack, "10.9.0.1")).toEqual(expected);
  });
});

describe("a device that is down", () => {
  const links = (up: boolean) => ({
    eth0: { addresses: "10.0.0.1/24 fd00:0::1/64", up },
    eth1: "10.1.0.1/24 fd00:1::1/64",
  });

  it.each<readonly [string, string, string, string]>([
    ["10.9.0.1", "10.9.0.0/16", "10.0.0.11", "10.1.0.11"],
    ["fd09::1", "fd09::/16", "fd00:0::11", "fd00:1::11"],
  ])("has no share of what goes to %s", (to, prefix, first, second) => {
    const routes = prefix.includes(":")
      ? [`${prefix} via ${first} dev eth0`, `${prefix} via ${second} dev eth1`]
      : [`${prefix} nexthop via ${first} dev eth0 nexthop via ${second} dev eth1`];
    const named = (address: string) => formatOnPath(address.includes(":") ? 6 : 4, onPath(address));
    expect(taken(stackOf({ links: links(true), routes }), to)).toEqual([first, second].map(named));
    expect(taken(stackOf({ links: links(false), routes }), to)).toEqual([named(second)]);
  });
});
