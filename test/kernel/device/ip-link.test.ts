import { describe, expect, it } from "vitest";
import type { Device } from "../../../src/kernel/device/device.ts";
import { formatLink, parseLink } from "../../../src/kernel/device/ip-link.ts";
import { parseIpLinkText } from "../../../src/kernel/device/ip-link-text.ts";
import type { Json } from "../../../src/kernel/json-fields.ts";
import { readGoodJson, readJson } from "../json-of.ts";

const BASE: Json = {
  ifindex: 3,
  ifname: "eth0",
  flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
  mtu: 1500,
  operstate: "UP",
  link_type: "ether",
  address: "02:00:00:00:00:01",
  broadcast: "ff:ff:ff:ff:ff:ff",
};

const read = (json: Json) => readJson(json, (fields) => parseLink(fields, new Map(), new Set(["br0"]), 0));

function parse(json: Json): Device {
  const device = readGoodJson(json, (fields) => parseLink(fields, new Map(), new Set(["br0"]), 0));
  if (device === undefined) throw new Error("unread");
  return device;
}

function vxlan(data: Json): Json {
  return { ...BASE, operstate: "UNKNOWN", linkinfo: { info_kind: "vxlan", info_data: data } };
}

function without(field: string): Json {
  return Object.fromEntries(Object.entries(BASE).filter(([name]) => name !== field));
}

/** A tunnel's ends stand where others have their hardware addresses. */
function ipip(data: Json & { readonly local?: string; readonly remote?: string }): Json {
  const { local, remote } = data;
  const [address, broadcast] = [local, remote].map((end) => (end === "any" ? "0.0.0.0" : end));
  return {
    ...BASE,
    flags: [...(remote === "any" ? [] : ["POINTOPOINT"]), "NOARP", "UP", "LOWER_UP"],
    operstate: "UNKNOWN",
    link_type: "ipip",
    ...(address === undefined ? {} : { address, broadcast }),
    linkinfo: { info_kind: "ipip", info_data: data },
  };
}

const ENDS = { proto: "ipip", remote: "10.9.0.2", local: "10.9.0.1", ttl: 0, pmtudisc: true };
const TUNNEL = { id: 5, local: "10.9.0.1", link: "v0", port: 4789, learning: true, ttl: 5, df: "set" };
const { local: _, ...WITHOUT_LOCAL } = TUNNEL;
const OVER_IPV6 = { ...WITHOUT_LOCAL, local6: "fd00::9" };

const OPEN_PORT = {
  state: "forwarding",
  hairpin: false,
  learning: true,
  flood: true,
  mcast_flood: true,
  bcast_flood: true,
  isolated: false,
};

describe("devices as ip -j -d link prints them", () => {
  it.each<[string, Json]>([
    ["a card", BASE],
    [
      "a VRF",
      {
        ...BASE,
        flags: ["NOARP", "MASTER", "UP", "LOWER_UP"],
        mtu: 65575,
        linkinfo: { info_kind: "vrf", info_data: { table: 1100 } },
      },
    ],
    ["a veth", { ...BASE, linkinfo: { info_kind: "veth" } }],
    ["a device that is down", { ...BASE, flags: ["BROADCAST", "MULTICAST"], operstate: "DOWN" }],
    ["no carrier", { ...BASE, flags: ["NO-CARRIER", "BROADCAST", "MULTICAST", "UP"], operstate: "DOWN" }],
    [
      "a bridge",
      {
        ...BASE,
        linkinfo: {
          info_kind: "bridge",
          info_data: { ageing_time: 1000, vlan_filtering: 1, nf_call_iptables: 1 },
        },
      },
    ],
    [
      "a bridge that filters IPv6",
      {
        ...BASE,
        linkinfo: {
          info_kind: "bridge",
          info_data: { ageing_time: 1000, vlan_filtering: 0, nf_call_iptables: 0, nf_call_ip6tables: 1 },
        },
      },
    ],
    [
      "a port",
      {
        ...BASE,
        master: "br0",
        linkinfo: {
          info_kind: "veth",
          info_slave_kind: "bridge",
          info_slave_data: {
            state: "blocking",
            hairpin: true,
            learning: false,
            flood: false,
            mcast_flood: false,
            bcast_flood: false,
            isolated: true,
          },
        },
      },
    ],
    [
      "a port with more than is modelled",
      {
        ...BASE,
        master: "br0",
        linkinfo: {
          info_kind: "veth",
          info_slave_kind: "bridge",
          info_slave_data: { ...OPEN_PORT, neigh_suppress: true, locked: true },
        },
      },
    ],
    ["a tunnel that remembers for a minute", vxlan({ ...TUNNEL, ageing: 60 })],
    ["a tunnel to one remote", vxlan({ ...TUNNEL, remote: "1.2.3.4" })],
    ["a tunnel to a group", vxlan({ ...TUNNEL, group: "239.1.1.1" })],
    ["a tunnel to nobody", vxlan(TUNNEL)],
    ["a tunnel over IPv6", vxlan({ ...OVER_IPV6, remote6: "fd00::1" })],
    ["a tunnel over IPv6 to a group", vxlan({ ...OVER_IPV6, group6: "ff05::1" })],
    ["a dummy", { ...BASE, operstate: "UNKNOWN", linkinfo: { info_kind: "dummy" } }],
    ["a tunnel of IPv4", ipip(ENDS)],
    ["tunl0", ipip({ proto: "ipip", remote: "any", local: "any", ttl: 0, pmtudisc: false })],
    ["a tunnel with all settings", ipip({ ...ENDS, link: "eth0", ttl: 9, tos: "0x10", pmtudisc: false })],
    [
      "a macvlan",
      { ...BASE, link: "v0", linkinfo: { info_kind: "macvlan", info_data: { mode: "passthru" } } },
    ],
    [
      "an ipvlan",
      {
        ...BASE,
        link: "v0",
        operstate: "UNKNOWN",
        linkinfo: { info_kind: "ipvlan", info_data: { mode: "l3s", private: true } },
      },
    ],
    [
      "a VLAN",
      { ...BASE, link: "v0", linkinfo: { info_kind: "vlan", info_data: { protocol: "802.1Q", id: 5 } } },
    ],
    [
      "a loopback",
      {
        ...BASE,
        ifname: "lo",
        flags: ["LOOPBACK", "UP", "LOWER_UP"],
        operstate: "UNKNOWN",
        link_type: "loopback",
        address: "00:00:00:00:00:00",
        broadcast: "00:00:00:00:00:00",
      },
    ],
  ])("is given back: %s", (_, json) => {
    expect(formatLink(parse(json), undefined)).toEqual(json);
  });

  it.each<[string, Json, string]>([
    [
      "macvlan source",
      { ...BASE, linkinfo: { info_kind: "macvlan", info_data: { mode: "source" } } },
      "macvlan",
    ],
    [
      "802.1ad",
      { ...BASE, linkinfo: { info_kind: "vlan", info_data: { protocol: "802.1ad", id: 5 } } },
      "vlan",
    ],
    ["gretap", { ...BASE, linkinfo: { info_kind: "gretap", info_data: { remote: "1.2.3.4" } } }, "gretap"],
    ["a tunnel in UDP", ipip({ ...ENDS, encap: { type: "fou" } }), "ipip"],
    ["a tunnel told by each packet", ipip({ external: true }), "ipip"],
    ["wireguard without details", { ...BASE, link_type: "none" }, "none"],
  ])("a kind that is not modelled is kept: %s", (_, json, type) => {
    const device = parse(json);
    expect(device.detail).toEqual({ kind: "unmodelled", type });
    expect(formatLink(device, json)).toEqual(json);
  });

  it("a vxlan told by each packet is the kernel's half of Open vSwitch's tunnels", () => {
    const json = vxlan({ external: true, port: 4789 });
    const device = parse(json);
    expect(device.detail).toEqual({ kind: "external", type: "vxlan", port: 4789 });
    expect(formatLink(device, json)).toEqual(json);
  });

  it("tunl0 is known without its details", () => {
    const { linkinfo, ...head } = ipip({ remote: "any", local: "any" });
    expect(linkinfo).toBeDefined();
    expect(parse(head).detail).toMatchObject({
      kind: "ipip",
      local: null,
      remote: null,
      ttl: 0,
      pmtudisc: false,
    });
  });

  it("a port of which nothing is said is as new", () => {
    expect(parse({ ...BASE, master: "br0" }).port).toMatchObject({
      state: "forwarding",
      hairpin: false,
      flood: true,
    });
    expect(parse({ ...BASE, master: "bond0" }).port).toBeNull();
  });

  it.each<[string, Json, string]>([
    [
      "kind",
      { ...BASE, linkinfo: { info_kind: "brigde" } },
      'linkinfo.info_kind: "brigde" is no kind of device that Linux has: the nearest is "bridge"',
    ],
    [
      "kind far from all",
      { ...BASE, linkinfo: { info_kind: "quantum" } },
      'linkinfo.info_kind: "quantum" is no kind of device that Linux has: the nearest is "amt"',
    ],
    [
      "MAC",
      { ...BASE, address: "02:00:00:00:00" },
      'address: "02:00:00:00:00" is not a MAC address such as 02:42:ac:11:00:02',
    ],
    ["no mtu", without("mtu"), "mtu: is missing: a whole number from 0 to 2147483647 is expected"],
    ["mtu as text", { ...BASE, mtu: "1500" }, 'mtu: "1500" is not a whole number from 0 to 2147483647'],
    [
      "name",
      { ...BASE, ifname: "a device with a name" },
      'ifname: "a device with a name" is no device name: at most 15 characters, no blanks or slashes',
    ],
    ["no flags", without("flags"), 'flags: is missing: a list such as ["UP", "LOWER_UP"] is expected'],
    [
      "vxlan without data",
      { ...BASE, linkinfo: { info_kind: "vxlan" } },
      "linkinfo.info_data: is missing: the vxlan's id is expected",
    ],
    [
      "VNI",
      vxlan({ ...TUNNEL, id: 16777216 }),
      "linkinfo.info_data.id: 16777216 is not a whole number from 0 to 16777215",
    ],
    [
      "tunnel's port",
      vxlan({ ...TUNNEL, port: 99999 }),
      "linkinfo.info_data.port: 99999 is not a whole number from 0 to 65535",
    ],
    [
      "tunnel's ends",
      vxlan({ ...TUNNEL, remote6: "fd00::1" }),
      "linkinfo.info_data.local: is of another family than the remote end, fd00::1",
    ],
    [
      "tunnel's end",
      vxlan({ ...TUNNEL, local: "10.9.0" }),
      'linkinfo.info_data.local: "10.9.0" has 3 parts: an IPv4 address has exactly four, short forms are not read',
    ],
  ])("is refused: %s", (_, json, message) => {
    expect(read(json)).toEqual([message]);
  });
});

/** `ip -d link`, as iproute2 6.1 prints it (iplink_vxlan.c, iplink_geneve.c). */
describe("tunnels as ip -d link prints them for people", () => {
  const HEAD = [
    "7: t0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1430 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000",
    "    link/ether 02:aa:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 allmulti 0 minmtu 68 maxmtu 65535",
  ];

  it.each<readonly [string, Partial<Device["detail"]>]>([
    [
      "vxlan id 5 remote fd01::3 local fd01::2 dev eth0 srcport 0 0 dstport 4789 nolearning ttl auto ageing 300 udpcsum",
      {
        ...{ kind: "vxlan", vni: 5, link: "eth0", port: 4789, learning: false },
        ...{ remote: [0xfd01_0000, 0, 0, 3], local: [0xfd01_0000, 0, 0, 2] },
      },
    ],
    [
      "vxlan id 6 group ff05::7 dev eth0 srcport 0 0 dstport 4789 ttl 3 ageing 300 udpcsum",
      { kind: "vxlan", vni: 6, remote: [0xff05_0000, 0, 0, 7], local: null, ttl: 3 },
    ],
    [
      "geneve id 7 remote fd01::3 ttl auto dstport 6099 udpcsum noudp6zerocsumrx",
      { kind: "geneve", vni: 7, remote: [0xfd01_0000, 0, 0, 3], port: 6099, ttl: 0 },
    ],
    ["geneve id 7 remote 192.0.2.2 ttl 9 dstport 6081 noudpcsum", { kind: "geneve", port: 6081, ttl: 9 }],
  ])("%s", (words, detail) => {
    const lines = [...HEAD, `    ${words} addrgenmode eui64 numtxqueues 1`];
    const { items, odd, faults } = parseIpLinkText(lines.map((text, i) => ({ text, number: i + 1 })));
    expect([odd, faults]).toEqual([[], []]);
    expect(parse(items[0] as Json).detail).toMatchObject(detail);
  });
});
