import fc from "fast-check";
import { IPv4, IPv4CidrRange } from "ip-num";
import { Netmask } from "netmask";
import { describe, expect, it } from "vitest";
import { formatIpv4, parseIpv4 } from "../../src/address/ipv4.ts";
import {
  contains,
  covers,
  explainPrefix4,
  firstOf,
  formatMasked4,
  formatPrefix4,
  lastOf,
  lengthOfMask,
  maskOf,
  networkOf,
  parseAddressOrPrefix4,
  parseIptablesPrefix4,
  parseMasked4,
  parsePrefix4,
  sizeOf,
} from "../../src/address/prefix.ts";
import { ipv4, prefix4 } from "./arbitraries.ts";

const bits = (text: string) => parseIpv4(text) as number;

describe("parsePrefix4", () => {
  it.each([
    ["10.0.0.0/8", 8],
    ["0.0.0.0/0", 0],
    ["10.1.2.3/24", 24],
    ["255.255.255.255/32", 32],
  ])("%s", (text, length) => {
    const prefix = parsePrefix4(text);
    expect(prefix).toEqual({ address: bits(text.split("/")[0] as string), length });
    expect(prefix && formatPrefix4(prefix)).toBe(text);
  });
});

describe("what is no IPv4 prefix is refused, with the reason", () => {
  it.each([
    ["", "is empty"],
    ["1.2.3.4/33", "prefix length 33, which is above 32"],
    ["1.2.3.4/100000", "above 32"],
    ["10.0.0.0/08", 'leading zero in its prefix length "08"'],
    ["10.0.0.0/00", "leading zero"],
    ["10.0.0.0/-1", "not a number from 0 to 32"],
    ["10.0.0.0/+8", "not a number from 0 to 32"],
    ["10.0.0.0/8.0", "not a number from 0 to 32"],
    ["10.0.0.0/ 8", "not a number from 0 to 32"],
    ["10.0.0.0/8 ", "not a number from 0 to 32"],
    ["10.0.0.0/0x8", "not a number from 0 to 32"],
    ["10.0.0.0/", "nothing after the slash"],
    ["10.0.0.0/8/8", "not a number from 0 to 32"],
    ["10.0.0.0/255.0.0.0", "has a dotted mask"],
    ["/8", "is empty"],
    ["10/8", "has 1 part"],
    ["010.0.0.0/8", "leading zero"],
    [" 10.0.0.0/8", "blanks around it"],
    ["10.0.0.0", "has no prefix length: write 10.0.0.0/32"],
    ["fd00::/8", "contains a colon"],
  ])("%j", (text, reason) => {
    expect(parsePrefix4(text)).toBeUndefined();
    expect(explainPrefix4(text)).toContain(reason);
  });
});

describe("a bare address is a /32 only where that is asked for", () => {
  it.each([
    ["10.0.0.1", { address: 0x0a000001, length: 32 }],
    ["10.0.0.1/24", { address: 0x0a000001, length: 24 }],
    ["10.0.0", undefined],
    ["10.0.0.1/", undefined],
  ])("%s", (text, prefix) => {
    expect(parseAddressOrPrefix4(text)).toEqual(prefix);
  });
});

describe("iptables' dotted masks", () => {
  it.each([
    ["10.0.0.0/255.0.0.0", 8, "10.0.0.0/8"],
    ["10.0.0.0/8", 8, "10.0.0.0/8"],
    ["10.0.0.1", 32, "10.0.0.1/32"],
    ["10.0.0.1/255.255.255.255", 32, "10.0.0.1/32"],
    ["0.0.0.0/0.0.0.0", 0, "0.0.0.0/0"],
    ["0.0.0.0/0", 0, "0.0.0.0/0"],
    ["10.0.0.1/255.0.0.255", undefined, "10.0.0.1/255.0.0.255"],
    ["10.0.0.1/0.0.0.255", undefined, "10.0.0.1/0.0.0.255"],
  ])("%s", (text, length, printed) => {
    expect(parseIptablesPrefix4(text)?.length).toBe(length);
    const masked = parseMasked4(text);
    expect(masked && formatMasked4(masked)).toBe(printed);
  });

  it.each([
    "10.0.0.0/255.0.0",
    "10.0.0.0/255.0.0.256",
    "10.0.0.0/0377.0.0.0",
    "10.0.0/8",
    "10.0.0.0/33",
    "",
    "/",
  ])("%j is refused", (text) => {
    expect(parseIptablesPrefix4(text)).toBeUndefined();
    expect(parseMasked4(text)).toBeUndefined();
  });
});

describe("laws", () => {
  it("parse ∘ format is the identity", () => {
    fc.assert(
      fc.property(prefix4(), (prefix) => {
        expect(parsePrefix4(formatPrefix4(prefix))).toEqual(prefix);
      }),
    );
  });

  it("a mask and its length are inverse, and other masks have no length", () => {
    for (let length = 0; length <= 32; length++) expect(lengthOfMask(maskOf(length))).toBe(length);
    fc.assert(
      fc.property(ipv4(), (mask) => {
        const length = lengthOfMask(mask);
        return /01/.test((mask >>> 0).toString(2).padStart(32, "0"))
          ? length === undefined
          : maskOf(length ?? -1) === mask;
      }),
    );
  });

  it("netmask finds the same first, last, mask and size", () => {
    fc.assert(
      fc.property(prefix4(), (prefix) => {
        const block = new Netmask(formatPrefix4(prefix));
        expect(formatIpv4(firstOf(prefix))).toBe(block.base);
        expect(formatIpv4(maskOf(prefix.length))).toBe(block.mask);
        expect(sizeOf(prefix)).toBe(block.size);
        expect(formatIpv4(lastOf(prefix))).toBe(
          IPv4CidrRange.fromCidr(formatPrefix4(prefix)).getLast().toString(),
        );
      }),
    );
  });

  it("netmask and ip-num agree on what a prefix contains", () => {
    fc.assert(
      fc.property(prefix4(), ipv4(), fc.nat(40), (prefix, other, shift) => {
        for (const address of [
          other,
          prefix.address ^ (1 << shift),
          firstOf(prefix) - 1,
          lastOf(prefix) + 1,
        ]) {
          const text = formatIpv4(address);
          expect(contains(prefix, address | 0)).toBe(new Netmask(formatPrefix4(prefix)).contains(text));
          const range = IPv4CidrRange.fromCidr(formatPrefix4(networkOf(prefix)));
          expect(contains(prefix, address | 0)).toBe(range.contains(IPv4.fromString(text)));
        }
      }),
    );
  });

  it("a prefix covers another exactly if it contains both its ends", () => {
    fc.assert(
      fc.property(prefix4(), prefix4(), fc.boolean(), (outer, other, near) => {
        const inner = near ? { address: outer.address, length: other.length } : other;
        const both = contains(outer, firstOf(inner)) && contains(outer, lastOf(inner));
        expect(covers(outer, inner)).toBe(both);
      }),
    );
  });
});
