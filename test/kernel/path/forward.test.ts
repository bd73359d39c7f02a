import { describe, expect, it } from "vitest";
import { onPath, outcome, places, sessionOf, told } from "../../walk/asking.ts";
import { smallWorld, switchOf } from "../../walk/small-world.ts";
import { twoNetworks } from "./two-networks.ts";

/** Forwarding: time to live, MTU, redirects. The expectations are the kernel's (Linux 6.18), seen in namespaces hop-test-*. */

describe("the time to live", () => {
  it.each([
    ["tcp 10.1.0.2:80 ttl=1", "ttl-exceeded EHOSTUNREACH icmp 11/0 from 10.0.0.1, ttl-exceeded"],
    ["udp 10.1.0.2:53 ttl=1", "ttl-exceeded EHOSTUNREACH icmp 11/0 from 10.0.0.1, ttl-exceeded"],
    ["icmp 10.1.0.2 ttl=1", "ttl-exceeded icmp 11/0 from 10.0.0.1, ttl-exceeded"],
    ["tcp 10.1.0.2:80 ttl=2", "connected by b, answered"],
    // for the router itself one is enough, by whichever of its addresses
    ["udp 10.0.0.1:53 ttl=1", "answered by r, answered"],
    ["udp 10.1.0.1:53 ttl=1", "answered by r, answered"],
  ])("%s: %s", (query, expected) => {
    expect(told(sessionOf(twoNetworks()), "a", query)).toBe(expected);
  });

  it("goes down by one at each router, never at a bridge", () => {
    const { frames } = outcome(sessionOf(twoNetworks()), "a", "udp 10.1.0.2:53 ttl=9");
    const seen = frames.filter(({ packet }) => packet === 1).map((f) => `${f.host}:${f.device} ${f.ip.ttl}`);
    expect(seen).toEqual(["a:eth0 9", "r:eth0 9", "r:eth1 8", "b:eth0 8"]);
  });

  it("is not looked at where a host does not forward", () => {
    const session = sessionOf(twoNetworks({ forward: false }));
    expect(told(session, "a", "tcp 10.1.0.2:80 ttl=1")).toBe("timeout, not-forwarding");
    expect(told(session, "a", "tcp 10.1.0.1:80")).toBe("connected by r, answered");
  });
});

/** Length and offset of the fragments of packet 1 as they leave a device, `+` where more follow. */
function cut(session: ReturnType<typeof sessionOf>, query: string, host: string, device: string): string[] {
  const { frames } = outcome(session, "a", query);
  return frames
    .filter((f) => f.host === host && f.device === device && f.direction === "out" && f.phase === "request")
    .map(({ ip }) => `${ip.off ?? 0}:${ip.len}${ip.mf === true ? "+" : ""}`);
}

describe("a datagram too long for the next cable", () => {
  it.each([
    // ip_do_fragment: as much as fits, a multiple of eight bytes
    [1472, ["0:1500"]],
    [1473, ["0:1500+", "1480:21"]],
    [2952, ["0:1500+", "1480:1500"]],
    [2953, ["0:1500+", "1480:1500+", "2960:21"]],
    [5000, ["0:1500+", "1480:1500+", "2960:1500+", "4440:588"]],
  ])("of %d bytes leaves its sender as %j", (size, expected) => {
    expect(cut(sessionOf(twoNetworks()), `udp 10.1.0.2:53 size=${size}`, "a", "eth0")).toEqual(expected);
  });

  const narrow = { links: { eth0: "10.0.0.1/24", eth1: { addresses: "10.1.0.1/24", mtu: 600 } } };
  const tracked = {
    ...narrow,
    iptables:
      "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n",
  };

  it.each([
    [572, ["0:600"]],
    [573, ["0:596+", "576:25"]],
    [1000, ["0:596+", "576:452"]],
    // each fragment that comes is cut for itself
    [1473, ["0:596+", "576:596+", "1152:348+", "1480:21"]],
  ])("of %d bytes leaves a router with a narrower cable as %j", (size, expected) => {
    expect(cut(sessionOf(twoNetworks(narrow)), `udp 10.1.0.2:53 size=${size}`, "r", "eth1")).toEqual(
      expected,
    );
  });

  it.each([
    // connection tracking joins them first
    [1473, ["0:596+", "576:596+", "1152:349"]],
    [3000, ["0:596+", "576:596+", "1152:596+", "1728:596+", "2304:596+", "2880:148"]],
  ])("of %d bytes leaves a router that tracks connections as %j", (size, expected) => {
    expect(cut(sessionOf(twoNetworks(tracked)), `udp 10.1.0.2:53 size=${size}`, "r", "eth1")).toEqual(
      expected,
    );
  });

  it.each([
    ["udp 10.1.0.2:53 size=572 df", "answered by b, answered"],
    ["udp 10.1.0.2:53 size=573 df", "too-big EMSGSIZE icmp 3/4 from 10.0.0.1 mtu 600, too-big"],
    ["icmp 10.1.0.2 size=573 df", "unreachable icmp 3/4 from 10.0.0.1 mtu 600, too-big"],
    // longer than the sender's own cable: not sent at all
    ["udp 10.1.0.2:53 size=1473 df", "too-big EMSGSIZE, too-big"],
    ["icmp 10.1.0.2 size=1473 df", "too-big EMSGSIZE, too-big"],
  ])("must not be cut with DF: %s: %s", (query, expected) => {
    expect(told(sessionOf(twoNetworks(narrow)), "a", query)).toBe(expected);
  });

  it("an error teaches its sender the path's MTU, and the next datagram is cut at home", () => {
    const session = sessionOf(twoNetworks(narrow));
    outcome(session, "a", "udp 10.1.0.2:53 size=1000 df");
    expect(cut(session, "udp 10.1.0.2:53 size=1000", "a", "eth0")).toEqual(["0:596+", "576:452"]);
    session.flush();
    expect(cut(session, "udp 10.1.0.2:53 size=1000", "a", "eth0")).toEqual(["0:1028"]);
  });

  it("a route's MTU counts as a cable's, but not for who probes the path", () => {
    const world = twoNetworks({}, { routes: ["default via 10.0.0.1 mtu 700"] });
    expect(cut(sessionOf(world), "udp 10.1.0.2:53 size=1000", "a", "eth0")).toEqual(["0:700+", "680:348"]);
    expect(told(sessionOf(world), "a", "udp 10.1.0.2:53 size=1472 df")).toBe("answered by b, answered");
  });

  it("a veth takes no frame longer than its MTU and a VLAN tag", () => {
    // b's cable is 1500 wide, its other end 600: an echo's answer of 604 passes, one of 605 does not.
    const session = sessionOf(twoNetworks(narrow));
    expect(told(session, "a", "icmp 10.1.0.2 size=576")).toBe("answered by 10.1.0.2, answered");
    expect(told(session, "a", "icmp 10.1.0.2 size=577")).toBe("timeout, reply-lost");
  });
});

describe("redirects", () => {
  /** a's route to s leads by g, which sends it back over the same cable to h. */
  const world = (g: Record<string, number> = {}, a: Record<string, number> = {}) =>
    smallWorld(
      {
        a: { links: { eth0: "10.0.0.2/24" }, routes: ["10.2.0.0/16 via 10.0.0.1"], sysctl: a },
        sw: switchOf("p0", "p1", "p2"),
        g: {
          links: { eth0: "10.0.0.1/24" },
          forward: true,
          routes: ["10.2.0.0/16 via 10.0.0.3"],
          sysctl: g,
        },
        h: { links: { eth0: "10.0.0.3/24", eth1: "10.2.0.1/24" }, forward: true },
        s: { links: { eth0: "10.2.0.2/24" }, routes: ["default via 10.2.0.1"], listen: ["udp 53"] },
      },
      ["a:eth0 sw:p0", "g:eth0 sw:p1", "h:eth0 sw:p2", "h:eth1 s:eth0"],
    );
  const redirects = (found: ReturnType<typeof outcome>): string[] =>
    found.frames
      .filter((f) => f.icmp?.type === 5 && f.host === "a")
      .map((f) => `${f.ip.src} gateway ${f.icmp?.gateway}`);
  const ask = (session: ReturnType<typeof sessionOf>) => outcome(session, "a", "udp 10.2.0.2:53 sport=5");
  const way = (found: ReturnType<typeof outcome>): string[] =>
    places(found, 1).filter((place) => place.endsWith(":in"));

  it("tell the sender, and the packet goes on all the same", () => {
    const found = ask(sessionOf(world()));
    expect(redirects(found)).toEqual(["10.0.0.1 gateway 10.0.0.3"]);
    expect([found.client.answeredBy, way(found)]).toEqual(["s", ["g:eth0:in", "h:eth0:in", "s:eth0:in"]]);
  });

  it("count once the better gateway's address is known (__ip_do_redirect), so from the second on", () => {
    const session = sessionOf(world());
    ask(session);
    session.wait(1000);
    expect(redirects(ask(session))).toHaveLength(1);
    session.wait(1000);
    const third = ask(session);
    expect([redirects(third), way(third)]).toEqual([[], ["h:eth0:in", "s:eth0:in"]]);
    session.flush();
    expect(way(ask(session))).toEqual(["g:eth0:in", "h:eth0:in", "s:eth0:in"]);
  });

  it("come ever more slowly, and after nine no more, until twenty seconds of silence", () => {
    // A sender that does not listen.
    const session = sessionOf(
      world({}, { "net.ipv4.conf.all.accept_redirects": 0, "net.ipv4.conf.eth0.accept_redirects": 0 }),
    );
    const sent: number[] = [];
    for (let i = 0; i < 200; i++) {
      if (redirects(ask(session)).length > 0) sent.push(session.clock.now);
      session.wait(100);
    }
    // ip_rt_redirect_load: 20 ms doubled each time
    expect(sent).toEqual([0, 100, 200, 400, 800, 1500, 2800, 5400, 10600]);
    session.wait(20_500);
    expect(redirects(ask(session))).toHaveLength(1);
  });

  it.each([
    [
      "not sent with send_redirects 0",
      { "net.ipv4.conf.all.send_redirects": 0, "net.ipv4.conf.eth0.send_redirects": 0 },
      0,
    ],
    ["sent if only one of all and eth0 says so", { "net.ipv4.conf.all.send_redirects": 0 }, 1],
  ])("%s", (_name, sysctl, count) => {
    expect(redirects(ask(sessionOf(world(sysctl))))).toHaveLength(count);
  });
});

// Linux 6.18, hosts kf8-h, -r and -b: the router has learned by `ping -M do` of its own that the way takes 1000.
describe("what a router has learned of a path's MTU", () => {
  it.each<readonly [string, readonly string[], string]>([
    ["udp 10.1.0.2:53 size=1200", [], "1228"],
    ["udp 10.1.0.2:53 size=1200 df", [], "1228"],
    ["udp 10.1.0.2:53 size=1430", [], "1458"],
    ["udp 10.1.0.2:53 size=1430", ["10.1.0.2 dev eth1 mtu 1400"], "1396 82"],
    ["udp 10.1.0.2:53 size=1430 df", ["10.1.0.2 dev eth1 mtu 1400"], "too-big 1400"],
  ])("is not for what it forwards: %s, routes %j: %s", (query, routes, expected) => {
    const session = sessionOf(twoNetworks({ routes }));
    const r = session.stack(session.network.hostNumber("r"));
    r.state.exceptions.setPathMtu(4, onPath("10.1.0.2"), 1000, 600_000);
    const { frames, client } = outcome(session, "a", query);
    const sent = frames
      .filter(({ host, device, direction }) => host === "r" && device === "eth1" && direction === "out")
      .map(({ ip }) => ip.len);
    expect(sent.length > 0 ? sent.join(" ") : `${client.result} ${client.icmp?.mtu}`).toBe(expected);
  });

  it.each([
    [0, "1228"],
    [1, "996 252"],
  ])("but where ip_forward_use_pmtu is %i it is: %s", (value, expected) => {
    const session = sessionOf(twoNetworks({ sysctl: { "net.ipv4.ip_forward_use_pmtu": value } }));
    const r = session.stack(session.network.hostNumber("r"));
    r.state.exceptions.setPathMtu(4, onPath("10.1.0.2"), 1000, 600_000);
    const { frames } = outcome(session, "a", "udp 10.1.0.2:53 size=1200");
    const sent = frames.filter(
      ({ host, device, direction }) => host === "r" && device === "eth1" && direction === "out",
    );
    expect(sent.map(({ ip }) => ip.len).join(" ")).toBe(expected);
  });
});
