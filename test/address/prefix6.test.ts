import fc from "fast-check";
import { IPv6, IPv6CidrRange, IPv6Prefix } from "ip-num";
import { describe, expect, it } from "vitest";
import { type Ipv6Words, parseIpv6 } from "../../src/address/ipv6.ts";
import {
  contains6,
  covers6,
  explainPrefix6,
  formatPrefix6,
  mask6Of,
  networkOf6,
  type Prefix6,
  parseAddressOrPrefix6,
  parsePrefix6,
} from "../../src/address/prefix6.ts";
import { bigintOf, ipv6, prefix6 } from "./arbitraries.ts";

describe("parsePrefix6", () => {
  it.each([
    ["fd00:10:244::/56", 56, "fd00:10:244::/56"],
    ["::/0", 0, "::/0"],
    ["FE80::1/64", 64, "fe80::1/64"],
    ["::1/128", 128, "::1/128"],
  ])("%s", (text, length, canonical) => {
    const prefix = parsePrefix6(text);
    expect(prefix?.length).toBe(length);
    expect(prefix && formatPrefix6(prefix)).toBe(canonical);
  });

  it("a bare address is a /128 only where that is asked for", () => {
    expect(parsePrefix6("::1")).toBeUndefined();
    expect(parseAddressOrPrefix6("::1")).toEqual({ address: [0, 0, 0, 1], length: 128 });
    expect(parseAddressOrPrefix6("::1/64")?.length).toBe(64);
  });
});

describe("what is no IPv6 prefix is refused, with the reason", () => {
  it.each([
    ["::/129", "129, which is above 128"],
    ["::/1000", "above 128"],
    ["::/064", "leading zero"],
    ["::/-1", "not a number from 0 to 128"],
    ["::/", "nothing after the slash"],
    ["fe80::1%eth0/64", "has a zone"],
    ["10.0.0.0/8", "has no colon"],
    ["::1", "write ::1/128"],
    ["::/255.0.0.0", "not a number from 0 to 128"],
    ["1::2::3/64", ":: more than once"],
  ])("%j", (text, reason) => {
    expect(parsePrefix6(text)).toBeUndefined();
    expect(explainPrefix6(text)).toContain(reason);
  });
});

describe("laws", () => {
  it("parse ∘ format is the identity", () => {
    fc.assert(
      fc.property(prefix6(), (prefix) => {
        expect(parsePrefix6(formatPrefix6(prefix))).toEqual(prefix);
      }),
    );
  });

  it("ip-num finds the same network and mask", () => {
    fc.assert(
      fc.property(prefix6(), (prefix) => {
        const range = rangeOf(prefix);
        expect(networkOf6(prefix).address).toEqual(parseIpv6(range.getFirst().toString()));
        expect(mask6Of(prefix.length)).toEqual(parseIpv6(range.getPrefix().toMask().toString()));
      }),
    );
  });

  it("ip-num agrees on what a prefix contains", () => {
    fc.assert(
      fc.property(prefix6(), ipv6(), fc.nat(127), (prefix, other, bit) => {
        const flipped = [...prefix.address] as [number, number, number, number];
        flipped[bit >> 5] = ((flipped[bit >> 5] ?? 0) ^ (1 << (bit & 31))) >>> 0;
        const range = rangeOf(prefix);
        for (const address of [other, flipped, prefix.address] satisfies Ipv6Words[]) {
          expect(contains6(prefix, address)).toBe(range.contains(IPv6.fromBigInt(bigintOf(address))));
        }
      }),
    );
  });

  it("a prefix covers itself made longer and never itself made shorter", () => {
    fc.assert(
      fc.property(prefix6(), fc.nat(128), (prefix, length) => {
        expect(covers6(prefix, { address: prefix.address, length })).toBe(length >= prefix.length);
      }),
    );
  });
});

/** By number, because ip-num reads no address that ends in a dotted quad before a length. */
function rangeOf({ address, length }: Prefix6): IPv6CidrRange {
  return new IPv6CidrRange(IPv6.fromBigInt(bigintOf(address)), new IPv6Prefix(BigInt(length)));
}
