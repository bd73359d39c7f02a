import { describe, expect, it } from "vitest";
import type { DeviceDetail } from "../../../src/kernel/device/device.ts";
import { outcome, places, sessionOf, told } from "../../walk/asking.ts";
import { type HostSpec, type LinkSpec, smallWorld, switchOf } from "../../walk/small-world.ts";
import { ip, ip6 } from "../../walk/words.ts";

/**
 * Tunnels of packets and the remaining devices. IPIP and dummy agree with recordings frame by frame (`ipvs-ipip/calico-*`,
 * `dummy`); here are the cases those do not hold, after net/ipv4/ip_tunnel.c, drivers/net/geneve.c and drivers/net/bonding.
 */

const LISTEN = ["tcp 80", "udp 53"];

type Ipip = Extract<DeviceDetail, { kind: "ipip" }>;

function ipip(more: Partial<Ipip> = {}): Ipip {
  return { kind: "ipip", link: null, local: null, remote: null, ttl: 0, tos: 0, pmtudisc: false, ...more };
}

/** n1 and n2 on one cable, with a tunnel between 10.0.1.1 and 10.0.1.2. */
function tunnelled(near: LinkSpec, far: LinkSpec, more: HostSpec = {}) {
  const end = (own: number, link: LinkSpec): HostSpec => ({
    links: {
      eth0: `172.16.0.${own}/24`,
      t0: { mac: "00:00:00:00:00:00", mtu: 1480, noArp: true, addresses: `10.0.1.${own}/24`, ...link },
    },
    listen: LISTEN,
  });
  return smallWorld({ n1: { ...end(1, near), ...more }, n2: end(2, far) }, ["n1:eth0 n2:eth0"]);
}

const at = (n: number): number => ip(`172.16.0.${n}`);
const fixed = (own: number, other: number, more: Partial<Ipip> = {}): LinkSpec => ({
  detail: ipip({ local: at(own), remote: at(other), pmtudisc: true, ...more }),
});

describe("which tunnel takes a packet (ip_tunnel_lookup)", () => {
  it.each<readonly [string, LinkSpec, string]>([
    ["both ends", fixed(2, 1), "answered by n2, answered"],
    ["the other end alone", fixed(2, 1, { local: null }), "answered by n2, answered"],
    // What it takes it could not answer: without another end the way back is the packet's next hop.
    ["the own end alone", fixed(2, 1, { remote: null }), "timeout, reply-lost"],
    ["for everybody", { detail: ipip() }, "timeout, reply-lost"],
    ["for another", fixed(2, 3), "timeout icmp 3/3 from 172.16.0.2, no-tunnel"],
    ["down", { ...fixed(2, 1), up: false }, "timeout icmp 3/3 from 172.16.0.2, no-tunnel"],
  ])("%s", (_, far, expected) => {
    const session = sessionOf(tunnelled(fixed(1, 2), far));
    const { client, verdict, frames } = outcome(session, "n1", "udp 10.0.1.2:53");
    // The error goes to this host's tunnel, no socket hears of it.
    const error = frames.find(
      ({ icmp, direction, host }) => icmp?.type === 3 && direction === "in" && host === "n1",
    );
    const words = [
      client.result,
      ...(error?.icmp === undefined
        ? []
        : [`icmp ${error.icmp.type}/${error.icmp.code} from ${error.ip.src}`]),
      ...(client.answeredBy === undefined ? [] : [`by ${client.answeredBy}`]),
    ];
    expect(`${words.join(" ")}, ${verdict.reason}`).toBe(expected);
  });
});

describe("which tunnel of several takes a packet (ip_tunnel_lookup)", () => {
  it("one bound to the device that it came in by, though another knows both ends", () => {
    const bare = { mac: "00:00:00:00:00:00", mtu: 1480, noArp: true };
    const n2: HostSpec = {
      links: {
        eth0: "172.16.0.2/24",
        t0: { ...bare, ...fixed(2, 1) },
        t1: { ...bare, addresses: "10.0.1.2/24", ...fixed(2, 1, { local: null, link: "eth0" }) },
      },
      listen: LISTEN,
    };
    const n1 = {
      links: { eth0: "172.16.0.1/24", t0: { ...bare, addresses: "10.0.1.1/24", ...fixed(1, 2) } },
    };
    const found = outcome(sessionOf(smallWorld({ n1, n2 }, ["n1:eth0 n2:eth0"])), "n1", "udp 10.0.1.2:53");
    expect(found.verdict.reason).toBe("answered");
    expect(places(found, 1).filter((place) => place.startsWith("n2:t"))).toEqual(["n2:t1:in"]);
  });

  // Bound to devices that the packet did not come in by they are equals: the first loop keeps the last one met, the second the first.
  it.each<readonly [string, Partial<Ipip>, string]>([
    ["both ends: the eldest", {}, "n2:t0:in"],
    ["the other end alone: the youngest", { local: null }, "n2:t1:in"],
    ["the own end alone: the youngest", { remote: null }, "n2:t1:in"],
  ])("of equals that know %s", (_, ends, expected) => {
    const bare = { mac: "00:00:00:00:00:00", mtu: 1480, noArp: true };
    const dummy: LinkSpec = { detail: { kind: "dummy" } };
    const n2: HostSpec = {
      links: {
        eth0: "172.16.0.2/24",
        d0: dummy,
        d1: dummy,
        t0: { ...bare, ...fixed(2, 1, { ...ends, link: "d0" }) },
        t1: { ...bare, addresses: "10.0.1.2/24", ...fixed(2, 1, { ...ends, link: "d1" }) },
      },
      listen: LISTEN,
    };
    const n1 = {
      links: { eth0: "172.16.0.1/24", t0: { ...bare, addresses: "10.0.1.1/24", ...fixed(1, 2) } },
    };
    const found = outcome(sessionOf(smallWorld({ n1, n2 }, ["n1:eth0 n2:eth0"])), "n1", "udp 10.0.1.2:53");
    expect(places(found, 1).filter((place) => place.startsWith("n2:t"))).toEqual([expected]);
  });
});

/** `ipip_err`, `ip_tunnel_xmit`: what the tunnel's way says is told, once each, to those who send into it afterwards. */
describe("an error from the way", () => {
  it("is told the next sender", () => {
    const session = sessionOf(tunnelled(fixed(1, 2), fixed(2, 3)));
    const ask = () => told(session, "n1", "udp 10.0.1.2:53");
    expect(ask()).toMatch(/^timeout/);
    expect(ask()).toBe("unreachable EHOSTUNREACH icmp 3/1 from 10.0.1.1, no-tunnel");
    session.wait(31_000);
    expect(ask()).toMatch(/^timeout/);
  });
});

describe("the outer packet", () => {
  it("is routed without the packet's mark, and bears it (ip_tunnel_init_flow)", () => {
    const rules = ["priority 100 to 172.16.0.2 fwmark 7 blackhole"];
    const iptables = "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p 4 -m mark --mark 7 -j ACCEPT\nCOMMIT\n";
    const world = tunnelled(fixed(1, 2), fixed(2, 1), { rules, iptables });
    const found = outcome(sessionOf(world), "n1", "udp 10.0.1.2:53 mark=7");
    expect([found.verdict.reason, found.rules.map(({ chain }) => chain)]).toEqual(["answered", ["OUTPUT"]]);
  });

  // `if (tos & 0x1)`: whatever else the TOS of the tunnel says.
  it.each([
    [0, undefined],
    [1, 0x20],
    [0x10, 0x10],
    [0x11, 0x20],
  ])("has with tos %i of the inner TOS 32: %s", (tos, expected) => {
    const iptables = "*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -j DSCP --set-dscp 0x08\nCOMMIT\n";
    const world = tunnelled(fixed(1, 2, { tos }), fixed(2, 1), { iptables });
    const { frames } = outcome(sessionOf(world), "n1", "udp 10.0.1.2:53");
    expect(frames.find(({ device, direction }) => device === "eth0" && direction === "out")?.ip.tos).toBe(
      expected,
    );
  });

  it.each<readonly [string, Partial<Ipip>, string, readonly [number, boolean]]>([
    ["has the inner TTL", {}, "udp 10.0.1.2:53 ttl=9", [9, true]],
    ["has a TTL of its own", { ttl: 33 }, "udp 10.0.1.2:53 ttl=9", [33, true]],
    ["may be cut", { pmtudisc: false }, "udp 10.0.1.2:53", [64, false]],
    ["may not be cut where the inner may not", { pmtudisc: false }, "udp 10.0.1.2:53 df", [64, true]],
  ])("%s", (_, more, asked, expected) => {
    const found = outcome(sessionOf(tunnelled(fixed(1, 2, more), fixed(2, 1))), "n1", asked);
    const outer = found.frames.find(({ ip: { proto } }) => proto === 4);
    expect([outer?.ip.ttl, outer?.ip.df ?? false]).toEqual(expected);
    expect(outer?.ip.len).toBe((outer?.inner?.ip.len ?? 0) + 20);
  });

  it("does not go into its own tunnel", () => {
    const world = tunnelled({ detail: ipip({ remote: ip("10.0.1.9") }) }, fixed(2, 1));
    expect(outcome(sessionOf(world), "n1", "udp 10.0.1.2:53").verdict.reason).toBe("tunnel-loop");
  });

  it("too long for the way: the sender learns the way's MTU", () => {
    const small = { ...fixed(1, 2), mtu: 1500 };
    const session = sessionOf(tunnelled(small, fixed(2, 1)));
    expect(told(session, "n1", "udp 10.0.1.2:53 size=1460 df")).toBe(
      "too-big EMSGSIZE icmp 3/4 from 10.0.1.1 mtu 1480, too-big",
    );
    expect(session.stack(0).state.exceptions.pathMtu(4, ip("10.0.1.2"), 0)).toBe(1480);
  });
});

/** `icmp_ndo_send`: 192.168.0.2 is translated to the router's own address before the tunnel is entered. */
it("a sender whose address was translated hears that its packet is too long", () => {
  const n1: HostSpec = {
    links: {
      eth0: "172.16.0.1/24",
      t0: { mac: "00:00:00:00:00:00", mtu: 1500, noArp: true, addresses: "10.0.1.1/24", ...fixed(1, 2) },
      eth1: "192.168.0.1/24",
    },
    forward: true,
    iptables: "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o t0 -j MASQUERADE\nCOMMIT\n",
  };
  const c = { links: { eth0: "192.168.0.2/24" }, routes: ["default via 192.168.0.1"] };
  const world = smallWorld({ n1, c }, ["c:eth0 n1:eth1"]);
  expect(told(sessionOf(world), "c", "udp 10.0.1.2:53 size=1465 df")).toMatch(
    /^too-big .*icmp 3\/4 from 192\.168\.0\.1 mtu 1480/,
  );
});

describe("IPv6", () => {
  it("is nothing that a tunnel of IPv4 in IPv4 carries", () => {
    const near = { ...fixed(1, 2), addresses: "10.0.1.1/24 fd09::1/64" };
    expect(told(sessionOf(tunnelled(near, fixed(2, 1))), "n1", "udp [fd09::2]:53")).toBe("timeout, not-ipv4");
  });
});

describe("Geneve", () => {
  const geneve = (other: number, more: object = {}): LinkSpec => ({
    detail: { kind: "geneve", vni: 7, remote: at(other), port: 6081, ttl: 0, df: "unset", ...more },
    mac: `02:bb:00:00:00:0${other === 2 ? 1 : 2}`,
    mtu: 1450,
    noArp: false,
  });

  it.each<readonly [string, LinkSpec, string]>([
    ["to one end", geneve(1), "answered by n2, answered"],
    [
      "another VNI there",
      geneve(1, { vni: 8 }),
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.1.1, no-neighbour",
    ],
    ["for another end there", geneve(9), "unreachable EHOSTUNREACH icmp 3/1 from 10.0.1.1, no-neighbour"],
  ])("%s", (_, far, expected) => {
    expect(told(sessionOf(tunnelled(geneve(2), far)), "n1", "udp 10.0.1.2:53")).toBe(expected);
  });

  it("shows what it carries", () => {
    const found = outcome(sessionOf(tunnelled(geneve(2), geneve(1))), "n1", "udp 10.0.1.2:53");
    const outer = found.frames.find(
      ({ geneve: header, inner }) => header !== undefined && inner?.udp?.dport === 53,
    );
    expect(outer).toMatchObject({ udp: { dport: 6081 }, geneve: { vni: 7 } });
    expect(outer?.ip.len).toBe((outer?.inner?.ip.len ?? 0) + 50);
  });

  it("has the hop limit of the route to its other end (ip4_dst_hoplimit)", () => {
    const routes = ["172.16.0.2/32 dev eth0 hoplimit 9"];
    const found = outcome(sessionOf(tunnelled(geneve(2), geneve(1), { routes })), "n1", "udp 10.0.1.2:53");
    expect(found.frames.find(({ geneve: header }) => header !== undefined)?.ip.ttl).toBe(9);
  });

  it("does not go into itself (udp_tunnel_dst_lookup)", () => {
    const world = tunnelled({ ...geneve(2), noArp: true }, geneve(1), {
      routes: ["172.16.0.2/32 dev t0"],
    });
    expect(outcome(sessionOf(world), "n1", "udp 10.0.1.2:53").verdict.reason).toBe("tunnel-loop");
  });

  it("takes no frame of its own MAC (geneve_rx)", () => {
    const same = { ...geneve(2), noArp: true };
    const world = tunnelled(same, { ...geneve(1), mac: same.mac as string });
    expect(outcome(sessionOf(world), "n1", "udp 10.0.1.2:53").verdict.reason).toBe("martian-source");
  });

  it("goes over IPv6 as well", () => {
    const over6 = (other: number): LinkSpec => ({
      ...geneve(other, { remote: ip6(`fd01::${other}`) }),
      mtu: 1430,
    });
    const end = (own: number, other: number): HostSpec => ({
      links: {
        eth0: `fd01::${own}/64`,
        t0: { ...over6(other), addresses: `10.0.1.${own}/24 fd09::${own}/64` },
      },
      listen: LISTEN,
    });
    const world = smallWorld({ n1: end(1, 2), n2: end(2, 1) }, ["n1:eth0 n2:eth0"]);
    for (const query of ["udp [fd09::2]:53", "udp 10.0.1.2:53"]) {
      const found = outcome(sessionOf(world), "n1", query);
      const outer = found.frames.find(
        ({ geneve: header, inner }) => header !== undefined && inner?.udp?.dport === 53,
      );
      expect(outer?.ip).toMatchObject({ src: "fd01::1", dst: "fd01::2", ttl: 64 });
      expect(outer?.ip.len).toBe((outer?.inner?.ip.len ?? 0) + 70);
      expect(found.client.result).toBe("answered");
    }
  });
});

describe("devices that packets do not come out of", () => {
  it.each<readonly [DeviceDetail, string]>([
    [{ kind: "dummy" }, "dummy-device"],
    [{ kind: "ifb" }, "not-redirected"],
    [{ kind: "tun", mode: "tun" }, "left-model"],
    [{ kind: "unmodelled", type: "wireguard" }, "unmodelled-device"],
  ])("%j", (detail, reason) => {
    const world = smallWorld({ a: { links: { d0: { addresses: "10.0.0.1/24", noArp: true, detail } } } }, []);
    expect(outcome(sessionOf(world), "a", "udp 10.0.0.2:53").verdict.reason).toBe(reason);
  });
});

describe("bonds", () => {
  function bonded(mode: Extract<DeviceDetail, { kind: "bond" }>["mode"], active: string | null, up = true) {
    const slave = { master: "bond0", port: {}, mac: "02:00:00:00:01:02" };
    return smallWorld(
      {
        a: {
          links: {
            bond0: { addresses: "10.0.0.1/24", detail: { kind: "bond", mode, active } },
            s0: { ...slave, up },
            s1: slave,
          },
        },
        b: { links: { eth0: "10.0.0.2/24" }, listen: LISTEN },
        sw: switchOf("p0", "p1", "p2"),
      },
      ["a:s0 sw:p0", "a:s1 sw:p1", "b:eth0 sw:p2"],
    );
  }

  it.each<readonly [string, ReturnType<typeof bonded>, string]>([
    ["the active one", bonded("active-backup", "s1"), "s1"],
    ["the first, where none is said to be", bonded("active-backup", null), "s0"],
    ["the one that is up", bonded("802.3ad", null, false), "s1"],
  ])("send by %s", (_, world, slave) => {
    const found = outcome(sessionOf(world), "a", "udp 10.0.0.2:53");
    expect(found.client.answeredBy).toBe("b");
    expect(places(found, 1).slice(0, 2)).toEqual(["a:bond0:out", `a:${slave}:out`]);
    expect(places(found, 2).slice(-2)).toEqual([`a:${slave}:in`, "a:bond0:in"]);
  });

  // `bond_xmit_broadcast`
  it("say everything by all, where they are of that kind", () => {
    const found = outcome(sessionOf(bonded("broadcast", null)), "a", "udp 10.0.0.2:53");
    expect(places(found, 1).filter((place) => place.startsWith("a:"))).toEqual([
      "a:bond0:out",
      "a:s0:out",
      "a:s1:out",
    ]);
  });

  // `bond_should_deliver_exact_match`: those that balance by load have an active one as well
  it.each(["active-backup", "balance-tlb", "balance-alb"] as const)(
    "are deaf by those that are not active: %s",
    (mode) => {
      const found = outcome(sessionOf(bonded(mode, "s1")), "b", "udp 10.0.0.1:53");
      const arps = found.arp.filter(({ device, direction }) => device === "bond0" && direction !== "out");
      expect(arps.length).toBe(1);
    },
  );
});
