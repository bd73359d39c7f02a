import { describe, expect, it } from "vitest";
import { routeOutput } from "../../../src/kernel/route/output-route.ts";
import { outcome, sessionOf, told, trace } from "../../walk/asking.ts";
import { ip } from "../../walk/words.ts";
import { twoNetworks } from "../path/two-networks.ts";

/**
 * What a host's own sockets are told. The expectations are the kernel's (Linux 6.18): the same hosts in namespaces
 * hop-test-a, -r and -b, the routes as `ip route add blackhole 10.9.0.0/16` and so on, and a connected socket each.
 */
describe("routes that are none", () => {
  const session = () =>
    sessionOf(
      twoNetworks({
        routes: [
          "blackhole 10.9.0.0/16",
          "unreachable 10.8.0.0/16",
          "prohibit 10.7.0.0/16",
          "throw 10.6.0.0/16",
          "10.5.0.0/16 via 10.1.0.77",
        ],
      }),
    );

  it.each([
    // the router's own packets: an errno at once
    ["r", "udp 10.9.0.1:53", "invalid EINVAL, blackhole-route"],
    ["r", "tcp 10.9.0.1:80", "invalid EINVAL, blackhole-route"],
    ["r", "icmp 10.9.0.1", "invalid EINVAL, blackhole-route"],
    ["r", "udp 10.8.0.1:53", "unreachable EHOSTUNREACH, unreachable-route"],
    ["r", "tcp 10.8.0.1:80", "unreachable EHOSTUNREACH, unreachable-route"],
    ["r", "udp 10.7.0.1:53", "unreachable EACCES, prohibit-route"],
    ["r", "icmp 10.7.0.1", "unreachable EACCES, prohibit-route"],
    ["r", "udp 10.6.0.1:53", "unreachable ENETUNREACH, no-route"],
    ["r", "udp 10.5.0.1:53", "unreachable EHOSTUNREACH icmp 3/1 from 10.1.0.1, no-neighbour"],
    // those it forwards: an ICMP error, from a blackhole none
    ["a", "udp 10.9.0.1:53", "timeout, blackhole-route"],
    ["a", "udp 10.8.0.1:53", "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, unreachable-route"],
    ["a", "tcp 10.8.0.1:80", "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, unreachable-route"],
    ["a", "icmp 10.8.0.1", "unreachable icmp 3/1 from 10.0.0.1, unreachable-route"],
    ["a", "udp 10.7.0.1:53", "unreachable EHOSTUNREACH icmp 3/13 from 10.0.0.1, prohibit-route"],
    ["a", "udp 10.6.0.1:53", "unreachable ENETUNREACH icmp 3/0 from 10.0.0.1, no-route"],
    ["a", "udp 10.5.0.1:53", "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, no-neighbour"],
  ])("%s %s: %s", (host, query, expected) => {
    expect(told(session(), host, query)).toBe(expected);
  });

  it("throw goes on with the next table, not with a shorter prefix of its own", () => {
    const routes = ["throw 10.6.0.0/16", "default via 10.1.0.2"];
    expect(told(sessionOf(twoNetworks({ routes })), "r", "udp 10.6.0.1:53")).toBe(
      "unreachable ENETUNREACH, no-route",
    );
    const rules = ["priority 100 from all lookup 100"];
    const inOwnTable = { rules, routes: ["throw 10.1.0.0/24 table 100", "blackhole default table 100"] };
    expect(told(sessionOf(twoNetworks(inOwnTable)), "r", "udp 10.1.0.2:53")).toBe("answered by b, answered");
  });
});

describe("policy rules", () => {
  const session = () =>
    sessionOf(
      twoNetworks(
        {
          rules: [
            "priority 100 fwmark 0x1 lookup 100",
            "priority 110 fwmark 0x2/0xf lookup 110",
            "priority 120 from 10.0.0.7 prohibit",
            "priority 130 to 10.1.0.9 unreachable",
            "priority 140 iif eth0 to 10.1.0.8 blackhole",
          ],
          routes: ["10.1.0.2 dev eth1 table 100", "blackhole 10.1.0.2 table 110"],
        },
        { links: { eth0: "10.0.0.2/24 10.0.0.7/32" } },
      ),
    );

  it.each([
    ["r", "udp 10.1.0.2:53", "answered by b, answered"],
    ["r", "udp 10.1.0.2:53 mark=1", "answered by b, answered"],
    ["r", "udp 10.1.0.2:53 mark=2", "invalid EINVAL, blackhole-route"],
    // only the mask's bits are looked at
    ["r", "udp 10.1.0.2:53 mark=18", "invalid EINVAL, blackhole-route"],
    ["r", "udp 10.1.0.2:53 mark=3", "answered by b, answered"],
    ["a", "udp 10.1.0.2:53 src=10.0.0.7", "unreachable EHOSTUNREACH icmp 3/13 from 10.0.0.1, prohibit-route"],
    // a rule's `unreachable` is the network, a route's the host
    ["a", "icmp 10.1.0.9", "unreachable icmp 3/0 from 10.0.0.1, no-route"],
    ["r", "icmp 10.1.0.9", "unreachable ENETUNREACH, no-route"],
    ["a", "icmp 10.1.0.8", "timeout, blackhole-route"],
    ["r", "icmp 10.1.0.8", "unreachable icmp 3/1 from 10.1.0.1, no-neighbour"],
  ])("%s %s: %s", (host, query, expected) => {
    expect(told(session(), host, query)).toBe(expected);
  });
});

it.each([
  ["a", "udp 10.1.0.2:53", "answered by b, answered"],
  // its own packet has no source yet when it is routed
  ["r", "udp 10.1.0.2:53", "unreachable EACCES, prohibit-route"],
  ["r", "udp 10.1.0.2:53 src=10.0.0.1", "answered by b, answered"],
  ["r", "udp 10.1.0.2:53 src=10.1.0.1", "unreachable EACCES, prohibit-route"],
])("not from 10.0.0.0/24: %s %s: %s", (host, query, expected) => {
  const rules = ["priority 150 not from 10.0.0.0/24 prohibit"];
  // The answers' way back is the client's table.
  const session = sessionOf(twoNetworks({ rules: ["priority 140 from 10.1.0.2 lookup main", ...rules] }));
  expect(told(session, host, query)).toBe(expected);
});

describe("destinations of a socket", () => {
  it.each([
    ["udp 127.5.5.5:53", "answered by a, answered"],
    ["tcp 127.0.0.1:80", "connected by a, answered"],
    ["tcp 10.0.0.2:80", "connected by a, answered"],
    // the host itself
    ["udp 0.0.0.0:53", "answered by a, answered"],
    ["tcp 0.0.0.0:80", "connected by a, answered"],
    ["tcp 127.0.0.1:80 src=10.0.0.2", "connected by a, answered"],
    ["tcp 10.0.0.2:80 src=127.0.0.1", "connected by a, answered"],
    ["tcp 127.0.0.1:4000 sport=4000", "connected, answered"],
    ["udp 127.0.0.1:9", "refused ECONNREFUSED icmp 3/3 from 127.0.0.1, no-listener-udp"],
    ["udp 10.1.0.2:53 src=10.9.9.9", "no-address EADDRNOTAVAIL, bad-source"],
    ["udp 0.1.2.3:53", "unreachable ENETUNREACH icmp 3/0 from 10.0.0.1, no-route"],
    ["udp 240.0.0.1:53", "unreachable ENETUNREACH icmp 3/0 from 10.0.0.1, no-route"],
    ["udp 169.254.1.1:53", "unreachable ENETUNREACH icmp 3/0 from 10.0.0.1, no-route"],
    ["udp 224.0.0.5:53", "timeout, not-for-forwarding"],
  ])("%s: %s", (query, expected) => {
    expect(told(sessionOf(twoNetworks()), "a", query)).toBe(expected);
  });

  it.each(["224.0.0.5", "255.255.255.255", "10.0.0.255"])("nobody connects to all: %s", (address) => {
    const { client } = outcome(sessionOf(twoNetworks()), "a", `tcp ${address}:80`);
    expect([client.result, client.errno]).toEqual(["unreachable", "ENETUNREACH"]);
  });

  it("a group's datagram has a time to live of one", () => {
    const { frames } = outcome(sessionOf(twoNetworks()), "a", "udp 224.0.0.5:53 ttl=9");
    expect(new Set(frames.map(({ ip, eth }) => `${eth?.dst} ${ip.ttl}`))).toEqual(
      new Set(["01:00:5e:00:00:05 1"]),
    );
  });
});

describe("the source chosen", () => {
  it.each([
    ["the route's own", { routes: ["10.9.0.0/16 via 10.0.0.1 src 10.0.0.7"] }, "10.9.0.1", "10.0.0.7"],
    ["the device's first", {}, "10.1.0.2", "10.0.0.2"],
    [
      "that of the gateway's network",
      { links: { eth0: "192.168.0.2/24 10.0.0.2/24" } },
      "10.1.0.2",
      "10.0.0.2",
    ],
    ["of a local address itself", {}, "10.0.0.7", "10.0.0.7"],
  ])("%s", (_name, more, destination, source) => {
    const world = twoNetworks(
      {},
      { links: { eth0: "10.0.0.2/24 10.0.0.7/32" }, routes: ["default via 10.0.0.1"], ...more },
    );
    const { frames } = outcome(sessionOf(world), "a", `udp ${destination}:9`);
    expect(frames[0]?.ip.src).toBe(source);
  });
});

describe("multipath", () => {
  const world = (weights: readonly number[], policy = 0) =>
    twoNetworks(
      { links: { eth0: "10.0.0.1/24 10.0.0.11/32 10.0.0.12/32", eth1: "10.1.0.1/24" } },
      {
        routes: [
          `default ${weights.map((w, i) => `nexthop via 10.0.0.${i === 0 ? 1 : 10 + i} dev eth0 weight ${w}`).join(" ")}`,
        ],
        sysctl: { "net.ipv4.fib_multipath_hash_policy": policy },
      },
    );

  it.each([
    [
      [1, 1],
      ["1/2", "1/2"],
    ],
    [
      [1, 3],
      ["3/4", "1/4"],
    ],
    [
      [2, 2, 2],
      ["1/3", "1/3", "1/3"],
    ],
    [
      [5, 3, 2],
      ["1/2", "3/10", "1/5"],
    ],
  ])("weights %j give odds %j", (weights, odds) => {
    const { outcomes } = trace(sessionOf(world(weights)), "a", "udp 10.1.0.2:53 sport=5");
    expect(outcomes.map(({ probability }) => `${probability?.num}/${probability?.den}`)).toEqual(odds);
    expect(outcomes.every(({ client }) => client.answeredBy === "b")).toBe(true);
  });

  it("by policy 0 all flows between two hosts go one way, by policy 1 each its own", () => {
    for (const [policy, expected] of [
      [0, 1],
      [1, 2],
    ] as const) {
      const session = sessionOf(world([1, 1], policy));
      trace(session, "a", "udp 10.1.0.2:53 sport=5");
      expect(trace(session, "a", "udp 10.1.0.2:53 sport=6").outcomes).toHaveLength(expected);
      expect(trace(session, "a", "udp 10.1.0.2:53 sport=5").outcomes).toHaveLength(1);
    }
  });
});

/**
 * `ip_route_output_key_hash_rcu`, `__mkroute_output`; of `ip route get` in a namespace au2-a: from an address of nobody "Network is
 * unreachable", by a device that is down too, a group by a default route without its gateway, by 239.2.0.0/16's own with it.
 */
describe("what is read of the kernel's source", () => {
  const routes = ["default via 10.0.0.1", "239.2.0.0/16 via 10.0.0.1"];
  function routed(dst: string, { src = "", oif = "", rules = [] as readonly string[], up = true } = {}) {
    const links = { eth0: "10.0.0.2/24", eth1: { addresses: "10.3.0.1/24", up } };
    const session = sessionOf(twoNetworks({}, { links, routes, rules }));
    const stack = session.stack(session.network.hostNumber("a"));
    const packet = stack.pool.take();
    packet.dst = ip(dst);
    packet.src = src === "" ? 0 : ip(src);
    const error = routeOutput(stack, packet, stack.net.deviceNamed(oif)?.ifindex ?? 0, false);
    if (error !== 0) return error;
    const out = stack.net.devices[packet.rtDev]?.name;
    return `${out} ${packet.rtUsesGateway ? "gateway" : "link"} ${packet.rtNextHop === ip(dst)}`;
  }

  it.each<readonly [string, Parameters<typeof routed>[1], string | number]>([
    ["8.8.8.8", { src: "9.9.9.9" }, 101],
    ["239.1.1.1", { src: "9.9.9.9" }, 101],
    ["10.3.0.5", { oif: "eth1", up: false }, 101],
    ["239.1.1.1", {}, "eth0 link true"],
    ["239.2.1.1", {}, "eth0 gateway false"],
    // the device alone decides, whatever the tables say
    ["224.0.0.9", { oif: "eth1", rules: ["10 blackhole"] }, "eth1 link true"],
    ["255.255.255.255", { oif: "eth1", rules: ["10 blackhole"] }, "eth1 link true"],
    ["239.1.1.1", { oif: "eth1", rules: ["10 blackhole"] }, 22],
  ])("%s %j: %s", (dst, more, expected) => {
    expect(routed(dst, more)).toBe(expected);
  });
});
