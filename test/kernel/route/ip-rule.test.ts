import { describe, expect, it } from "vitest";
import type { Json } from "../../../src/kernel/json-fields.ts";
import { DEFAULT_RULES, formatRule, parseRule } from "../../../src/kernel/route/ip-rule.ts";
import { readGoodJson, readJson } from "../json-of.ts";

const parse = (json: Json) => readGoodJson(json, (fields) => parseRule(fields, 0));

describe("policy rules as ip -j prints them", () => {
  // Printed by iproute2 6.1.
  it.each<[string, Json]>([
    ["lookup", { priority: 0, src: "all", table: "local" }],
    [
      "a destination of no address",
      { priority: 99, src: "all", dst: "0.0.0.0", dstlen: 5, ipproto: "icmp", table: "5" },
    ],
    ["goto", { priority: 100, src: "10.0.0.0", srclen: 8, iif: "lo", goto: 300 }],
    ["the tables of VRFs", { priority: 1000, src: "all", l3mdev: null }],
    ["nop", { priority: 200, src: "all", nop: null }],
    [
      "all there is",
      {
        priority: 300,
        not: null,
        src: "1.2.3.4",
        tos: "0x10",
        oif: "lo",
        uid_start: 5,
        uid_end: 6,
        ipproto: "tcp",
        sport: 80,
        dport_start: 100,
        dport_end: 200,
        table: "77",
        suppress_prefixlen: 0,
      },
    ],
    [
      "a mask",
      { priority: 301, src: "all", fwmark: "0x5", fwmask: "0x7", ipproto: "ipproto-200", action: "prohibit" },
    ],
    ["a mark without mask", { priority: 302, src: "all", fwmark: "0xffffffff", action: "blackhole" }],
    ["unreachable", { priority: 303, src: "all", dst: "203.0.113.11", iif: "lan0", action: "unreachable" }],
  ])("is given back: %s", (_, json) => {
    expect(formatRule(parse(json))).toEqual(json);
  });

  it("reads the zero prefix and the older name of an action", () => {
    expect(parse({ priority: 1, src: "0", srclen: 1, table: "main" }).src).toEqual({ address: 0, length: 1 });
    expect(parse({ priority: 1, src: "all", to_tbl: "prohibit" }).action).toEqual({ kind: "prohibit" });
    expect(parse({ priority: 1, src: "10.0.0.0/8", table: "main" }).src?.length).toBe(8);
  });

  it("begins a namespace with local, main and default", () => {
    expect(DEFAULT_RULES.map(formatRule)).toEqual([
      { priority: 0, src: "all", table: "local" },
      { priority: 32766, src: "all", table: "main" },
      { priority: 32767, src: "all", table: "default" },
    ]);
  });

  it.each<[Json, readonly string[]]>([
    [
      { src: "all", table: "main" },
      ["priority: is missing: a whole number from 0 to 4294967295 is expected"],
    ],
    [
      { priority: 1, src: "all" },
      ["action: is missing: one of blackhole, unreachable, prohibit, nop is expected"],
    ],
    [
      { priority: 1, src: "10.0.0.0", srclen: 40, table: "main" },
      ["srclen: 40 is not a whole number from 0 to 32"],
    ],
    [
      { priority: 1, src: "everyone", table: "main" },
      ['src: "everyone" has a part that is not a decimal number: "everyone"'],
    ],
    [
      { priority: 1, fwmark: "0x1ffffffff", table: "main" },
      ['fwmark: "0x1ffffffff" is not a number of 32 bits such as 0x4000'],
    ],
    [{ priority: 1, ipproto: "tpc", table: "main" }, ['ipproto: "tpc" is no protocol that is known by name']],
    [{ priority: 1, sport: 99999, table: "main" }, ["sport: 99999 is not a whole number from 0 to 65535"]],
    [{ priority: 1, dport_start: 5, dport_end: 4, table: "main" }, ["dport_end: 4 is below dport_start, 5"]],
    [{ priority: 1, dscp: "EF", table: "main" }, ["dscp: a rule with dscp is not modelled"]],
    [
      { priority: 1, tun_id: 4 },
      [
        "tun_id: a rule with tun_id is not modelled",
        "action: is missing: one of blackhole, unreachable, prohibit, nop is expected",
      ],
    ],
  ])("%j is refused", (json, messages) => {
    expect(readJson(json, (fields) => parseRule(fields, 0))).toEqual(messages);
  });
});
