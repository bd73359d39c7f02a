import fc from "fast-check";
import { IPv4 } from "ip-num";
import { Netmask } from "netmask";
import { describe, expect, it } from "vitest";
import { ADDRESS_CLASSES, classesOf, defaultMaskOf } from "../../src/address/classes.ts";
import { formatIpv4, parseIpv4 } from "../../src/address/ipv4.ts";
import { formatPrefix4 } from "../../src/address/prefix.ts";
import { ipv4 } from "./arbitraries.ts";

describe("classes of an address, the most specific first, and its default mask", () => {
  it.each([
    ["0.0.0.0", "unspecified A", undefined],
    ["0.0.0.1", "A", 8],
    ["1.0.0.0", "A", 8],
    ["9.255.255.255", "A", 8],
    ["10.0.0.0", "private A", 8],
    ["10.255.255.255", "private A", 8],
    ["11.0.0.0", "A", 8],
    ["126.255.255.255", "A", 8],
    ["127.0.0.0", "loopback A", 8],
    ["127.255.255.255", "loopback A", 8],
    ["128.0.0.0", "B", 16],
    ["169.253.255.255", "B", 16],
    ["169.254.0.0", "link-local B", 16],
    ["169.254.169.254", "link-local B", 16],
    ["169.255.0.0", "B", 16],
    ["172.15.255.255", "B", 16],
    ["172.16.0.0", "private B", 12],
    ["172.31.255.255", "private B", 12],
    ["172.32.0.0", "B", 16],
    ["191.255.255.255", "B", 16],
    ["192.0.0.0", "C", 24],
    ["192.167.255.255", "C", 24],
    ["192.168.0.0", "private C", 16],
    ["192.168.255.255", "private C", 16],
    ["192.169.0.0", "C", 24],
    ["223.255.255.255", "C", 24],
    ["224.0.0.0", "D", undefined],
    ["224.0.0.1", "all-hosts D", undefined],
    ["224.0.0.2", "D", undefined],
    ["239.255.255.255", "D", undefined],
    ["240.0.0.0", "E", undefined],
    ["255.255.255.255", "E", undefined],
  ])("%s: %s", (text, ids, mask) => {
    const address = parseIpv4(text) as number;
    expect(
      classesOf(address)
        .map(({ id }) => id)
        .join(" "),
    ).toBe(ids);
    expect(defaultMaskOf(address)).toBe(mask);
  });
});

it("there are ten classes, each with a meaning and a source", () => {
  expect(new Set(ADDRESS_CLASSES.map(({ id }) => id)).size).toBe(10);
  for (const { ranges, meaning, source } of ADDRESS_CLASSES) {
    expect(ranges.length).toBeGreaterThan(0);
    expect(meaning).not.toBe("");
    expect(source).toMatch(/RFC \d+/);
  }
});

describe("laws", () => {
  const has = (address: number, id: string) => classesOf(address).some((found) => found.id === id);

  it("every address is in exactly one of A to E, the one its first bits say", () => {
    fc.assert(
      fc.property(ipv4(), (address) => {
        const ones = Math.min(4, Math.clz32(~address));
        expect(
          classesOf(address)
            .map(({ id }) => id)
            .filter((id) => id.length === 1),
        ).toEqual(["ABCDE"[ones]]);
      }),
    );
  });

  it("ip-num agrees on private, loopback, link local, multicast, reserved and unspecified", () => {
    const interesting = fc.oneof(
      ipv4(),
      fc.nat(0xffff).map((low) => 0xa9fe0000 | low | 0),
      fc.nat(0xfffff).map((low) => 0xac100000 | low | 0),
      fc.nat(0xffff).map((low) => 0xc0a80000 | low | 0),
      fc.nat(0xffffff).map((low) => 0x7f000000 | low),
    );
    fc.assert(
      fc.property(interesting, (address) => {
        const oracle = IPv4.fromString(formatIpv4(address));
        expect(has(address, "private")).toBe(oracle.isPrivate());
        expect(has(address, "loopback")).toBe(oracle.isLoopback());
        expect(has(address, "link-local")).toBe(oracle.isLinkLocal());
        expect(has(address, "D")).toBe(oracle.isMulticast());
        expect(has(address, "unspecified")).toBe(oracle.isUnspecified());
      }),
    );
  });

  it("netmask agrees on every range", () => {
    fc.assert(
      fc.property(ipv4(), (address) => {
        for (const { id, ranges } of ADDRESS_CLASSES) {
          const blocks = ranges.map(({ prefix }) => new Netmask(formatPrefix4(prefix)));
          expect(has(address, id)).toBe(blocks.some((block) => block.contains(formatIpv4(address))));
        }
      }),
    );
  });
});
