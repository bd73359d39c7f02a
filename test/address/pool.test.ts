import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIpv4, type Ipv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { formatIpv6, type Ipv6Words, parseIpv6 } from "../../src/address/ipv6.ts";
import { AddressPool, type Allocation, block4, block6 } from "../../src/address/pool.ts";
import { parsePrefix4 } from "../../src/address/prefix.ts";
import { parsePrefix6 } from "../../src/address/prefix6.ts";

const ip = (text: string) => parseIpv4(text) as Ipv4;
const pool4 = (text: string) =>
  new AddressPool(block4(parsePrefix4(text) as NonNullable<ReturnType<typeof parsePrefix4>>));
const pool6 = (text: string) =>
  new AddressPool(block6(parsePrefix6(text) as NonNullable<ReturnType<typeof parsePrefix6>>));
const shown = (given: Allocation<Ipv4>) =>
  given.kind === "allocated" ? formatIpv4(given.address) : given.kind;
const shown6 = (given: Allocation<Ipv6Words>) =>
  given.kind === "allocated" ? formatIpv6(given.address) : given.kind;

describe("an IPv4 pool", () => {
  it("gives every address once, then says it is exhausted", () => {
    const pool = pool4("10.0.0.8/30");
    expect([1, 2, 3, 4, 5].map(() => shown(pool.next()))).toEqual([
      "10.0.0.8",
      "10.0.0.9",
      "10.0.0.10",
      "10.0.0.11",
      "exhausted",
    ]);
    expect(shown(pool.first())).toBe("exhausted");
    expect(pool.taken).toBe(4);
  });

  it("next goes round before it gives a released address again, first does not", () => {
    const pool = pool4("10.0.0.0/30");
    pool.next();
    pool.next();
    expect(pool.release(ip("10.0.0.0"))).toBe(true);
    expect(shown(pool.next())).toBe("10.0.0.2");
    expect(shown(pool.next())).toBe("10.0.0.3");
    expect(shown(pool.next())).toBe("10.0.0.0");
    pool.release(ip("10.0.0.1"));
    expect(shown(pool.first())).toBe("10.0.0.1");
  });

  it("leaves out what is excluded, runs that touch included", () => {
    const pool = pool4("255.255.255.248/29");
    pool.exclude(ip("255.255.255.248"));
    pool.exclude(ip("255.255.255.250"), ip("255.255.255.251"));
    pool.exclude(ip("255.255.255.249"));
    pool.exclude(ip("255.255.255.255"));
    expect([1, 2, 3, 4].map(() => shown(pool.first()))).toEqual([
      "255.255.255.252",
      "255.255.255.253",
      "255.255.255.254",
      "exhausted",
    ]);
  });

  it.each([
    ["10.0.0.1", "claimed"],
    ["10.0.0.0", "excluded"],
    ["10.0.0.2", "taken"],
    ["10.0.1.0", "outside"],
    ["9.255.255.255", "outside"],
  ])("claiming %s: %s", (text, result) => {
    const pool = pool4("10.0.0.0/24");
    pool.exclude(ip("10.0.0.0"));
    pool.claim(ip("10.0.0.2"));
    expect(pool.claim(ip(text))).toBe(result);
  });

  it("takes back only what it gave", () => {
    const pool = pool4("10.0.0.0/24");
    expect(pool.release(ip("10.0.0.1"))).toBe(false);
    expect(pool.release(ip("11.0.0.1"))).toBe(false);
    pool.claim(ip("10.0.0.1"));
    expect(pool.release(ip("10.0.0.1"))).toBe(true);
    expect(pool.release(ip("10.0.0.1"))).toBe(false);
  });

  it("a range outside the pool or upside down is a mistake", () => {
    const pool = pool4("10.0.0.0/24");
    expect(() => pool.exclude(ip("10.0.1.0"))).toThrow(RangeError);
    expect(() => pool.exclude(ip("10.0.0.9"), ip("10.0.0.8"))).toThrow(RangeError);
  });

  it("spans the whole address space", () => {
    const pool = pool4("0.0.0.0/0");
    expect(pool.claim(ip("255.255.255.255"))).toBe("claimed");
    expect(shown(pool.next())).toBe("0.0.0.0");
  });
});

describe("an IPv6 pool", () => {
  it("counts on in the last word", () => {
    const pool = pool6("fd00::fffe/127");
    expect([1, 2, 3].map(() => shown6(pool.next()))).toEqual(["fd00::fffe", "fd00::ffff", "exhausted"]);
  });

  it.each([
    ["fd00:1::5", "claimed"],
    ["fd00:1::ffff:ffff", "claimed"],
    ["fd00:1::1:0:0", "outside"],
    ["fd00:2::5", "outside"],
  ])("claiming %s of fd00:1::/64: %s", (text, result) => {
    expect(pool6("fd00:1::/64").claim(parseIpv6(text) as Ipv6Words)).toBe(result);
  });
});

it("a pool behaves as a set of free addresses", () => {
  const step = fc.oneof(
    fc.record({ act: fc.constantFrom("first", "next"), host: fc.constant(0) }),
    fc.record({ act: fc.constantFrom("claim", "release", "exclude"), host: fc.nat(15) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const base = ip("192.168.7.240");
      const pool = pool4("192.168.7.240/28");
      const taken = new Set<Ipv4>();
      const excluded = new Set<Ipv4>();
      const free = () =>
        Array.from({ length: 16 }, (_, i) => base + i).filter((a) => !taken.has(a) && !excluded.has(a));
      let last = base - 1;
      for (const { act, host } of steps) {
        const address = base + host;
        if (act === "release") expect(pool.release(address)).toBe(taken.delete(address));
        else if (act === "exclude") {
          pool.exclude(address);
          excluded.add(address);
        } else if (act === "claim") {
          const expected = taken.has(address) ? "taken" : excluded.has(address) ? "excluded" : "claimed";
          expect(pool.claim(address)).toBe(expected);
          if (expected === "claimed") taken.add(address);
        } else {
          const candidates = free();
          const expected =
            act === "first" ? candidates[0] : (candidates.find((a) => a > last) ?? candidates[0]);
          const given = act === "first" ? pool.first() : pool.next();
          expect(given).toEqual(
            expected === undefined ? { kind: "exhausted" } : { kind: "allocated", address: expected },
          );
          if (expected === undefined) continue;
          taken.add(expected);
          if (act === "next") last = expected;
        }
        expect(pool.taken).toBe(taken.size);
      }
    }),
    { numRuns: 300 },
  );
});
