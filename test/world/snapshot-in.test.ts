import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../src/address/ipv4.ts";
import { formatPrefix6 } from "../../src/address/prefix6.ts";
import type { Host } from "../../src/kernel/host.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { writeSnapshot } from "../../src/world/snapshot-out.ts";
import { readRecordingText } from "../fixtures.ts";

const LINK = { flags: ["UP", "LOWER_UP"], mtu: 1500, link_type: "ether", address: "02:00:00:00:00:01" };
const LO = { ...LINK, ifindex: 1, ifname: "lo", link_type: "loopback", address: "00:00:00:00:00:00" };
const ETH0 = { ...LINK, ifindex: 2, ifname: "eth0" };
const VETH = { ...LINK, linkinfo: { info_kind: "veth" } };

function read(file: string, json: unknown) {
  const snapshot = readSnapshot(file, JSON.stringify(json));
  if (snapshot.kind !== "ok") throw new Error(JSON.stringify(snapshot.errors));
  return snapshot;
}

function only(json: unknown): Host {
  const [host] = read("dumps/node-7.json.gz", json).world.hosts.values();
  if (host === undefined) throw new Error("no host");
  return host;
}

describe("a snapshot of one host", () => {
  it("is named by its name, or by the file", () => {
    expect(only({ links: [LO] }).name).toBe("node-7");
    expect(only({ name: "n1", kind: "router", links: [LO] })).toMatchObject({ name: "n1", kind: "router" });
    expect([...read("-", { links: [LO] }).world.hosts.keys()]).toEqual(["host"]);
  });

  it("is no recording", () => {
    expect(read("a", { links: [LO] }).recording).toBeNull();
    expect(read("a.json", { hosts: { a: { links: [LO] } }, probes: [] }).recording).toEqual({
      file: "a.json",
      name: "a",
      description: "",
      setup: [],
      probes: [],
    });
  });

  it("names its kernel, for itself or for all", () => {
    expect(only({ links: [LO] }).kernel).toBe("6.18");
    expect(only({ links: [LO], kernel: "6.1" }).kernel).toBe("6.1");
    const { world } = read("a", {
      kernel: "6.1",
      hosts: { a: { links: [LO] }, b: { links: [LO], kernel: "6.18" } },
    });
    expect([...world.hosts.values()].map(({ kernel }) => kernel)).toEqual(["6.1", "6.18"]);
  });
});

describe("what a snapshot does not say", () => {
  it("sockets and iptables are assumed", () => {
    const host = only({ links: [LO] });
    expect(host.sockets).toEqual({ kind: "assumed" });
    expect(host.iptables).toBeNull();
    expect(only({ links: [LO], iptablesBackend: "legacy", iptablesSave: "" }).iptables).toEqual({
      backend: "legacy",
      tables: new Map(),
    });
    expect(only({ links: [LO], sockets: "" }).sockets).toEqual({ kind: "listed", sockets: [] });
  });

  it("policy rules are those that a namespace begins with", () => {
    expect(only({ links: [LO] }).rules.map(({ priority }) => priority)).toEqual([0, 32766, 32767]);
    expect(only({ links: [LO], rules: [] }).rules).toEqual([]);
  });

  const addrs = [
    { ...ETH0, addr_info: [{ family: "inet", local: "10.0.0.5", prefixlen: 24, scope: "global" }] },
  ];
  const routesOf = (host: Host) =>
    host.routes.map(({ table, type, dst }) => `${table} ${type} ${formatIpv4(dst.address)}/${dst.length}`);

  it("a local table is made from the addresses, and without any routes the network's too", () => {
    const local = ["local local 10.0.0.5/32", "local broadcast 10.0.0.255/32"];
    const routes = [{ dst: "default", gateway: "10.0.0.1", dev: "eth0" }];
    expect(routesOf(only({ links: [ETH0], addrs, routes }))).toEqual(["main unicast 0.0.0.0/0", ...local]);
    expect(routesOf(only({ addrs })).sort()).toEqual(["main unicast 10.0.0.0/24", ...local].sort());
  });

  it("devices are read off their addresses", () => {
    expect(only({ addrs }).devices.map(({ name, detail }) => [name, detail.kind])).toEqual([
      ["eth0", "ether"],
    ]);
  });

  it("what a filter of ip left out is nothing", () => {
    expect(only({ links: [{}, LO], addrs: [{}, { ...LO, addr_info: [{}] }] }).devices).toHaveLength(1);
  });
});

describe("wires", () => {
  const a = { ...VETH, ifindex: 2, ifname: "a", link: "b" };
  const b = { ...VETH, ifindex: 3, ifname: "b", link: "a" };

  it("a veth pair within a host needs none", () => {
    expect(read("x", { hosts: { h: { links: [a, b] } } }).world.wires).toEqual([
      { a: { host: "h", device: "a" }, b: { host: "h", device: "b" } },
    ]);
    expect(read("x", { links: [a, b] }).world.wires).toHaveLength(1);
  });

  it("a veth whose pair is in another namespace is left alone", () => {
    expect(read("x", { links: [{ ...a, link: "if7" }] }).world.wires).toEqual([]);
  });

  it("are written for the hosts that are written", () => {
    const hosts = { h: { links: [ETH0] }, i: { links: [ETH0] }, j: { links: [ETH0, b] } };
    const wires = [
      ["h", "eth0", "i", "eth0"],
      ["j", "eth0", "j", "b"],
    ];
    const { world } = read("x", { hosts, wires });
    const written = (...names: string[]) =>
      JSON.parse(writeSnapshot(world, names)) as { hosts: object; wires: unknown };
    expect(Object.keys(written("h", "j").hosts)).toEqual(["h", "j"]);
    expect(written("h", "j").wires).toEqual([wires[1]]);
    expect(() => writeSnapshot(world, ["k"])).toThrow('the world has no host "k"');
  });
});

describe("what is not modelled", () => {
  it("is kept, and given back where it was", () => {
    const json = {
      links: [ETH0],
      ipsetSave: "create a hash:ip family inet hashsize 1024 maxelem 65536\n",
      nftRulesetJson: { nftables: [] },
      somethingElse: [1, 2],
    };
    const back = JSON.parse(writeSnapshot(read("x", json).world)) as {
      hosts: { x: Record<string, unknown> };
    };
    const { links: _, ...given } = json;
    expect(back.hosts.x).toMatchObject(given);
  });
});

describe("IPv6", () => {
  const six = { family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link", nodad: true };
  const addrs = [{ ...ETH0, addr_info: [six] }];

  it("is read wherever iproute2 prints it, and written beside IPv4", () => {
    const net = { dst: "fe80::/64", dev: "eth0", metric: 256, pref: "medium" };
    const own = { type: "local", dst: "fe80::1", dev: "eth0", table: "local", pref: "medium" };
    const neigh = [{ dst: "fe80::2", dev: "eth0", lladdr: "02:00:00:00:00:02", state: ["STALE"] }];
    const rules = [{ priority: 5, src: "fd00::", srclen: 8, table: "7" }];
    const sockets = "tcp LISTEN 0 128 [::]:80 [::]:*\n";
    const json = { links: [ETH0], addrs, routes: [net, own], rules, neigh, sockets };
    const host = only(json);
    expect([host.addresses, host.routes, host.rules, host.neighbours]).toEqual([[], [], [], []]);
    const { hosts } = JSON.parse(writeSnapshot(read("x", json).world)) as { hosts: { x: object } };
    expect(hosts.x).toMatchObject({
      routes6: [net, { ...own, metric: 0 }],
      rules6: rules,
      neigh,
      sockets,
    });
  });

  it("of which no routes were dumped has those that the kernel makes", () => {
    const sysctl = { "net.ipv6.conf.all.forwarding": "1" };
    const routes = (given: object) =>
      only({ links: [{ ...ETH0, flags: ["UP"] }], addrs, ...given }).routes6.map(
        ({ type, table, dst, metric }) => `${type} ${table} ${formatPrefix6(dst)} ${metric}`,
      );
    const made = ["local local fe80::1/128 0", "unicast main fe80::/64 256", "multicast local ff00::/8 256"];
    expect(routes({})).toEqual(made);
    expect(routes({ sysctl })).toEqual([...made.slice(0, 2), "anycast local fe80::/128 0", ...made.slice(2)]);
    const main = [{ dst: "fe80::/64", dev: "eth0", protocol: "kernel", metric: 256, pref: "medium" }];
    expect(routes({ routes6: main })).toEqual([
      "unicast main fe80::/64 256",
      "local local fe80::1/128 0",
      "multicast local ff00::/8 256",
    ]);
  });
});

it("progress is told a host at a time", () => {
  const told: number[] = [];
  readSnapshot("x", readRecordingText("g-dsr-hidden"), (fraction) => told.push(fraction));
  expect(told.at(-1)).toBe(1);
  expect(told).toEqual([...told].sort((a, b) => a - b));
});

it("a snapshot of tens of megabytes takes seconds", () => {
  const links = Array.from({ length: 20_000 }, (_, i) => ({ ...VETH, ifindex: i + 1, ifname: `v${i}` }));
  const address = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
  const addrs = links.map((link, i) => ({
    ...link,
    addr_info: [{ family: "inet", local: address(i), prefixlen: 32, scope: "global" }],
  }));
  const routes = links.map((link, i) => ({ dst: address(i), dev: link.ifname, scope: "link", flags: [] }));
  const wires = links.map((link) => ["a", link.ifname, "b", link.ifname]);
  const host = { links, addrs, routes };
  const started = performance.now();
  expect(read("x", { hosts: { a: host, b: host }, wires }).world.wires).toHaveLength(20_000);
  expect(performance.now() - started).toBeLessThan(20_000);
});
