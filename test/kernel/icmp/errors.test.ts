import { describe, expect, it } from "vitest";
import { formatIpv6, type Ipv6Words } from "../../../src/address/ipv6.ts";
import type { NetDevice } from "../../../src/kernel/device/net-device.ts";
import { icmpReceive } from "../../../src/kernel/icmp/receive.ts";
import { ABSENT } from "../../../src/kernel/session/pair-map.ts";
import type { Outcome } from "../../../src/walk/trace.ts";
import { outcome, sessionOf, told } from "../../walk/asking.ts";
import { BRIDGE, smallWorld } from "../../walk/small-world.ts";
import { ip } from "../../walk/words.ts";
import { twoNetworks } from "../path/two-networks.ts";

/** ICMP errors: when one is sent, from whom, and what it quotes (Linux 6.18, namespaces hop-test-*). */

function filter(...rules: readonly string[]): string {
  return ["*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT", ...rules, "COMMIT", ""].join("\n");
}

function errors({ frames }: Outcome): string[] {
  return frames
    .filter(({ icmp, host, direction }) => icmp?.orig !== undefined && host === "r" && direction === "out")
    .map(({ ip, icmp }) => `${icmp?.type}/${icmp?.code} ${ip.src} > ${ip.dst}`);
}

describe("REJECT", () => {
  it.each([
    ["icmp-net-unreachable", "udp", "unreachable ENETUNREACH icmp 3/0 from 10.0.0.1, rule-reject"],
    ["icmp-host-unreachable", "udp", "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, rule-reject"],
    ["icmp-proto-unreachable", "udp", "unreachable ENOPROTOOPT icmp 3/2 from 10.0.0.1, rule-reject"],
    ["icmp-port-unreachable", "udp", "refused ECONNREFUSED icmp 3/3 from 10.0.0.1, rule-reject"],
    ["icmp-net-prohibited", "udp", "unreachable ENETUNREACH icmp 3/9 from 10.0.0.1, rule-reject"],
    ["icmp-host-prohibited", "udp", "unreachable EHOSTUNREACH icmp 3/10 from 10.0.0.1, rule-reject"],
    ["icmp-admin-prohibited", "udp", "unreachable EHOSTUNREACH icmp 3/13 from 10.0.0.1, rule-reject"],
    ["icmp-port-unreachable", "tcp", "refused ECONNREFUSED icmp 3/3 from 10.0.0.1, rule-reject"],
    ["icmp-admin-prohibited", "icmp", "unreachable icmp 3/13 from 10.0.0.1, rule-reject"],
  ])("%s of a forwarded %s packet: %s", (type, proto, expected) => {
    const session = sessionOf(
      twoNetworks({ iptables: filter(`-A FORWARD -j REJECT --reject-with ${type}`) }),
    );
    const to = proto === "tcp" ? "10.1.0.2:80" : proto === "udp" ? "10.1.0.2:53" : "10.1.0.2";
    expect(told(session, "a", `${proto} ${to}`)).toBe(expected);
  });

  it("tcp-reset comes from the address asked", () => {
    const iptables = filter("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset");
    const { client, frames } = outcome(sessionOf(twoNetworks({ iptables })), "a", "tcp 10.1.0.2:80");
    expect([client.result, client.reset?.from]).toEqual(["refused", "10.1.0.2"]);
    expect(frames.at(-1)?.tcp?.flags).toBe("RA");
  });

  it("tcp-reset has the hop limit of the route that the segment was to take (namespaces rm7h-*)", () => {
    const iptables = filter("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset");
    const world = twoNetworks({ iptables, routes: ["10.9.0.0/16 via 10.1.0.2 hoplimit 7"] });
    const ttl = (to: string) =>
      outcome(sessionOf(world), "a", `tcp ${to}:80`).frames.find(({ tcp }) => tcp?.flags === "RA")?.ip.ttl;
    expect([ttl("10.9.0.1"), ttl("10.1.0.2")]).toEqual([7, 64]);
  });

  it("tcp-reset of IPv6 goes by any link to a link-local address: by the first (namespaces rm7l-*)", () => {
    const ip6tables = filter("-A INPUT -p tcp -j REJECT --reject-with tcp-reset");
    const world = twoNetworks(
      { links: { eth0: "10.0.0.1/24 fd00::1/64", eth1: "10.1.0.1/24 fd01::1/64" }, ip6tables },
      { links: { eth0: "10.0.0.2/24 fd00::2/64" } },
      { links: { eth0: "10.1.0.2/24 fd01::2/64" } },
    );
    const [eth0, eth1] = ["eth0", "eth1"].map(
      (dev) =>
        world.hosts.get("r")?.addresses6.find((own) => own.dev === dev && own.scope === "link")?.address,
    );
    const to = (address: Ipv6Words | undefined) => `tcp [${formatIpv6(address as Ipv6Words)}]:80 dev=eth0`;
    expect(outcome(sessionOf(world), "a", to(eth0)).client.result).toBe("refused");
    expect(outcome(sessionOf(world), "b", to(eth1)).client.result).toBe("timeout");
  });

  it("does not answer a fragment, whose checksum cannot be checked", () => {
    const reject = "-A FORWARD -j REJECT --reject-with icmp-port-unreachable";
    const query = "udp 10.1.0.2:53 size=3000";
    expect(told(sessionOf(twoNetworks({ iptables: filter(reject) })), "a", query)).toBe(
      "timeout, rule-reject",
    );
    // Where connections are tracked there are no fragments in FORWARD.
    const tracked = filter("-A FORWARD -m conntrack --ctstate INVALID -j DROP", reject);
    expect(told(sessionOf(twoNetworks({ iptables: tracked })), "a", query)).toBe(
      "refused ECONNREFUSED icmp 3/3 from 10.0.0.1, rule-reject",
    );
  });

  it("in OUTPUT is an errno for who sends", () => {
    const iptables = filter(
      "-A OUTPUT -p udp -j REJECT --reject-with icmp-port-unreachable",
      "-A OUTPUT -p icmp -j DROP",
    );
    const session = sessionOf(twoNetworks({ iptables }));
    expect(told(session, "r", "icmp 10.1.0.2")).toBe("blocked EPERM, rule-drop");
    expect(outcome(session, "r", "udp 10.1.0.2:53").verdict.reason).toBe("rule-reject");
  });
});

/** Namespaces rm7r-*: two hosts on a bridge whose namespace rejects what is bridged. */
describe("tcp-reset of a bridged segment", () => {
  const reset = filter("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset");
  const bridged = (addresses: string) =>
    smallWorld(
      {
        a: { links: { eth0: "10.0.0.1/24 fd00::1/64" } },
        b: { links: { eth0: "10.0.0.2/24 fd00::2/64" } },
        r: {
          links: { br0: { detail: BRIDGE, addresses }, p0: { master: "br0" }, p1: { master: "br0" } },
          sysctl: { "net.bridge.bridge-nf-call-iptables": 1, "net.bridge.bridge-nf-call-ip6tables": 1 },
          iptables: reset,
          ip6tables: reset,
        },
      },
      ["a:eth0 r:p0", "b:eth0 r:p1"],
    );

  it.each(["10.0.0.2", "fd00::2"])("to %s is sent where the bridge has a route to the sender alone", (to) => {
    const query = to.includes(":") ? `tcp [${to}]:80` : `tcp ${to}:80`;
    expect(told(sessionOf(bridged("10.0.0.254/24 fd00::fe/64")), "a", query)).toMatch(/^refused/);
    expect(told(sessionOf(bridged("")), "a", query)).toBe("timeout, rule-reject");
  });
});

describe("no error is sent", () => {
  it("about a broadcast", () => {
    const found = outcome(sessionOf(twoNetworks()), "a", "udp 10.0.0.255:9");
    expect([errors(found), found.verdict.reason]).toEqual([[], "no-listener-udp"]);
  });

  it("about a later fragment", () => {
    // The first fragment alone is answered, though each of the three ends its time to live.
    const found = outcome(sessionOf(twoNetworks()), "a", "udp 10.1.0.2:53 size=4000 ttl=1");
    expect(errors(found)).toEqual(["11/0 10.0.0.1 > 10.0.0.2"]);
  });
});

describe("an error's sender", () => {
  const query = "udp 10.1.0.2:53 ttl=1 src=10.0.0.2";

  it("is the address towards the one told", () => {
    // The way back to 10.0.0.2 leads over eth1 here.
    const far = { routes: ["10.0.0.2 via 10.1.0.2"] };
    expect(errors(outcome(sessionOf(twoNetworks(far)), "a", query))).toEqual(["11/0 10.1.0.1 > 10.0.0.2"]);
  });

  it("or, with icmp_errors_use_inbound_ifaddr, that of the card the packet came by", () => {
    const far = {
      routes: ["10.0.0.2 via 10.1.0.2"],
      sysctl: { "net.ipv4.icmp_errors_use_inbound_ifaddr": 1 },
    };
    expect(errors(outcome(sessionOf(twoNetworks(far)), "a", query))).toEqual(["11/0 10.0.0.1 > 10.0.0.2"]);
  });

  it("is the address asked, where the packet had arrived", () => {
    expect(errors(outcome(sessionOf(twoNetworks()), "a", "udp 10.1.0.1:9"))).toEqual([
      "3/3 10.1.0.1 > 10.0.0.2",
    ]);
  });
});

describe("what an error quotes", () => {
  it("is the packet as it was when it failed, 548 bytes of it at most", () => {
    const { frames } = outcome(sessionOf(twoNetworks()), "a", "udp 10.1.0.2:9 size=1000 sport=5");
    const error = frames.findLast((frame) => frame.icmp?.orig !== undefined && frame.host === "b");
    expect(error?.ip.len).toBe(576);
    expect(error?.icmp?.orig).toMatchObject({ ip: { ttl: 63, len: 1028 }, udp: { sport: 5, dport: 9 } });
  });
});

/** `__ip_rt_update_pmtu`. Namespaces rm7e-*: `ip route get` after such errors, with `net.ipv4.route.mtu_expires` of 2 and 600 s. */
describe("a path's MTU", () => {
  const lesson = (sysctl: Readonly<Record<string, number>> = {}) => {
    const session = sessionOf(twoNetworks({}, { sysctl }));
    const a = session.stack(session.network.hostNumber("a"));
    const known = (): number => a.state.exceptions.pathMtu(4, ip("10.1.0.2"), a.now);
    const tell = (mtu: number): number => {
      const error = a.pool.take();
      error.protocol = 1;
      error.icmpType = 3;
      error.icmpCode = 4;
      error.icmpInfo = mtu;
      error.src = ip("10.0.0.1");
      error.dst = ip("10.0.0.2");
      error.inner = a.pool.take();
      error.inner.src = ip("10.0.0.2");
      error.inner.dst = ip("10.1.0.2");
      error.inner.protocol = 17;
      icmpReceive(a, a.net.deviceNamed("eth0") as NetDevice, error);
      return known();
    };
    return { session, tell, known };
  };

  it("larger than the one known is not believed", () => {
    const { tell } = lesson();
    expect([tell(9000) > 0, tell(1300), tell(1400), tell(1200)]).toEqual([false, 1300, 1300, 1200]);
  });

  it("is forgotten after ten minutes, or as the host says; the same again is news when half of them are over", () => {
    const { session, tell, known } = lesson();
    tell(1300);
    session.wait(299_000);
    tell(1300);
    session.wait(301_000);
    expect(known()).toBe(1300);
    session.wait(1000);
    expect(known()).toBe(ABSENT);
    tell(1300);
    session.wait(301_000);
    tell(1300);
    session.wait(599_000);
    expect(known()).toBe(1300);
    const short = lesson({ "net.ipv4.route.mtu_expires": 2 });
    short.tell(1300);
    short.session.wait(2001);
    expect(short.known()).toBe(ABSENT);
  });

  it("is never less than net.ipv4.route.min_pmtu", () => {
    expect(lesson().tell(300)).toBe(552);
    expect(lesson({ "net.ipv4.route.min_pmtu": 200 }).tell(300)).toBe(300);
  });
});
