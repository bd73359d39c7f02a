import { describe, expect, it } from "vitest";
import type { World } from "../../../src/world/world.ts";
import { outcome, sessionOf, told } from "../../walk/asking.ts";
import { type HostSpec, linkLocalOf, macOf, smallWorld, switchOf } from "../../walk/small-world.ts";

/**
 * IPv6 through a router, a – r – b. The expectations are the kernel's (Linux 6.18), seen in namespaces v6route-a, -r and -b with
 * `net.ipv6.icmp.ratelimit` 0: raw and datagram sockets, their error queues, and packet sockets beside them.
 */
function twoNetworks6(r: HostSpec = {}, a: HostSpec = {}): World {
  const listen = ["tcp 80", "udp 53"];
  return smallWorld(
    {
      a: { links: { eth0: "fd00::2/64" }, routes: ["::/0 via fd00::1"], listen, ...a },
      r: { links: { eth0: "fd00::1/64", eth1: "fd00:1::1/64" }, forward: true, listen, ...r },
      b: { links: { eth0: "fd00:1::2/64" }, routes: ["::/0 via fd00:1::1"], listen },
    },
    ["a:eth0 r:eth0", "r:eth1 b:eth0"],
  );
}

describe("the hop limit", () => {
  it.each([
    ["udp [fd00:1::2]:53 ttl=1", "ttl-exceeded EHOSTUNREACH icmp 3/0 from fd00::1, ttl-exceeded"],
    ["icmp fd00:1::2 ttl=1", "ttl-exceeded icmp 3/0 from fd00::1, ttl-exceeded"],
    ["udp [fd00:1::2]:53 ttl=2", "answered by b, answered"],
    // for the router itself one is enough, by whichever of its addresses
    ["udp [fd00:1::1]:53 ttl=1", "answered by r, answered"],
    // one that forwards nothing does not look at it, and says nothing
    ["udp [fd00:1::1]:54 ttl=1", "refused ECONNREFUSED icmp 1/4 from fd00:1::1, no-listener-udp"],
  ])("%s: %s", (query, expected) => {
    expect(told(sessionOf(twoNetworks6()), "a", query)).toBe(expected);
  });

  it("is a device's own", () => {
    const sysctl = { "net.ipv6.conf.all.forwarding": 1, "net.ipv6.conf.eth0.hop_limit": 7 };
    const { frames } = outcome(sessionOf(twoNetworks6({ sysctl })), "a", "icmp fd00::1");
    expect(frames.filter(({ phase }) => phase === "reply").map(({ ip }) => ip.ttl)).toEqual([7, 7]);
  });
});

describe("routes that are none", () => {
  const routes = ["blackhole fd09::/16", "unreachable fd08::/16", "prohibit fd07::/16", "throw fd06::/16"];

  it.each([
    // the router's own packets: an errno at once
    ["r", "udp [fd09::1]:53", "invalid EINVAL, blackhole-route"],
    ["r", "udp [fd08::1]:53", "unreachable EHOSTUNREACH, unreachable-route"],
    ["r", "udp [fd07::1]:53", "unreachable EACCES, prohibit-route"],
    ["r", "udp [fd06::1]:53", "unreachable ENETUNREACH, no-route"],
    // those it forwards: an ICMPv6 error, from a blackhole none; that a route says unreachable nobody is told
    ["a", "udp [fd09::1]:53", "timeout, blackhole-route"],
    ["a", "icmp fd08::1", "unreachable icmp 1/0 from fd00::1, unreachable-route"],
    ["a", "udp [fd07::1]:53", "unreachable EACCES icmp 1/1 from fd00::1, prohibit-route"],
    ["a", "udp [fd05::1]:53", "unreachable ENETUNREACH icmp 1/0 from fd00::1, no-route"],
  ])("%s %s: %s", (host, query, expected) => {
    expect(told(sessionOf(twoNetworks6({ routes })), host, query)).toBe(expected);
  });

  it("a host that does not forward says so of what no route leads to, and is silent of the rest", () => {
    const session = (): ReturnType<typeof sessionOf> => sessionOf(twoNetworks6({ forward: false }));
    expect(told(session(), "a", "udp [fd05::1]:53")).toBe(
      "unreachable ENETUNREACH icmp 1/0 from fd00::1, no-route",
    );
    expect(told(session(), "a", "udp [fd00:1::2]:53")).toBe("timeout, not-forwarding");
  });
});

describe("what is too long for the way", () => {
  const cut = (session: ReturnType<typeof sessionOf>, query: string): string[] =>
    outcome(session, "a", query)
      .frames.filter((f) => f.host === "a" && f.direction === "out" && f.phase === "request")
      .map(({ ip }) => `${ip.off ?? 0}:${ip.len}${ip.mf === true ? "+" : ""}`);

  it.each([
    // ip6_fragment: a header more in each piece, whose end is a multiple of eight bytes
    [1452, ["0:1500"]],
    [1453, ["0:1496+", "1448:61"]],
    [3000, ["0:1496+", "1448:1496+", "2896:160"]],
  ])("of %d bytes leaves its sender as %j", (size, expected) => {
    expect(cut(sessionOf(twoNetworks6()), `udp [fd00:1::2]:53 size=${size}`)).toEqual(expected);
  });

  it("is not cut by a router: the sender learns, and cuts the next", () => {
    const narrow = { links: { eth0: "fd00::1/64", eth1: { addresses: "fd00:1::1/64", mtu: 1400 } } };
    const session = sessionOf(twoNetworks6(narrow));
    expect(told(session, "a", "udp [fd00:1::2]:53 size=1400")).toBe(
      "too-big EMSGSIZE icmp 2/0 from fd00::1 mtu 1400, too-big",
    );
    expect(cut(session, "udp [fd00:1::2]:53 size=1400")).toEqual(["0:1400+", "1352:104"]);
  });

  it("a route's MTU is found out behind FORWARD, the device's before", () => {
    const ip6tables = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -p udp\nCOMMIT\n";
    const byRoute = { ip6tables, routes: ["fd07::/16 via fd00:1::2 mtu 1400"] };
    const byDevice = {
      ...byRoute,
      links: { eth0: "fd00::1/64", eth1: { addresses: "fd00:1::1/64", mtu: 1400 } },
    };
    const hooks = (r: HostSpec): string[] =>
      outcome(sessionOf(twoNetworks6(r)), "a", "udp [fd07::1]:53 size=1430")
        .hooks.filter(({ host, packet }) => host === "r" && packet === 1)
        .map(({ hook }) => hook);
    expect(hooks(byRoute)).toContain("FORWARD");
    expect(hooks(byDevice)).not.toContain("FORWARD");
  });
});

describe("sources that are not forwarded", () => {
  const linkLocal = linkLocalOf(macOf(1, 2));

  it.each([
    [linkLocal, "beyond-scope"],
    ["::1", "martian-source"],
    ["ff02::5", "martian-source"],
    // there is no reverse path filter
    ["fd55::1", "arrives"],
    ["fd00:1::1", "arrives"],
  ])("%s: %s", (source, expected) => {
    const query = `udp [fd00:1::2]:53 src=${source} sport=4000 raw`;
    const found = outcome(sessionOf(twoNetworks6()), "a", query);
    const arrived = found.servers.some(({ host }) => host === "b");
    expect(arrived ? "arrives" : found.verdict.reason).toBe(expected);
  });

  it("of a link-local one its neighbour is told that it is beyond its scope", () => {
    const { frames } = outcome(
      sessionOf(twoNetworks6()),
      "a",
      `udp [fd00:1::2]:53 src=${linkLocal} sport=4000 raw`,
    );
    const error = frames.find(({ host, icmp }) => host === "a" && icmp?.type === 1);
    expect([error?.icmp?.code, error?.ip.src, error?.ip.len]).toEqual([2, linkLocalOf(macOf(2, 2)), 96]);
  });
});

describe("a device without IPv6", () => {
  it("takes none and sends none", () => {
    const sysctl = { "net.ipv6.conf.all.forwarding": 1, "net.ipv6.conf.eth1.disable_ipv6": 1 };
    expect(told(sessionOf(twoNetworks6({ sysctl })), "a", "udp [fd00:1::2]:53")).toBe(
      "unreachable ENETUNREACH icmp 1/0 from fd00::1, no-route",
    );
  });
});

describe("a router that is not the best", () => {
  /** a, r and s share a cable; behind s is the way to b. */
  const hub = (gateway: string, a: HostSpec = {}): World =>
    smallWorld(
      {
        sw: switchOf("p1", "p2", "p3"),
        a: { links: { eth0: "fd00::2/64" }, routes: [`::/0 via ${gateway} dev eth0`], ...a },
        r: {
          links: { eth0: "fd00::1/64" },
          routes: [`::/0 via ${linkLocalOf(macOf(4, 2))} dev eth0`],
          forward: true,
        },
        s: {
          links: { eth0: "fd00::3/64", eth1: "fd00:1::1/64" },
          forward: true,
          listen: ["udp 53", "tcp 80"],
        },
      },
      ["sw:p1 a:eth0", "sw:p2 r:eth0", "sw:p3 s:eth0"],
    );

  const routers = (session: ReturnType<typeof sessionOf>, query = "icmp fd00:1::1"): string[] => {
    const ways = outcome(session, "a", query).frames.filter(
      ({ phase, direction, device, packet }) =>
        phase === "request" && direction === "in" && device === "eth0" && packet === 1,
    );
    return ways.map(({ host }) => host);
  };

  it.each([
    ["icmp fd00:1::1", ["s"]],
    // connect() holds its socket still; the handshake's end is the first to be told of
    ["tcp [fd00:1::1]:80", ["s"]],
    ["tcp [fd00:1::1]:81", ["r", "s"]],
    // a socket that is bound to no device has no route to change
    ["udp [fd00:1::1]:53", ["r", "s"]],
  ])("tells the sender: after %s the next goes by %j", (query, after) => {
    const session = sessionOf(hub(linkLocalOf(macOf(3, 2))));
    expect(routers(session, query)).toEqual(["r", "s"]);
    expect(routers(session, "udp [fd00:1::1]:53")).toEqual(after);
  });

  it.each([
    // a redirect comes from a link-local address, and is taken from the gateway in use alone
    ["knows the router by another address", "fd00::1", {}],
    ["takes none", linkLocalOf(macOf(3, 2)), { sysctl: { "net.ipv6.conf.eth0.accept_redirects": 0 } }],
    ["forwards itself", linkLocalOf(macOf(3, 2)), { forward: true }],
  ])("but not who %s", (_, gateway, a) => {
    const session = sessionOf(hub(gateway, a));
    expect(routers(session)).toEqual(["r", "s"]);
    expect(routers(session)).toEqual(["r", "s"]);
  });
});

describe("a packet that comes back to its sender, who forwards", () => {
  /** Each takes the other for the way to fd09::/16. */
  const circle = (): World => {
    const by = (host: number) => `fd09::/16 via ${linkLocalOf(macOf(host, 2))} dev eth0`;
    return smallWorld(
      {
        r: { links: { eth0: "fd00::1/64" }, forward: true, routes: [by(2)] },
        s: { links: { eth0: "fd00::2/64" }, forward: true, routes: [by(1)] },
      },
      ["r:eth0 s:eth0"],
    );
  };

  it("is told of the better gateway by its own loopback (`ip6_rt_get_dev_rcu`)", () => {
    const { ndp } = outcome(sessionOf(circle()), "s", "udp [fd09::1]:53 ttl=3");
    const redirects = ndp.filter(({ nd, direction }) => nd.type === 137 && direction === "out");
    expect(redirects.map(({ host, device, ip, nd }) => [host, device, ip.src, ip.dst, nd.target])).toEqual([
      ["r", "eth0", linkLocalOf(macOf(1, 2)), "fd00::2", linkLocalOf(macOf(2, 2))],
      ["s", "lo", linkLocalOf(macOf(2, 2)), "fd00::2", linkLocalOf(macOf(1, 2))],
    ]);
  });
});
