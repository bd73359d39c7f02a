import { describe, expect, it } from "vitest";
import type { DeviceDetail } from "../../../src/kernel/device/device.ts";
import { outcome, places, sessionOf, told } from "../../walk/asking.ts";
import { BRIDGE, type HostSpec, type LinkSpec, smallWorld } from "../../walk/small-world.ts";

/**
 * A bridge that filters by VLAN, and VLAN devices. The expectations are those of net/bridge/br_vlan.c (Linux 6.1: ingress by
 * PVID and membership, a forwarding database for each VLAN, egress tagged or not, the bridge itself like a port) and of
 * net/8021q.
 */

const FILTERING = { ...BRIDGE, vlanFiltering: true } as DeviceDetail;
const LISTEN = ["tcp 80", "udp 53"];
const on = (device: string, id: number): DeviceDetail => ({
  kind: "vlan",
  id,
  lower: { host: null, device },
});

/** a, b and c on the ports p0, p1 and p2 of sw's bridge; c has the VLANs 10 and 20 as devices too. */
function switched(
  vlans: readonly string[],
  sw: Readonly<Record<string, LinkSpec>> = {},
  more: HostSpec = {},
) {
  const host = (n: number): HostSpec => ({ links: { eth0: `10.0.0.${n}/24` }, listen: LISTEN });
  return smallWorld(
    {
      a: host(1),
      b: host(2),
      c: {
        links: {
          eth0: "10.0.0.3/24",
          "eth0.10": { addresses: "10.0.10.3/24", detail: on("eth0", 10), mac: "02:00:00:00:03:02" },
          "eth0.20": { addresses: "10.0.20.3/24", detail: on("eth0", 20), mac: "02:00:00:00:03:02" },
        },
        listen: LISTEN,
      },
      sw: {
        links: {
          br0: { detail: FILTERING, addresses: "10.0.0.9/24" },
          p0: { master: "br0" },
          p1: { master: "br0" },
          p2: { master: "br0" },
          ...sw,
        },
        listen: LISTEN,
        vlans,
        ...more,
      },
    },
    ["a:eth0 sw:p0", "b:eth0 sw:p1", "c:eth0 sw:p2"],
  );
}

const OK = "answered by";
const NOBODY = "unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, no-neighbour";

describe("which frames a filtering bridge lets through", () => {
  it.each<readonly [string, readonly string[], string, string]>([
    ["nothing said: all are in VLAN 1", [], "10.0.0.2", `${OK} b, answered`],
    ["the bridge is in VLAN 1 as well", [], "10.0.0.9", `${OK} sw, answered`],
    [
      "two ports of one VLAN",
      ["p0 10 pvid untagged", "p1 10 pvid untagged"],
      "10.0.0.2",
      `${OK} b, answered`,
    ],
    ["of two VLANs", ["p0 10 pvid untagged", "p1 20 pvid untagged"], "10.0.0.2", NOBODY],
    ["the bridge in another VLAN", ["p0 10 pvid untagged"], "10.0.0.9", NOBODY],
    [
      "the bridge in the same",
      ["p0 10 pvid untagged", "br0 10 pvid untagged"],
      "10.0.0.9",
      `${OK} sw, answered`,
    ],
    ["a port in no VLAN", ["p0 none"], "10.0.0.2", NOBODY],
    ["a port without PVID", ["p0 1 untagged"], "10.0.0.2", NOBODY],
    [
      "asymmetric: each one's PVID is a VLAN of the other's",
      ["p0 10 pvid untagged", "p0 20 untagged", "p1 20 pvid untagged", "p1 10 untagged"],
      "10.0.0.2",
      `${OK} b, answered`,
    ],
    [
      "asymmetric one way: the answer is not let out",
      ["p0 10 pvid untagged", "p1 20 pvid untagged", "p1 10 untagged"],
      "10.0.0.2",
      NOBODY,
    ],
    [
      "tagged towards a host that has no such VLAN",
      ["p0 10 pvid untagged", "p1 10", "p1 20 pvid untagged"],
      "10.0.0.2",
      NOBODY,
    ],
  ])("%s", (_, vlans, to, expected) => {
    expect(told(sessionOf(switched(vlans)), "a", `udp ${to}:53`)).toBe(expected);
  });
});

describe("tagged frames", () => {
  const TRUNK = ["p0 10 pvid untagged", "p1 20 pvid untagged", "p2 10-20"];
  const at10 = { a: "10.0.10.1/24", c: "eth0.10" };

  function trunk(address: string, vlans = TRUNK) {
    const world = switched(vlans);
    const own = smallWorld({ a: { links: { eth0: address }, listen: LISTEN } }, []).hosts.get("a");
    if (own === undefined) throw new Error("a");
    return { ...world, hosts: new Map(world.hosts).set("a", own) };
  }

  it("leave by a trunk with their tag, and come in by the VLAN's device", () => {
    const found = outcome(sessionOf(trunk(at10.a)), "a", "udp 10.0.10.3:53");
    expect(found.client.answeredBy).toBe("c");
    expect(places(found, 1)).toEqual([
      "a:eth0:out",
      "sw:p0:in-otherhost",
      "sw:p2:out",
      "c:eth0:in",
      "c:eth0.10:in",
    ]);
    const tags = found.frames.filter((frame) => frame.packet === 1).map((frame) => frame.eth?.vlan ?? 0);
    expect(tags).toEqual([0, 0, 10, 10, 0]);
  });

  it("go back by the VLAN's device with its tag", () => {
    const found = outcome(sessionOf(trunk(at10.a)), "a", "udp 10.0.10.3:53");
    expect(places(found, 2)).toEqual([
      "c:eth0.10:out",
      "c:eth0:out",
      "sw:p2:in-otherhost",
      "sw:p0:out",
      "a:eth0:in",
    ]);
    const tags = found.frames.filter((frame) => frame.packet === 2).map((frame) => frame.eth?.vlan ?? 0);
    expect(tags).toEqual([0, 10, 10, 0, 0]);
  });

  // Any device of a host answers for any of its addresses; but the way back is the other VLAN's.
  it("of another VLAN than the port's do not come back", () => {
    expect(told(sessionOf(trunk("10.0.20.1/24")), "a", "udp 10.0.20.3:53")).toBe("timeout, reply-lost");
  });

  it("that no device is for are not for the host", () => {
    const vlans = ["p0 30 pvid untagged", "p2 30"];
    const world = switched(vlans);
    expect(told(sessionOf(world), "a", "udp 10.0.0.3:53")).toBe(NOBODY);
  });

  it("one MAC may be behind two ports in two VLANs", () => {
    const session = sessionOf(trunk(at10.a));
    expect(told(session, "a", "udp 10.0.10.3:53")).toBe(`${OK} c, answered`);
    const found = session.stack(session.network.hostNumber("sw"));
    expect(found.state.learned.size).toBe(2);
  });
});

describe("a bridge's own VLANs", () => {
  it("are devices on the bridge", () => {
    const world = switched(["p0 10 pvid untagged", "br0 10"], {
      br0: { detail: FILTERING },
      "br0.10": { detail: on("br0", 10), addresses: "10.0.0.8/24", mac: "02:00:00:00:04:02" },
    });
    const found = outcome(sessionOf(world), "a", "udp 10.0.0.8:53");
    expect(found.client.answeredBy).toBe("sw");
    expect(places(found, 1)).toEqual(["a:eth0:out", "sw:p0:in-otherhost", "sw:br0:in", "sw:br0.10:in"]);
  });
});

describe("STP states", () => {
  it.each(["disabled", "listening", "learning", "blocking"] as const)(
    "nothing passes a port that is %s",
    (state) => {
      const world = switched([], { p1: { master: "br0", port: { state } } });
      expect(told(sessionOf(world), "a", "udp 10.0.0.2:53")).toBe(NOBODY);
    },
  );

  it.each([
    ["learning", 1],
    ["blocking", 0],
  ] as const)("who speaks behind a port that is %s", (state, learned) => {
    const session = sessionOf(switched([], { p0: { master: "br0", port: { state } } }));
    outcome(session, "a", "udp 10.0.0.2:53");
    expect(session.stack(session.network.hostNumber("sw")).state.learned.size).toBe(learned);
  });
});
