import fc from "fast-check";
import { IPv4CidrRange, IPv4Prefix } from "ip-num";
import { describe, expect, it } from "vitest";
import { covers, formatPrefix4, networkOf, type Prefix4, parsePrefix4 } from "../../src/address/prefix.ts";
import { formatPrefix6, type Prefix6, parsePrefix6 } from "../../src/address/prefix6.ts";
import { subnetPool4, subnetPool6, subnetsOf4, subnetsOf6 } from "../../src/address/subnet-pool.ts";
import { prefix4 } from "./arbitraries.ts";

const cidr4 = (text: string) => parsePrefix4(text) as Prefix4;
const cidr6 = (text: string) => parsePrefix6(text) as Prefix6;

describe("all subnets of one length", () => {
  it.each([
    ["10.244.0.0/22", 24, "10.244.0.0/24 10.244.1.0/24 10.244.2.0/24 10.244.3.0/24"],
    ["10.0.0.9/31", 32, "10.0.0.8/32 10.0.0.9/32"],
    ["0.0.0.0/0", 1, "0.0.0.0/1 128.0.0.0/1"],
    ["0.0.0.0/0", 0, "0.0.0.0/0"],
    ["255.255.255.255/32", 32, "255.255.255.255/32"],
    ["10.0.0.0/24", 23, ""],
  ])("%s in /%s", (text, length, subnets) => {
    expect([...subnetsOf4(cidr4(text), length)].map(formatPrefix4).join(" ")).toBe(subnets);
  });

  it.each([
    ["fd00:10:244::/62", 64, "fd00:10:244::/64 fd00:10:244:1::/64 fd00:10:244:2::/64 fd00:10:244:3::/64"],
    [
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
      128,
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/128 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
    ],
    ["fd00::/64", 56, ""],
  ])("%s in /%s", (text, length, subnets) => {
    expect([...subnetsOf6(cidr6(text), length)].map(formatPrefix6).join(" ")).toBe(subnets);
  });

  it("ip-num splits alike", () => {
    fc.assert(
      fc.property(prefix4(), fc.nat(6), (prefix, more) => {
        const length = Math.min(32, prefix.length + more);
        const split = IPv4CidrRange.fromCidr(formatPrefix4(networkOf(prefix))).splitInto(
          new IPv4Prefix(BigInt(length)),
        );
        expect([...subnetsOf4(prefix, length)].map(formatPrefix4)).toEqual(
          split.map((range) => range.toCidrString()),
        );
      }),
    );
  });
});

describe("a pool of subnets", () => {
  it("keeps large blocks whole for as long as it can", () => {
    const pool = subnetPool4([cidr4("10.0.0.0/8")]);
    const take = (length: number) => {
      const given = pool.allocate(length);
      return given.kind === "allocated" ? formatPrefix4(given.prefix) : given.kind;
    };
    expect([24, 26, 24, 16, 26, 9, 9].map(take)).toEqual([
      "10.0.0.0/24",
      "10.0.1.0/26",
      "10.0.2.0/24",
      "10.1.0.0/16",
      "10.0.1.64/26",
      "10.128.0.0/9",
      "exhausted",
    ]);
  });

  it("goes on in its next prefix, leaves out what is excluded, and joins what is given back", () => {
    const pool = subnetPool4([cidr4("10.0.0.0/24"), cidr4("192.168.0.0/24")]);
    pool.exclude(cidr4("10.0.0.77/32"));
    expect(pool.allocate(24)).toEqual({ kind: "allocated", prefix: cidr4("192.168.0.0/24") });
    expect(pool.allocate(25)).toEqual({ kind: "allocated", prefix: cidr4("10.0.0.128/25") });
    expect(pool.allocate(25)).toEqual({ kind: "exhausted" });
    expect(pool.release(cidr4("192.168.0.0/24"))).toBe(true);
    expect(pool.release(cidr4("192.168.0.0/24"))).toBe(false);
    const halves = [pool.allocate(25), pool.allocate(25)].map((given) => {
      if (given.kind === "exhausted") throw new Error("two halves were free");
      return given.prefix;
    });
    for (const half of halves) pool.release(half);
    expect(pool.allocate(24)).toEqual({ kind: "allocated", prefix: cidr4("192.168.0.0/24") });
  });

  it("counts IPv6 alike", () => {
    const pool = subnetPool6([cidr6("fd00:10:244::/63")]);
    const take = () => {
      const given = pool.allocate(64);
      return given.kind === "allocated" ? formatPrefix6(given.prefix) : given.kind;
    };
    expect([take(), take(), take()]).toEqual(["fd00:10:244::/64", "fd00:10:244:1::/64", "exhausted"]);
    expect(pool.release(cidr6("fd00:10:244:1::/64"))).toBe(true);
    expect(take()).toBe("fd00:10:244:1::/64");
  });

  it("prefixes of one pool may not overlap", () => {
    expect(() => subnetPool4([cidr4("10.0.0.0/8"), cidr4("10.1.0.0/16")])).toThrow(RangeError);
    expect(() => subnetPool4([cidr4("10.1.0.0/16"), cidr4("10.0.0.0/8")])).toThrow(RangeError);
  });

  it("what is handed out never overlaps, lies in the pool, and comes back whole", () => {
    const lengths = fc.array(fc.integer({ min: 17, max: 28 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(lengths, (wanted) => {
        const whole = cidr4("172.16.0.0/16");
        const pool = subnetPool4([whole]);
        const given: Prefix4[] = [];
        for (const length of wanted) {
          const allocation = pool.allocate(length);
          if (allocation.kind === "exhausted") continue;
          expect(allocation.prefix.length).toBe(length);
          expect(covers(whole, allocation.prefix)).toBe(true);
          for (const other of given)
            expect(covers(other, allocation.prefix) || covers(allocation.prefix, other)).toBe(false);
          given.push(allocation.prefix);
        }
        for (const prefix of given) expect(pool.release(prefix)).toBe(true);
        expect(pool.allocate(16)).toEqual({ kind: "allocated", prefix: whole });
      }),
      { numRuns: 40 },
    );
  });
});
