import fc from "fast-check";
import { collapseIPv6Number, IPv6 } from "ip-num";
import { describe, expect, it } from "vitest";
import { explainIpv6, formatIpv6, type Ipv6Words, parseIpv6, splitZone } from "../../src/address/ipv6.ts";
import { bigintOf, ipv6 } from "./arbitraries.ts";

describe("parseIpv6 and the canonical form of RFC 5952", () => {
  it.each<[string, Ipv6Words, string]>([
    ["::", [0, 0, 0, 0], "::"],
    ["::1", [0, 0, 0, 1], "::1"],
    ["1::", [0x10000, 0, 0, 0], "1::"],
    ["fd00:10:244::7", [0xfd000010, 0x02440000, 0, 7], "fd00:10:244::7"],
    ["2001:0DB8:0:0:0:0:0:1", [0x20010db8, 0, 0, 1], "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", [0x20010db8, 1, 0x10001, 0x10001], "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", [0x20010000, 1, 0, 1], "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", [0x20010db8, 0, 0x10000, 1], "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7::", [0x10002, 0x30004, 0x50006, 0x70000], "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", [2, 0x30004, 0x50006, 0x70008], "0:2:3:4:5:6:7:8"],
    ["::ffff:10.0.0.1", [0, 0, 0xffff, 0x0a000001], "::ffff:10.0.0.1"],
    ["::ffff:a00:1", [0, 0, 0xffff, 0x0a000001], "::ffff:10.0.0.1"],
    ["64:ff9b::192.0.2.33", [0x0064ff9b, 0, 0, 0xc0000221], "64:ff9b::c000:221"],
    ["1:2:3:4:5:6:1.2.3.4", [0x10002, 0x30004, 0x50006, 0x01020304], "1:2:3:4:5:6:102:304"],
    [
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ],
  ])("%s", (text, words, canonical) => {
    expect(parseIpv6(text)).toEqual(words);
    expect(formatIpv6(words)).toBe(canonical);
  });
});

describe("what is no IPv6 address is refused, with the reason", () => {
  it.each([
    ["", "is empty"],
    [" ::1", "blanks around it"],
    ["fe80::1%eth0", "has a zone"],
    ["fd00::/8", "has a prefix length"],
    ["[::1]", "is in brackets"],
    ["10.0.0.1", "has no colon"],
    ["cafe", "has no colon"],
    ["1:2:3:4:5:6:7", "has 7 groups"],
    ["1:2:3:4:5:6:7:8:9", "has 9 groups"],
    ["1:2:3:4:5:6:7:8::", "has 8 groups beside ::"],
    ["1::2:3:4:5:6:7:8", "has 8 groups beside ::"],
    ["1::2::3", ":: more than once"],
    [":::", "single colon"],
    [":1:2:3:4:5:6:7", "single colon"],
    ["1:2:3:4:5:6:7:", "single colon"],
    ["1:::2", "single colon"],
    ["12345::", 'the group "12345"'],
    ["00001::", 'the group "00001"'],
    ["g::1", "not hexadecimal"],
    ["0x1::", "not hexadecimal"],
    ["::1.2.3", "bad dotted quad"],
    ["::010.0.0.1", "leading zero"],
    ["::1.2.3.256", "above 255"],
    ["1.2.3.4::", "not at its end"],
    ["::1.2.3.4:5", "not at its end"],
    ["1:2:3:4:5:6:7:1.2.3.4", "has 9 groups"],
  ])("%j", (text, reason) => {
    expect(parseIpv6(text)).toBeUndefined();
    expect(explainIpv6(text)).toContain(reason);
  });
});

describe("splitZone", () => {
  it.each([
    ["fe80::1%eth0", "fe80::1", "eth0"],
    ["fe80::1%", "fe80::1", ""],
    ["fe80::1", "fe80::1", undefined],
  ])("%s", (text, address, zone) => {
    expect(splitZone(text)).toEqual({ address, zone });
  });
});

describe("laws", () => {
  it("parse ∘ format is the identity", () => {
    fc.assert(
      fc.property(ipv6(), (words) => {
        expect(parseIpv6(formatIpv6(words))).toEqual(words);
      }),
    );
  });

  it("every spelling fast-check writes is read as ip-num reads it", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const words = parseIpv6(text);
        expect(words && bigintOf(words)).toBe(IPv6.fromString(formatIpv6(words ?? [0, 0, 0, 0])).getValue());
        if (!text.includes(".")) expect(words && bigintOf(words)).toBe(IPv6.fromString(text).getValue());
      }),
    );
  });

  it("the canonical form is ip-num's, IPv4-mapped addresses aside", () => {
    fc.assert(
      fc.property(ipv6(), (words) => {
        fc.pre(!(words[0] === 0 && words[1] === 0 && words[2] === 0xffff));
        const expanded = IPv6.fromBigInt(bigintOf(words)).toString();
        expect(formatIpv6(words)).toBe(collapseIPv6Number(expanded));
      }),
    );
  });
});
