import { describe, expect, it } from "vitest";
import type { DeviceDetail } from "../../../src/kernel/device/device.ts";
import { outcome, sessionOf, told } from "../../walk/asking.ts";
import { BRIDGE, smallWorld } from "../../walk/small-world.ts";

/**
 * ipvlans beside those of recordings (`ipvs-ipip/ipvlan-*`), which hold IPv4 alone: what drivers/net/ipvlan/ipvlan_core.c says. The
 * kernel at hand has none.
 */

const LISTEN = ["udp 53"];

/** v on a card of h's, and b beside h. */
function card(mode: "l2" | "l3" | "l3s", iptables = "") {
  const detail: DeviceDetail = { kind: "ipvlan", mode, flag: "bridge", lower: { host: "h", device: "eth0" } };
  const local: DeviceDetail = { ...detail, lower: { host: null, device: "eth0" } };
  return smallWorld(
    {
      h: {
        links: {
          eth0: "10.1.0.1/24 fd00::1/64",
          i1: { addresses: "10.1.0.5/24", mac: "02:00:00:00:01:02", detail: local },
        },
        listen: LISTEN,
        iptables,
      },
      v: {
        links: {
          i0: { addresses: "10.1.0.2/24 fd00::2/64", mac: "02:00:00:00:01:02", noArp: mode !== "l2", detail },
        },
        listen: LISTEN,
      },
      b: { links: { eth0: "10.1.0.9/24 fd00::9/64" }, listen: LISTEN },
      sw: { links: { br0: { detail: BRIDGE }, p0: { master: "br0" }, p1: { master: "br0" } } },
    },
    ["h:eth0 sw:p0", "b:eth0 sw:p1"],
  );
}

describe("a neighbour solicitation from outside (ipvlan_get_L3_hdr)", () => {
  // Of those with a source only the destination is looked at, a group that is no ipvlan's: in l3 nobody answers.
  it.each([
    ["l2", "answered by v, answered"],
    ["l3", "unreachable EHOSTUNREACH icmp 1/3 from fd00::9, no-neighbour"],
  ] as const)("%s: %s", (mode, expected) => {
    expect(told(sessionOf(card(mode)), "b", "udp [fd00::2]:53")).toBe(expected);
  });
});

describe("a group frame (ipvlan_skb_crossing_ns)", () => {
  it("loses its mark below an ipvlan of the same namespace too", () => {
    const iptables = "*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 10.1.0.255 -j MARK --set-mark 7\nCOMMIT\n";
    const found = outcome(sessionOf(card("l2", iptables)), "h", "udp 10.1.0.255:53 dev=i1");
    const below = found.frames.find(
      ({ host, device, direction, ip }) =>
        host === "h" && device === "eth0" && direction === "out" && ip.dst === "10.1.0.255",
    );
    const above = found.frames.find(({ device, direction }) => device === "i1" && direction === "out");
    expect([above?.mark, below?.mark ?? 0]).toEqual([7, 0]);
  });
});
