import { describe, expect, it } from "vitest";
import { formatIpv4, parseIpv4 } from "../../../src/address/ipv4.ts";
import { routeCommand } from "../../../src/kernel/addressing-text.ts";
import type { Json } from "../../../src/kernel/json-fields.ts";
import {
  formatRoute,
  formatRoute6,
  isIpv6Route,
  parseRoute,
  parseRoute6,
} from "../../../src/kernel/route/ip-route.ts";
import { parseIpRouteText } from "../../../src/kernel/route/ip-route-text.ts";
import { readGoodJson, readJson } from "../json-of.ts";

const parse = (json: Json) => readGoodJson(json, (fields) => parseRoute(fields, 0));
const faults = (json: Json) => readJson(json, (fields) => parseRoute(fields, 0));

describe("routes as ip -j prints them", () => {
  // Printed by iproute2 6.1 for routes made with the commands beside them.
  it.each<[string, Json]>([
    ["default via", { dst: "default", gateway: "203.0.113.254", dev: "eth0", flags: [] }],
    ["onlink", { dst: "10.244.22.0/24", gateway: "10.244.22.0", dev: "flannel.1", flags: ["onlink"] }],
    [
      "unreachable, table 9, proto bird",
      {
        type: "unreachable",
        dst: "8.0.0.0/8",
        table: "9",
        protocol: "bird",
        flags: [],
      },
    ],
    ["blackhole", { type: "blackhole", dst: "10.200.0.0/24", flags: [] }],
    [
      "tos, metric, mtu",
      {
        dst: "1.0.0.0/8",
        tos: "0x10",
        dev: "v0",
        scope: "link",
        metric: 5,
        flags: [],
        metrics: [{ mtu: 1300 }],
      },
    ],
    [
      "realms",
      { dst: "10.3.0.0/24", gateway: "10.0.0.2", dev: "v0", flow: { from: "3", to: "cosmos" }, flags: [] },
    ],
    [
      "nexthops with weights",
      {
        dst: "2.0.0.0/8",
        flags: [],
        nexthops: [
          { dev: "v0", weight: 256, flags: [] },
          { gateway: "10.9.0.3", dev: "v0", weight: 2, flags: ["onlink"] },
        ],
      },
    ],
    [
      "window, rtt, …, congctl cubic, fastopen_no_cookie",
      {
        dst: "10.9.0.0/16",
        gateway: "10.0.0.2",
        dev: "va",
        flags: [],
        metrics: [
          {
            ...{ mtu: 1200, window: 5000, rtt: 30, rttvar: 20, ssthresh: 5, cwnd: 10, advmss: 1000 },
            ...{ reordering: 4, hoplimit: 7, initcwnd: 20, ecn: null, rto_min: 40, initrwnd: 30 },
            ...{ quickack: 1, congestion: "cubic", fastopen_no_cookie: 1 },
          },
        ],
      },
    ],
    ["scope global without a gateway", { dst: "5.0.0.0/8", dev: "v0", flags: [] }],
    ["local", { type: "local", dst: "7.0.0.0/8", dev: "lo", table: "local", scope: "host", flags: [] }],
    ["local, scope global", { type: "local", dst: "7.0.0.0/8", dev: "lo", scope: "global", flags: [] }],
    ["dead", { dst: "10.1.0.0/16", dev: "v0", scope: "link", flags: ["dead"] }],
  ])("is given back: %s", (_, json) => {
    expect(formatRoute(parse(json))).toEqual(json);
  });

  it.each<Json>([
    ...[{ dst: "fd09::/64", from: "fd01::/64", gateway: "fd00::2", dev: "va", metric: 1024, flags: [] }],
    ...[
      {
        dst: "default",
        from: "fd01::1",
        dev: "va",
        metric: 5,
        flags: [],
        metrics: [{ mtu: 1400, advmss: 900 }],
      },
    ],
  ])("of IPv6, for some senders alone, is given back: %j", (json) => {
    expect(formatRoute6(readGoodJson(json, (fields) => parseRoute6(fields, 0)))).toEqual({
      ...json,
      pref: "medium",
    });
  });

  it("keeps what a router advertised", () => {
    const json = {
      ...{ dst: "fd09::/64", gateway: "fd00::2", dev: "va", protocol: "ra", metric: 1024, flags: [] },
      ...{ expires: 299, metrics: [{ hoplimit: 64 }], pref: "high" },
    };
    const route = readGoodJson(json, (fields) => parseRoute6(fields, 0));
    expect(formatRoute6(route)).toEqual(json);
    expect(routeCommand("add", route)).toBe(
      "ip -6 route add fd09::/64 via fd00::2 dev va proto ra hoplimit 64 expires 299 pref high",
    );
  });

  it.each([
    ["10.9.0.0/16 via 10.0.0.2 dev va mtu lock 1400", { mtu: 1400, metrics: { lock: "mtu" } }],
    [
      "10.9.0.0/16 via 10.0.0.2 dev va window 5000 rtt 30ms cwnd lock 10 hoplimit 7 features ecn rto_min lock 40ms congctl cubic",
      {
        mtu: 0,
        metrics: {
          window: 5000,
          rtt: 30,
          cwnd: 10,
          hoplimit: 7,
          ecn: null,
          rto_min: 40,
          congestion: "cubic",
        },
      },
    ],
  ])("is read as people see it: %s", (text, wanted) => {
    const { items, faults: none } = parseIpRouteText([{ text, number: 1 }]);
    expect(none).toEqual([]);
    expect(parse(items[0] as Json)).toMatchObject(wanted);
  });

  it("takes what ip leaves out as ip means it", () => {
    expect(parse({ dst: "10.0.0.1", dev: "eth0" })).toMatchObject({
      type: "unicast",
      dst: { length: 32 },
      table: "main",
      protocol: null,
      scope: "global",
      metric: 0,
      nextHops: [{ dev: "eth0", gateway: null, weight: 1, onlink: false, dead: false }],
    });
    expect(parse({ type: "local", dst: "10.0.0.1", dev: "lo" }).scope).toBe("host");
    expect(parse({ type: "prohibit", dst: "10.0.0.0/8" }).nextHops).toEqual([]);
  });

  it("calls the tables of rt_tables by name", () => {
    const tables = ["254", 255, "253", 1000, "vpn"].map((table) => parse({ dst: "10.0.0.0/8", table }).table);
    expect(tables).toEqual(["main", "local", "default", "1000", "vpn"]);
  });

  it("a link that is down does not kill a route, a dead one is not used", () => {
    const hops = [["linkdown"], ["dead", "linkdown"]].map(
      (flags) => parse({ dst: "10.0.0.0/8", dev: "v0", flags }).nextHops[0]?.dead,
    );
    expect(hops).toEqual([false, true]);
  });

  it.each<[Json, string]>([
    [{ dev: "eth0" }, "dst: is missing: an IPv4 prefix is expected"],
    [{ dst: "10.0.0.0/33" }, 'dst: "10.0.0.0/33" has the prefix length 33, which is above 32'],
    [{ dst: "10.0.0.256" }, 'dst: "10.0.0.256" has the part 256, which is above 255'],
    [
      { dst: "default", gateway: "10.0.0" },
      'gateway: "10.0.0" has 3 parts: an IPv4 address has exactly four, short forms are not read',
    ],
    [{ dst: "default", dev: 3 }, "dev: 3 is not a text"],
    [{ dst: "default", metric: -1 }, "metric: -1 is not a whole number from 0 to 4294967295"],
    [
      { dst: "default", scope: "golbal" },
      'scope: "golbal" is not one of global, site, link, host, nowhere (did you mean "global"?)',
    ],
    [{ dst: "default", tos: "0x100" }, "tos: 0x100 does not fit in a byte"],
    [
      { dst: "default", nexthops: [{ dev: "a", weight: 257 }] },
      "nexthops[0].weight: 257 is not a whole number from 1 to 256",
    ],
    [{ dst: "default", nexthops: ["a"] }, 'nexthops[0]: an object is expected here, not "a"'],
    [
      { dst: "9.9.0.0/16", via: { family: "inet6", host: "fe80::1" }, dev: "v0" },
      "via: a gateway of the other family is not modelled",
    ],
  ])("%j is refused", (json, message) => {
    expect(faults(json)).toEqual([message]);
  });

  it.each<[Json, boolean]>([
    [{ dst: "fe80::/64", dev: "eth0" }, true],
    [{ dst: "default", gateway: "fe80::1", dev: "eth0" }, true],
    [{ dst: "default", dev: "eth0", pref: "medium" }, true],
    [{ dst: "default", dev: "eth0" }, false],
  ])("%j of IPv6: %s", (json, expected) => {
    expect(readGoodJson(json, isIpv6Route)).toBe(expected);
  });

  it("addresses are the canonical ones", () => {
    expect(formatIpv4(parse({ dst: "10.0.0.0/8", prefsrc: "10.0.0.1" }).prefsrc ?? 0)).toBe("10.0.0.1");
    expect(parse({ dst: "10.0.0.0/8" }).dst.address).toBe(parseIpv4("10.0.0.0"));
  });
});
