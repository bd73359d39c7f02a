import { describe, expect, it } from "vitest";
import type { BridgePort, DeviceDetail, PortFlag } from "../../../src/kernel/device/device.ts";
import { outcome, places, sessionOf, told } from "../../walk/asking.ts";
import { BRIDGE, type HostSpec, macOf, smallWorld } from "../../walk/small-world.ts";

/**
 * A bridge's ports. The expectations are the kernel's (Linux 6.18), seen in namespaces hop-test-*, for example
 *
 *     ip -n hop-test-sw link set p0 master br0
 *     bridge -n hop-test-sw link set dev p2 bcast_flood off
 */

const LISTEN = ["tcp 80", "udp 53"];

/** a, b and c on the ports p0, p1 and p2 of sw's bridge. */
function bridged(ports: Readonly<Record<string, Partial<BridgePort>>> = {}, sw: HostSpec = {}) {
  const host = (n: number): HostSpec => ({ links: { eth0: `10.0.0.${n}/24` }, listen: LISTEN });
  const port = (name: string) => ({ master: "br0", port: ports[name] ?? {} });
  return smallWorld(
    {
      a: host(1),
      b: host(2),
      c: host(3),
      sw: {
        links: { br0: { detail: BRIDGE }, p0: port("a"), p1: port("b"), p2: port("c") },
        listen: LISTEN,
        ...sw,
      },
    },
    ["a:eth0 sw:p0", "b:eth0 sw:p1", "c:eth0 sw:p2"],
  );
}

const AGED: DeviceDetail = {
  ...(BRIDGE as Extract<DeviceDetail, { kind: "bridge" }>),
  ageingS: 3,
};
const LINKS = {
  br0: { detail: BRIDGE },
  p0: { master: "br0" },
  p1: { master: "br0" },
  p2: { master: "br0" },
};

const OK = "answered by";

describe("a port's settings", () => {
  it.each<readonly [string, Readonly<Record<string, Partial<BridgePort>>>, string, string, string]>([
    ["plain", {}, "a", "udp 10.0.0.2:53", `${OK} b, answered`],
    [
      "isolated from isolated",
      { a: { isolated: true }, b: { isolated: true } },
      "a",
      "udp 10.0.0.2:53",
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, no-neighbour",
    ],
    [
      "isolated from others",
      { a: { isolated: true }, b: { isolated: true } },
      "a",
      "udp 10.0.0.3:53",
      `${OK} c, answered`,
    ],
    [
      "no broadcasts out",
      { c: { bcastFlood: false } },
      "a",
      "udp 10.0.0.3:53",
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, no-neighbour",
    ],
    [
      "no broadcasts out, itself speaking first",
      { c: { bcastFlood: false } },
      "c",
      "udp 10.0.0.1:53",
      `${OK} a, answered`,
    ],
    [
      "no flooding, but it has been learned",
      { c: { flood: false } },
      "a",
      "udp 10.0.0.3:53",
      `${OK} c, answered`,
    ],
    [
      "no learning, so flooded each time",
      { b: { learning: false } },
      "a",
      "udp 10.0.0.2:53",
      `${OK} b, answered`,
    ],
    ["hairpin", { a: { hairpin: true } }, "a", "udp 10.0.0.2:53", `${OK} b, answered`],
    [
      "blocked",
      { b: { state: "blocking" } },
      "a",
      "udp 10.0.0.2:53",
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, no-neighbour",
    ],
    [
      "still learning",
      { b: { state: "learning" } },
      "a",
      "udp 10.0.0.2:53",
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, no-neighbour",
    ],
  ])("%s: %j, %s %s: %s", (_name, ports, from, query, expected) => {
    expect(told(sessionOf(bridged(ports)), from, query)).toBe(expected);
  });
});

describe("what the bridge's own host says to all", () => {
  it("goes out by every port, whatever is flooded from others", () => {
    const port = { bcastFlood: false, mcastFlood: false };
    const world = smallWorld(
      {
        a: { links: { eth0: "10.0.0.1/24 fd00::1/64" }, listen: LISTEN },
        sw: {
          links: {
            br0: { detail: BRIDGE, addresses: "10.0.0.9/24 fd00::9/64" },
            p0: { master: "br0", port },
          },
          listen: LISTEN,
        },
      },
      ["a:eth0 sw:p0"],
    );
    expect(told(sessionOf(world), "sw", "udp 10.0.0.1:53")).toBe("answered by a, answered");
    expect(told(sessionOf(world), "sw", "udp [fd00::1]:53")).toBe("answered by a, answered");
  });
});

describe("learning", () => {
  const request = (session: ReturnType<typeof sessionOf>, query: string): string[] =>
    places(outcome(session, "a", query), 1).filter((place) => place.startsWith("sw:"));

  it("sends a frame to the one port its address was seen on", () => {
    const session = sessionOf(bridged());
    expect(request(session, "udp 10.0.0.2:53")).toEqual(["sw:p0:in-otherhost", "sw:p1:out"]);
  });

  it("floods what nobody was seen with, the newest port first, not back where it came from", () => {
    const session = sessionOf(bridged({ b: { learning: false } }));
    expect(request(session, "udp 10.0.0.2:53")).toEqual(["sw:p0:in-otherhost", "sw:p2:out", "sw:p1:out"]);
  });

  it("a static entry moves with the frames of its address", () => {
    // bridge fdb add 02:00:00:00:02:02 dev p2 master static, while b sits on p1
    const session = sessionOf(bridged({}, { fdb: ["02:00:00:00:02:02 p2 master br0"] }));
    expect(request(session, "udp 10.0.0.2:53")).toEqual(["sw:p0:in-otherhost", "sw:p1:out"]);
  });

  it("and serves until such a frame comes", () => {
    const fdb = ["02:00:00:00:02:02 p2 master br0"];
    const world = bridged({ b: { learning: false } }, { fdb });
    expect(request(sessionOf(world), "udp 10.0.0.2:53")).toEqual(["sw:p0:in-otherhost", "sw:p2:out"]);
  });

  it("a broadcast reaches every port, and the bridge's own host", () => {
    const session = sessionOf(
      bridged(
        {},
        {
          links: {
            br0: { addresses: "10.0.0.9/24", detail: BRIDGE },
            p0: { master: "br0" },
            p1: { master: "br0" },
            p2: { master: "br0" },
          },
        },
      ),
    );
    const found = outcome(session, "a", "udp 10.0.0.255:53");
    expect(found.servers.map(({ host }) => host).sort()).toEqual(["a", "b", "c", "sw"]);
    expect(places(found, 1).filter((place) => place.startsWith("sw:"))).toEqual([
      "sw:p0:in-broadcast",
      "sw:p2:out",
      "sw:p1:out",
      "sw:br0:in-broadcast",
    ]);
  });
});

describe("hairpin", () => {
  /** x and y behind one port of sw: a bridge of their own that floods. */
  const behind = (hairpin: boolean) =>
    smallWorld(
      {
        x: {
          links: { eth0: { addresses: "10.0.0.1/24" } },
          neighbours: ["10.0.0.5 eth0 02:00:00:00:01:02"],
          listen: LISTEN,
        },
        sw: {
          links: { br0: { detail: BRIDGE }, p0: { master: "br0", port: { hairpin } }, p1: { master: "br0" } },
        },
        z: { links: { eth0: "10.0.0.9/24" }, listen: LISTEN },
      },
      ["x:eth0 sw:p0", "z:eth0 sw:p1"],
    );

  it.each([
    // x sends to its own address as if it were another's: only a hairpin port gives it back
    [true, ["x:eth0:out", "sw:p0:in-otherhost", "sw:p0:out", "x:eth0:in"]],
    [false, ["x:eth0:out", "sw:p0:in-otherhost"]],
  ])("%s: %j", (hairpin, expected) => {
    expect(places(outcome(sessionOf(behind(hairpin)), "x", "udp 10.0.0.5:53"), 1)).toEqual(expected);
  });
});

/** In the kernel likewise (namespaces v6link-a, -r and -b), redirect and all. */
describe("br_netfilter and IPv6", () => {
  const rules = [
    "*nat",
    ":PREROUTING ACCEPT",
    ":INPUT ACCEPT",
    ":OUTPUT ACCEPT",
    ":POSTROUTING ACCEPT",
    "-A PREROUTING -d fd0a::1/128 -j DNAT --to-destination fd02::2",
    "-A PREROUTING -d fd0a::2/128 -j DNAT --to-destination fd03::2",
    "-A PREROUTING -d fd0a::3/128 -j DNAT --to-destination fd01::3",
    "-A POSTROUTING -o rb -j MASQUERADE",
    "COMMIT",
    "",
  ].join("\n");
  const world = () =>
    smallWorld(
      {
        a: { links: { eth0: "fd01::2/64" }, routes: ["::/0 via fd01::1"], listen: LISTEN },
        d: { links: { eth0: "fd01::3/64" }, routes: ["::/0 via fd01::1"], listen: LISTEN },
        r: {
          links: {
            br0: { addresses: "fd01::1/64", detail: BRIDGE },
            pa: { master: "br0" },
            pd: { master: "br0" },
            rb: "fd02::1/64",
          },
          routes: ["fd03::/64 via fd02::2"],
          forward: true,
          sysctl: { "net.bridge.bridge-nf-call-ip6tables": 1 },
          ip6tables: rules,
        },
        b: { links: { eth0: "fd02::2/64 fd03::2/64" }, routes: ["::/0 via fd02::1"], listen: LISTEN },
      },
      ["a:eth0 r:pa", "d:eth0 r:pd", "b:eth0 r:rb"],
    );

  // What was translated on the bridge counts as come in by the device it leaves by: its sender is told of the neighbour there.
  it.each([
    ["fd0a::1", "b", "fd02::2"],
    ["fd0a::2", "b", undefined],
    ["fd0a::3", "d", undefined],
  ])("%s is translated on the bridge and answered by %s; redirect to %s", (address, by, target) => {
    const found = outcome(sessionOf(world()), "a", `udp [${address}]:53`);
    expect(found.client.answeredBy).toBe(by);
    const told = found.ndp.find(({ nd, host }) => nd.type === 137 && host === "a");
    expect(told?.nd.target).toBe(target);
  });

  it("translates to a neighbour on the bridge without a hop less", () => {
    const { frames } = outcome(sessionOf(world()), "a", "udp [fd0a::3]:53 ttl=9");
    expect(frames.find(({ host, phase }) => host === "d" && phase === "request")?.ip.ttl).toBe(9);
  });
});

describe("br_netfilter", () => {
  /** a and b on n's bridge, which has rules. */
  const node = (call: number, rule: string, a: HostSpec = {}, mtu = 1500) =>
    smallWorld(
      {
        a: { links: { eth0: "10.0.0.1/24" }, listen: LISTEN, ...a },
        b: { links: { eth0: "10.0.0.2/24" }, listen: LISTEN },
        n: {
          links: {
            br0: { addresses: "10.0.0.9/24", detail: BRIDGE, mtu },
            p0: { master: "br0" },
            p1: { master: "br0" },
          },
          forward: true,
          listen: LISTEN,
          sysctl: { "net.bridge.bridge-nf-call-iptables": call },
          iptables: `*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD ${rule}\nCOMMIT\n`,
        },
      },
      ["a:eth0 n:p0", "b:eth0 n:p1"],
    );

  it.each([
    [0, "-j DROP", "connected by b, answered"],
    [1, "-j DROP", "timeout, rule-drop"],
    [1, "-m physdev --physdev-is-bridged -j DROP", "timeout, rule-drop"],
    [1, "-m physdev --physdev-in p1 -p tcp -j DROP", "timeout, reply-lost"],
    [1, "-i br0 -o br0 -p tcp -j REJECT --reject-with tcp-reset", "refused ECONNREFUSED, rule-reject"],
    [
      1,
      "-i br0 -o br0 -j REJECT --reject-with icmp-port-unreachable",
      "refused ECONNREFUSED icmp 3/3 from 10.0.0.9, rule-reject",
    ],
    [1, "-i p0 -j DROP", "connected by b, answered"],
  ])("bridge-nf-call-iptables %d, FORWARD %s: %s", (call, rule, expected) => {
    expect(told(sessionOf(node(call, rule)), "a", "tcp 10.0.0.2:80")).toBe(expected);
  });

  it.each([
    // what conntrack joined is cut as it came, though it would fit; the bridge's MTU itself only says no
    [1500, "0:596+ 576:596+ 1152:176"],
    [590, ""],
  ])("of MTU %d cuts fragments again as they came: %j", (mtu, expected) => {
    const cutting = { routes: ["10.0.0.2 dev eth0 mtu 600"] };
    const world = node(1, "-m conntrack --ctstate INVALID -j DROP", cutting, mtu);
    const { frames } = outcome(sessionOf(world), "a", "icmp 10.0.0.2 size=1300");
    const requests = frames.filter((f) => f.host === "b" && f.phase === "request" && f.direction === "in");
    const pieces = requests.map(({ ip }) => `${ip.off ?? 0}:${ip.len}${ip.mf === true ? "+" : ""}`);
    expect(pieces.join(" ")).toBe(expected);
  });
});

/** In namespaces au2-a to -c, beside a bridge whose MAC was its own. */
describe("a bridge", () => {
  const own = (more: HostSpec["links"], neighbours: readonly string[] = []) =>
    smallWorld(
      {
        a: { links: { eth0: "10.0.0.1/24" }, neighbours: [...neighbours], listen: LISTEN },
        b: { links: { eth0: "10.0.0.2/24" }, listen: LISTEN },
        c: { links: { eth0: "10.0.0.3/24" }, listen: LISTEN },
        sw: {
          links: {
            br0: { detail: BRIDGE, addresses: "10.0.0.9/24", mac: "02:00:00:00:99:99" },
            p0: { master: "br0" },
            p1: { master: "br0" },
            p2: { master: "br0" },
            ...more,
          },
          listen: LISTEN,
        },
      },
      ["a:eth0 sw:p0", "b:eth0 sw:p1", "c:eth0 sw:p2"],
    );

  // sw is the fourth host: its ports are 3, 4 and 5.
  it.each([
    ["its own MAC", "02:00:00:00:99:99", `${OK} sw, answered`],
    ["the MAC of the port it came in by", "02:00:00:00:04:03", `${OK} sw, answered`],
    ["another port's", "02:00:00:00:04:04", "timeout, other-host"],
  ])("and a frame to %s", (_, mac, expected) => {
    expect(told(sessionOf(own({}, [`10.0.0.9 eth0 ${mac}`])), "a", "udp 10.0.0.9:53")).toBe(expected);
  });

  it("that is down carries nothing from port to port (br_stp_disable_bridge)", () => {
    const down = own({ br0: { detail: BRIDGE, up: false } });
    expect(told(sessionOf(down), "a", "udp 10.0.0.2:53")).toMatch(/^unreachable EHOSTUNREACH/);
  });

  it("without ageing floods everything (br_fdb_update)", () => {
    const reached = (detail: typeof BRIDGE) => {
      const found = outcome(sessionOf(own({ br0: { detail } })), "a", "udp 10.0.0.2:53");
      return places(found, 1).includes("c:eth0:in-otherhost");
    };
    expect([reached(BRIDGE), reached({ ...BRIDGE, ageingS: 0 } as typeof BRIDGE)]).toEqual([false, true]);
  });
});

/** Namespaces rm7g-*: a bridge with `ageing_time 300`, and `bridge -s fdb show` every second. */
describe("what was learned", () => {
  const floods = (session: ReturnType<typeof sessionOf>): boolean =>
    places(outcome(session, "a", "udp 10.0.0.2:53"), 1).includes("c:eth0:in-otherhost");

  it("is forgotten after the ageing time, counted from the last frame", () => {
    const session = sessionOf(bridged({}, { links: { ...LINKS, br0: { detail: AGED } } }));
    expect(floods(session)).toBe(false);
    session.wait(2900);
    expect(floods(session)).toBe(false);
    session.wait(2900);
    expect(floods(session)).toBe(false);
    session.wait(3000);
    expect(floods(session)).toBe(true);
  });

  it("of a static entry, that it moved, is not", () => {
    const b = macOf(2, 2);
    const sw = {
      links: { ...LINKS, br0: { detail: AGED } },
      fdb: [`${b} p2 master br0`],
    };
    const session = sessionOf(bridged({}, sw));
    outcome(session, "b", "udp 10.0.0.1:53");
    // Not so long that a would ask for b first, whose answer teaches the bridge.
    session.wait(4000);
    expect(floods(session)).toBe(false);
  });
});

describe("what of a port is not modelled", () => {
  const unknown = (flag: PortFlag, query: string): readonly string[] => {
    const session = sessionOf(bridged({ b: { flags: [flag] } }));
    outcome(session, "b", "udp 10.0.0.1:53");
    return outcome(session, "a", query).verdict.unknown ?? [];
  };

  it("is said of the frames that it is about", () => {
    expect(unknown("mcast_to_unicast", "udp 10.0.0.2:53")).toEqual([]);
    expect(unknown("mcast_to_unicast", "udp 10.0.0.3:53")).toEqual([
      "mcast_to_unicast of the bridge port p1",
    ]);
    expect(unknown("vlan_tunnel", "udp 10.0.0.2:53")).toEqual(["vlan_tunnel of the bridge port p1"]);
  });
});
