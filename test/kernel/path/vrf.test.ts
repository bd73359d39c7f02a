import { describe, expect, it } from "vitest";
import type { World } from "../../../src/world/world.ts";
import { outcome, sessionOf, told } from "../../walk/asking.ts";
import { type HostSpec, smallWorld } from "../../walk/small-world.ts";

/**
 * A host r whose eth0 (towards a) and eth1 (towards b) are in the VRF red, eth2 (towards c) in none. The kernel here has no VRFs:
 * what is expected is what drivers/net/vrf.c says, and where there is one, the result that the kernel's own test expects
 * (tools/testing/selftests/net/fcnal-test.sh).
 */
const RED = { detail: { kind: "vrf", table: 1100 } as const, mtu: 65_575, noArp: true };

function vrfWorld(r: HostSpec = {}, red = "172.16.3.1/32 127.0.0.1/8 fd00:3::1/128"): World {
  const listen = ["tcp 80", "udp 53"];
  return smallWorld(
    {
      a: {
        links: { eth0: "10.0.0.2/24 fd00::2/64" },
        routes: ["default via 10.0.0.1", "::/0 via fd00::1"],
        listen,
      },
      r: {
        links: {
          red: { ...RED, addresses: red },
          eth0: { addresses: "10.0.0.1/24 fd00::1/64", master: "red" },
          eth1: { addresses: "10.0.1.1/24 fd00:1::1/64", master: "red" },
          eth2: "10.0.2.1/24 fd00:2::1/64",
        },
        forward: true,
        listen,
        ...r,
      },
      b: {
        links: { eth0: "10.0.1.2/24 fd00:1::2/64" },
        routes: ["default via 10.0.1.1", "::/0 via fd00:1::1"],
        listen,
      },
      c: {
        links: { eth0: "10.0.2.2/24 fd00:2::2/64" },
        routes: ["default via 10.0.2.1", "::/0 via fd00:2::1"],
        listen,
      },
    },
    ["a:eth0 r:eth0", "r:eth1 b:eth0", "r:eth2 c:eth0"],
  );
}

const tell = (r: HostSpec, host: string, query: string): string => told(sessionOf(vrfWorld(r)), host, query);

describe("what a VRF forwards", () => {
  it.each([
    ["a", "tcp 10.0.1.2:80", "connected by b, answered"],
    ["a", "icmp 10.0.1.2", "answered by 10.0.1.2, answered"],
    ["a", "tcp [fd00:1::2]:80", "connected by b, answered"],
    ["b", "udp [fd00::2]:53", "answered by a, answered"],
    // what its table does not know is looked up in the main one, whose own packets know no way back
    ["a", "udp 10.0.2.2:53", "timeout, reply-lost"],
    ["a", "udp [fd00:2::2]:53", "timeout, reply-lost"],
    ["c", "udp 10.0.0.2:53", "unreachable ENETUNREACH icmp 3/0 from 10.0.2.1, no-route"],
  ])("%s %s: %s", (host, query, expected) => {
    expect(tell({}, host, query)).toBe(expected);
  });

  it("its table ends where it says so", () => {
    const routes = [
      "unreachable default table 1100 metric 4278198272",
      "unreachable ::/0 table 1100 metric 4278198272",
    ];
    expect(tell({ routes }, "a", "udp 10.0.2.2:53")).toBe(
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, unreachable-route",
    );
    expect(tell({ routes }, "a", "icmp fd00:2::2")).toBe(
      "unreachable icmp 1/0 from fd00::1, unreachable-route",
    );
  });

  it("a route of one table by a device of the other leaks, one by the VRF is looked up there", () => {
    const routes = [
      "10.0.2.0/24 dev eth2 table 1100",
      "10.0.0.0/24 dev red",
      "fd00:2::/64 dev eth2 table 1100",
      "fd00::/64 dev red",
    ];
    expect(tell({ routes }, "a", "tcp 10.0.2.2:80")).toBe("connected by c, answered");
    expect(tell({ routes }, "a", "tcp [fd00:2::2]:80")).toBe("connected by c, answered");
    const { frames } = outcome(sessionOf(vrfWorld({ routes })), "a", "icmp 10.0.2.2");
    const replies = frames.filter(({ host, phase }) => host === "r" && phase === "reply");
    expect(replies.map(({ device, direction }) => `${device} ${direction}`)).toEqual([
      "eth2 in",
      "red out",
      "eth0 out",
    ]);
  });
});

describe("sockets and VRFs", () => {
  it.each([
    // "Global server": one bound to nothing hears nothing of a VRF, unless the sysctl says so
    [{}, "a", "tcp 10.0.0.1:80", "refused ECONNREFUSED, no-listener-tcp"],
    [{}, "a", "udp 10.0.0.1:53", "refused ECONNREFUSED icmp 3/3 from 10.0.0.1, no-listener-udp"],
    [{ sysctl: { "net.ipv4.tcp_l3mdev_accept": 1 } }, "a", "tcp 10.0.0.1:80", "connected by r, answered"],
    // "VRF server", "Device server"
    [{ listen: ["tcp 80 red"] }, "a", "tcp 10.0.0.1:80", "connected by r, answered"],
    [{ listen: ["tcp 80 red"] }, "a", "tcp 172.16.3.1:80", "connected by r, answered"],
    [{ listen: ["tcp 80 eth0"] }, "a", "tcp 10.0.0.1:80", "connected by r, answered"],
    [{ listen: ["tcp 80 eth1"] }, "a", "tcp 10.0.0.1:80", "refused ECONNREFUSED, no-listener-tcp"],
    [{ listen: ["udp 53 red"] }, "a", "udp 10.0.0.1:53", "answered by r, answered"],
    [{ listen: ["tcp 80 red"] }, "a", "tcp [fd00::1]:80", "connected by r, answered"],
    // nobody outside the VRF reaches what is bound to it
    [{ listen: ["tcp 80 red"] }, "c", "tcp 10.0.2.1:80", "refused ECONNREFUSED, no-listener-tcp"],
    // "ping in", of the address on the device and of the VRF's own
    [{}, "a", "icmp 10.0.0.1", "answered by 10.0.0.1, answered"],
    [{}, "a", "icmp 172.16.3.1", "answered by 172.16.3.1, answered"],
    [{}, "a", "icmp fd00:3::1", "answered by fd00:3::1, answered"],
  ])("%j %s %s: %s", (r, host, query, expected) => {
    expect(tell(r, host, query)).toBe(expected);
  });
});

describe("what a host with a VRF sends itself", () => {
  it.each([
    // "ping out, VRF bind", "device bind", and unbound: the main table knows no way
    ["icmp 10.0.0.2 dev=red", "answered by 10.0.0.2, answered"],
    ["icmp 10.0.0.2 dev=eth0", "answered by 10.0.0.2, answered"],
    ["udp 10.0.0.2:53", "unreachable ENETUNREACH, no-route"],
    ["icmp fd00::2 dev=red", "answered by fd00::2, answered"],
    ["tcp 10.0.0.2:80 dev=red", "connected by a, answered"],
    ["tcp [fd00::2]:80 dev=red", "connected by a, answered"],
    // "ping local, VRF bind": the device's address, the VRF's, and its loopback
    ["icmp 10.0.0.1 dev=red", "answered by 10.0.0.1, answered"],
    ["icmp 172.16.3.1 dev=red", "answered by 172.16.3.1, answered"],
    ["icmp 127.0.0.1 dev=red", "answered by 127.0.0.1, answered"],
    ["icmp fd00::1 dev=red", "answered by fd00::1, answered"],
    ["icmp fd00:3::1 dev=red", "answered by fd00:3::1, answered"],
    // "ping local, device bind": only to that device's own address
    ["icmp 10.0.0.1 dev=eth0", "answered by 10.0.0.1, answered"],
    ["udp 172.16.3.1:53 dev=eth0", "unreachable ENETUNREACH, no-route"],
    // "Global server, VRF client, local connection"
    ["tcp 10.0.0.1:80 dev=red", "refused ECONNREFUSED, no-listener-tcp"],
  ])("%s: %s", (query, expected) => {
    expect(tell({}, "r", query)).toBe(expected);
  });

  it.each([
    // "VRF server, VRF client, local connection", "VRF server, device client"
    ["tcp 80 red", "tcp 10.0.0.1:80 dev=red", "connected by r, answered"],
    ["tcp 80 red", "tcp 172.16.3.1:80 dev=red", "connected by r, answered"],
    ["tcp 80 red", "tcp 10.0.0.1:80 dev=eth0", "connected by r, answered"],
    ["tcp 80 eth0", "tcp 10.0.0.1:80 dev=red", "connected by r, answered"],
  ])("%s hears %s", (listen, query, expected) => {
    expect(tell({ listen: [listen] }, "r", query)).toBe(expected);
  });

  it("takes the VRF's address where the device has none of its own", () => {
    const links = { red: { ...RED, addresses: "172.16.3.1/32" }, eth0: { addresses: "", master: "red" } };
    const world = smallWorld(
      {
        r: { links, routes: ["10.0.0.0/24 dev eth0 table 1100"] },
        a: { links: { eth0: "10.0.0.2/24" }, routes: ["172.16.3.1 via 10.0.0.2 dev eth0 onlink"] },
      },
      ["r:eth0 a:eth0"],
    );
    const { frames } = outcome(sessionOf(world), "r", "icmp 10.0.0.2 dev=red");
    expect(frames[0]?.ip.src).toBe("172.16.3.1");
  });
});

/** Hooks and the devices that rules see there, by a rule in every chain that matches and does nothing. */
const LOGGING = `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -i eth0 -m comment --comment "in eth0"
-A PREROUTING -i red -m comment --comment "in red"
-A OUTPUT -o red -m comment --comment "out red"
-A OUTPUT -o eth0 -m comment --comment "out eth0"
COMMIT
*mangle
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A INPUT -i red -m comment --comment "input red"
-A INPUT -i eth0 -m comment --comment "input eth0"
-A FORWARD -i red -o eth1 -m comment --comment "forward red eth1"
-A POSTROUTING -o red -m comment --comment "post red"
-A POSTROUTING -o red -m conntrack --ctstate UNTRACKED -m comment --comment "post red untracked"
-A POSTROUTING -o eth0 -m comment --comment "post eth0"
-A POSTROUTING -o eth0 -m conntrack --ctstate UNTRACKED -m comment --comment "post eth0 untracked"
-A POSTROUTING -o eth1 -m comment --comment "post eth1"
COMMIT
`;

describe("the hooks", () => {
  const seen = (host: string, query: string, phase: string): (string | undefined)[] =>
    outcome(sessionOf(vrfWorld({ iptables: LOGGING, listen: ["tcp 80 red"] })), host, query)
      .rules.filter((rule) => rule.host === "r" && rule.phase === phase)
      .map(({ text }) => /--comment "?([^"]*)"?/.exec(text)?.[1]);

  it("PREROUTING of the device and of the VRF, INPUT of the VRF alone", () => {
    expect(seen("a", "icmp 10.0.0.1", "request")).toEqual(["in eth0", "in red", "input red"]);
  });

  it("FORWARD comes from the VRF", () => {
    expect(seen("a", "icmp 10.0.1.2", "request")).toEqual([
      "in eth0",
      "in red",
      "forward red eth1",
      "post eth1",
    ]);
  });

  it("OUTPUT and POSTROUTING of the VRF, untracked, then of the device", () => {
    expect(seen("r", "icmp 10.0.0.2 dev=red", "request")).toEqual([
      "out red",
      "post red",
      "post red untracked",
      "out eth0",
      "post eth0",
    ]);
  });

  it("a packet to the host itself meets those of the VRF once each way", () => {
    expect(seen("r", "icmp 10.0.0.1 dev=red", "request")).toEqual([
      "out red",
      "post red",
      "in red",
      "input red",
    ]);
  });

  it("a drop in the VRF's OUTPUT is not told to the sender", () => {
    const iptables = "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -o red -j DROP\nCOMMIT\n";
    expect(tell({ iptables }, "r", "udp 10.0.0.2:53 dev=red")).toBe("timeout, rule-drop");
  });
});

describe("rules of routing", () => {
  it("a rule by a VRF's name is one for all its devices", () => {
    const rules = ["priority 500 iif red lookup 7"];
    const routes = ["10.0.9.0/24 via 10.0.1.2 dev eth1 table 7"];
    const world = vrfWorld({ rules, routes });
    const { frames } = outcome(sessionOf(world), "a", "icmp 10.0.9.9");
    expect(
      frames.some(({ host, device, direction }) => host === "r" && device === "eth1" && direction === "out"),
    ).toBe(true);
  });

  it("rp_filter looks into the VRF", () => {
    const sysctl = { "net.ipv4.conf.all.rp_filter": 1 };
    expect(tell({ sysctl }, "a", "icmp 10.0.1.2")).toBe("answered by 10.0.1.2, answered");
    expect(tell({ sysctl }, "a", "icmp 10.0.1.2 src=10.0.1.9 raw")).toContain("rp-filter");
  });
});
